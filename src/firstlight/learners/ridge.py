"""Ridge: item vectors trained end to end through a closed-form Bayesian solve, with a mean and a variance.

A person's taste is u ~ N(P·profile, I) and a like is v_iᵀu = 1 with noise σ². What was not touched counts a little as
not liked: α(k) Σ_i v_i v_iᵀ / M is added to the precision, as in implicit ALS (Hu, Koren, Volinsky, ICDM 2008). After
the support S

    Λ = V_SᵀV_S + α(k) VᵀV/M + σ² I,    u = P·profile + γ Λ⁻¹ V_Sᵀ y,    score(j) = w_jᵀu + b_j,
    var(j) = γ² σ² w_jᵀ Λ⁻¹ w_j.

V, W, P, b, σ, γ and α(k) = exp(a₀ + a₁ log(1 + k)) are learned on episodes by descent through the solve: R2-D2
(Bertinetto et al., ICLR 2019), with the Bayesian last layer of ALPaCA (Harrison, Sharma, Pavone, WAFR 2018), for
recommendation. Differs: items are read out through vectors W of their own, which start as V; the loss is a softmax.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from firstlight.learners.base import Prior
from firstlight.learners.covered import spread
from firstlight.learners.episodic import EpisodicLearner, EpisodicPreference
from firstlight.meta.episodes import Task
from firstlight.models.base import Ground, Weights
from firstlight.models.starts import leading_vectors
from firstlight.tasks import Support


class Ridge(EpisodicLearner):
    """embedding_size: the rank of the kernel. The other settings are those of `EpisodicLearner`."""

    name: ClassVar[str] = "ridge"
    summary: ClassVar[str] = "item vectors trained end to end through a closed-form Bayesian solve"

    steps: int = 220
    batch: int = 512
    learning_rate: float = 1e-2

    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        vectors = leading_vectors(ground.corpus, ground.chosen, self.embedding_size, chance)
        return {
            "vectors": vectors,
            "readout": vectors.clone(),
            "profile": 0.02 * torch.randn(ground.terms, vectors.shape[1], generator=chance),
            "bias": torch.zeros(len(ground.chosen)),
            "log_noise": torch.zeros(()),
            "log_unseen": torch.tensor([-2.0, 0.5]),
            "log_gain": torch.tensor(1.0),
        }

    def settled(self, weights: Weights, ground: Ground) -> Weights:
        """The weights, and VᵀV/M."""
        vectors = weights["vectors"]
        return {**weights, "usual": vectors.T @ vectors / len(vectors)}

    def logits(self, tensors: Weights, task: Task) -> Tensor:
        person = (solve(tensors, task.columns, task.grades) + task.profile @ tensors["profile"]) * task.keep
        return person @ tensors["readout"].T + tensors["bias"]

    def adapt(self, prior: Prior, support: Support) -> "RidgePreference":
        return RidgePreference(prior, support, lambda task: self.logits(prior.tensors, task), self.loss == "stars")


class RidgePreference(EpisodicPreference):
    """With deviations, in closed form."""

    def deviations(self) -> Tensor:
        """(T, N): of the taste for an item, before popularity and the softmax; 0 for an item that is not covered."""
        tensors, task = self.tensors, self.task()
        inverse = torch.cholesky_inverse(factor(tensors, task.columns, task.grades))
        variance = ((tensors["readout"] @ inverse) * tensors["readout"]).sum(-1) * tensors["log_noise"].exp()
        deviations: Tensor = variance.clamp(min=0).sqrt() * tensors["log_gain"].exp()
        return spread(tensors, deviations, torch.zeros(len(self.support)))


def factor(weights: Mapping[str, Tensor], columns: Tensor, grades: Tensor) -> Tensor:
    """(T, D, D) the Cholesky factor of the precision Λ after the support."""
    vectors = weights["vectors"]
    seen = vectors[columns] * grades.abs().sqrt()[..., None]
    unseen = torch.exp(weights["log_unseen"][0] + weights["log_unseen"][1] * grades.abs().sum(1).log1p())
    precision = seen.transpose(1, 2) @ seen + unseen[:, None, None] * weights["usual"]
    unit = torch.eye(vectors.shape[1], dtype=vectors.dtype, device=vectors.device)
    lower: Tensor = torch.linalg.cholesky(precision + torch.exp(weights["log_noise"]) * unit)
    return lower


def solve(weights: Mapping[str, Tensor], columns: Tensor, grades: Tensor) -> Tensor:
    """(T, D) what the events add to the mean of u. An event of a negative grade, a dislike, has a negative target."""
    target = (weights["vectors"][columns] * grades[..., None]).sum(1)
    taste = torch.cholesky_solve(target[..., None], factor(weights, columns, grades))[..., 0]
    gained: Tensor = taste * torch.exp(weights["log_gain"])
    return gained
