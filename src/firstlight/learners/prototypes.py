"""Prototypes: a person is the mean of what they liked, and an item scores by how near it is.

Snell, Swersky and Zemel, "Prototypical Networks for Few-shot Learning", NeurIPS 2017: a class is the mean of its
examples' embeddings, and the logit is the negative squared distance to it. Here the class is "what this person likes":

    c = (n₀ μ(profile) + Σ_s g_s z_s) / (n₀ + Σ_s |g_s|),        logit(j) = b_j + t(0) ‖w_j‖² − t(n) ‖w_j − c‖²,

z_s the embedding of an event's item, g_s its grade, n = Σ_s |g_s|, t(n) = exp(t₀ + t₁ log(1 + n)); with stars the
logit is the grade that is expected. The term t(0) ‖w_j‖² counts b_j from where those without events stand.
Differs: there is one class and not many, so the softmax is over the items. The mean begins with n₀ learned events at
the mean of everybody of the profile (the conjugate mean of a Gaussian), which is the prototype of those without
events. A dislike has a negative grade and pushes the prototype away. Candidates have embeddings w of their own and an
offset b: with one embedding for both, an item can only be recommended to those whose events it explains. Embeddings
are a table that starts as leading directions of co-occurrence, plus a linear map of the content.
"""

from typing import ClassVar

import torch
from torch import Tensor

from firstlight.learners.episodic import EpisodicLearner
from firstlight.meta.episodes import Task
from firstlight.models.base import Ground, Weights
from firstlight.models.starts import leading_vectors


class Prototypes(EpisodicLearner):
    """The settings are those of `EpisodicLearner`."""

    name: ClassVar[str] = "prototypes"
    summary: ClassVar[str] = "mean of the liked items' embeddings, items scored by their distance to it"

    steps: int = 400
    drop: float = 0.5
    learning_rate: float = 2e-2

    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        vectors = leading_vectors(ground.corpus, ground.chosen, self.embedding_size, chance)
        size, features = vectors.shape[1], ground.content.shape[1]
        return {
            "events": vectors,
            "candidates": vectors.clone(),
            "content": torch.zeros(features, size),
            "candidates_content": torch.zeros(features, size),
            "mean": torch.zeros(size),
            "profile": 0.02 * torch.randn(ground.terms, size, generator=chance),
            "bias": torch.zeros(len(vectors)),
            "log_count": torch.tensor(0.0),
            "log_temperature": torch.tensor([-2.0 if self.loss == "stars" else 0.0, 0.5]),
        }

    def settled(self, weights: Weights, ground: Ground) -> Weights:
        """With the embeddings of the items in place of the tables and maps that they are made of."""
        kept = {name: value for name, value in weights.items() if "content" not in name}
        events = weights["events"] + ground.content @ weights["content"]
        candidates = weights["candidates"] + ground.content @ weights["candidates_content"]
        return {**kept, "events": events, "candidates": candidates}

    def logits(self, tensors: Weights, task: Task) -> Tensor:
        prototype = prototypes(tensors, task) * task.keep
        first, slope = tensors["log_temperature"]
        temperature = torch.exp(first + slope * task.grades.abs().sum(1, keepdim=True).log1p())
        offset = tensors["bias"] + first.exp() * tensors["candidates"].square().sum(1)
        found: Tensor = offset - temperature * distances(prototype, tensors["candidates"])
        return found


def prototypes(tensors: Weights, task: Task) -> Tensor:
    """(T, D) the mean of the events' embeddings and of the profile's, each with its weight."""
    usual = tensors["mean"] + task.profile @ tensors["profile"]
    count = torch.exp(tensors["log_count"])
    total = (tensors["events"][task.columns] * task.grades[..., None]).sum(1)
    return (count * usual + total) / (count + task.grades.abs().sum(1, keepdim=True))


def distances(points: Tensor, vectors: Tensor) -> Tensor:
    """(T, M) squared distances of (T, D) points to (M, D) vectors."""
    return points.square().sum(1, keepdim=True) - 2 * points @ vectors.T + vectors.square().sum(1)
