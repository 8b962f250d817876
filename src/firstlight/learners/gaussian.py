"""The Gaussian head: item vectors trained end to end through a closed-form solve.

A person's taste is u ~ N(profile · P, I) and a like is v_iᵀu = 1 with noise σ². What was not touched counts a little as
not liked: α(k) Σ_i v_i v_iᵀ / M is added to the precision, as in implicit ALS (Hu, Koren, Volinsky, ICDM 2008). After
the support S the mean of u is

    u = P·profile + γ (V_SᵀV_S + α(k) VᵀV/M + σ² I)⁻¹ V_Sᵀ y,      score(j) = softmax_j(w_jᵀu + b_j).

V, W, P, b, σ, γ and α(k) = exp(a₀ + a₁ log(1 + k)) are learned on episodes by descent through the solve:
R2-D2 (Bertinetto et al., ICLR 2019) and ALPaCA (Harrison et al., 2018) for recommendation. Differs: items are read out
through vectors W of their own, which start as V.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from firstlight.learners.cooccurrence import gram, likes_of
from firstlight.learners.episodes import dropped
from firstlight.learners.softmax import SoftmaxLearner
from firstlight.tasks import Corpus


class Gaussian(SoftmaxLearner):
    """embedding_size: the rank of the kernel. The other settings are those of `SoftmaxLearner`."""

    name: ClassVar[str] = "gaussian"
    summary: ClassVar[str] = "item vectors trained end to end through the closed-form Gaussian solve"

    embedding_size: int = 64
    steps: int = 220
    learning_rate: float = 1e-2

    def start(self, corpus: Corpus, chosen: Tensor, chance: torch.Generator) -> dict[str, Tensor]:
        vectors = leading_vectors(corpus, chosen, self.embedding_size, chance)
        terms = corpus.tasks.profile.shape[1]
        return {
            "vectors": vectors,
            "readout": vectors.clone(),
            "profile": 0.02 * torch.randn(terms, vectors.shape[1], generator=chance),
            "bias": torch.zeros(len(chosen)),
            "log_noise": torch.zeros(()),
            "log_unseen": torch.tensor([-2.0, 0.5]),
            "log_gain": torch.tensor(1.0),
        }

    def logits(
        self,
        weights: Mapping[str, Tensor],
        columns: Tensor,
        weight: Tensor,
        profile: Tensor,
        chance: torch.Generator | None = None,
    ) -> Tensor:
        person = dropped(solve(weights, columns, weight) + profile @ weights["profile"], self.drop, chance)
        return person @ weights["readout"].T + weights["bias"]


def solve(weights: Mapping[str, Tensor], columns: Tensor, weight: Tensor) -> Tensor:
    """(T, D) what the events add to the mean of u. An event of a negative weight, a dislike, has a negative target."""
    vectors = weights["vectors"]
    seen = vectors[columns] * weight.abs().sqrt()[..., None]
    shots = weight.abs().sum(1)
    unseen = torch.exp(weights["log_unseen"][0] + weights["log_unseen"][1] * shots.log1p())
    precision = seen.transpose(1, 2) @ seen + unseen[:, None, None] * (vectors.T @ vectors / len(vectors))
    precision = precision + torch.exp(weights["log_noise"]) * torch.eye(vectors.shape[1], dtype=vectors.dtype)
    target = (vectors[columns] * weight[..., None]).sum(1)
    factor = torch.linalg.cholesky(precision)
    return torch.cholesky_solve(target[..., None], factor)[..., 0] * torch.exp(weights["log_gain"])


def leading_vectors(corpus: Corpus, chosen: Tensor, size: int, chance: torch.Generator) -> Tensor:
    """(M, D) leading eigenvectors of the normalised co-occurrence, times the root of their singular values.

    People of many likes and items liked by many are weighed down (by the fourth root); the mean norm is 1.
    """
    owner, column = likes_of(corpus.tasks, corpus.n_items, chosen)
    people = torch.bincount(owner, minlength=len(corpus.tasks)).clamp(min=1)
    items = torch.bincount(column, minlength=len(chosen)).clamp(min=1) ** -0.25
    matrix = gram(corpus.tasks, corpus.n_items, chosen, people**-0.5) * items[:, None] * items
    size = min(size, len(chosen))
    basis = torch.randn(len(chosen), min(size + 16, len(chosen)), generator=chance)
    for _ in range(6):
        basis = torch.linalg.qr(matrix @ basis).Q
    values, rotation = torch.linalg.eigh(basis.T @ matrix @ basis)
    vectors: Tensor = (basis @ rotation[:, -size:]) * values[-size:].clamp(min=0) ** 0.25
    length: Tensor = vectors.norm(dim=1).mean()
    return vectors / length.clamp(min=1e-9)
