"""Matrix factorisation with side features: score(j) = w_jᵀ M u + b_j + o, w_j = e_j + A·content_j.

A person is no id: u begins at t + P·profile and o, how high they rate, at a constant; the inner loop moves both
(Koren, Bell, Volinsky, IEEE Computer 2009, for the model; side features as in LightFM, Kula 2015). M mixes the
dimensions of taste.
"""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from firstlight.meta.episodes import Task
from firstlight.models.base import Ground, Items, LinearHead, Weights

MIXED = 0.1
"""M is I and so much of ``mix``, so that one inner rate suits the person and the matrix."""


class Factorisation(LinearHead):
    """embedding_size: of the vectors of items and people."""

    name: ClassVar[str] = "factorisation"
    body: ClassVar[tuple[str, ...]] = ("mix",)
    tables: ClassVar[tuple[str, ...]] = ("vectors", "readout", "side", "bias", "side_bias")

    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        size = self.embedding_size
        vectors = self.first_vectors(ground, chance)
        return {
            "vectors": vectors,
            "readout": vectors.clone(),
            "side": torch.zeros(ground.content.shape[1], size),
            "bias": torch.zeros(len(ground.chosen)),
            "side_bias": torch.zeros(ground.content.shape[1]),
            "profile": 0.02 * torch.randn(ground.terms, size, generator=chance),
            "taste": torch.zeros(size),
            "offset": torch.zeros(()),
            "mix": torch.zeros(size, size),
        }

    def items(self, weights: Weights, ground: Ground) -> Items:
        bias = weights["bias"] + ground.content @ weights["side_bias"]
        side = ground.content @ weights["side"]
        return {"vector": weights["vectors"] + side, "readout": weights["readout"] + side, "bias": bias}

    def vector(self, weights: Weights, task: Task) -> Tensor:
        return (weights["taste"] + task.profile @ weights["profile"]) * task.keep

    def features(self, weights: Weights, vectors: Tensor) -> Tensor:
        return vectors + MIXED * vectors @ weights["mix"]

    def read_out(self, weights: Weights, person: Tensor) -> Tensor:
        return person + MIXED * linear(person, weights["mix"])
