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
from firstlight.models.base import Ground, Items, Network, Weights


class Factorisation(Network):
    """embedding_size: of the vectors of items and people."""

    name: ClassVar[str] = "factorisation"
    head: ClassVar[tuple[str, ...]] = ("taste", "offset")
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

    def logits(self, weights: Weights, items: Items, support: Items, task: Task) -> Tensor:
        person = (weights["taste"] + task.profile @ weights["profile"]) * task.keep
        return linear(mixed(person, weights["mix"]), items["readout"]) + items["bias"] + self.scale * weights["offset"]

    def inner_logits(self, weights: Weights, items: Items, support: Items, task: Task) -> Tensor:
        """Through the vectors that events are known by, which are not those that items are read out through."""
        person = (weights["taste"] + task.profile @ weights["profile"]) * task.keep
        return linear(mixed(person, weights["mix"]), items["vector"]) + items["bias"] + self.scale * weights["offset"]


def mixed(person: Tensor, mix: Tensor) -> Tensor:
    """(D,): (I + mix/10) person. A tenth, so that one inner rate suits the person and the matrix."""
    return person + 0.1 * linear(person, mix)
