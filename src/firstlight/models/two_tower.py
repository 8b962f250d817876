"""Two towers: an item and a person are each made into a vector by a small network, and score(j) = w_jᵀu + b_j.

    item      w_j = x_j + A₂ relu(A₁ [e_j ; content_j]),    x_j = e_j + A·content_j
    person    z = γ Σ_s g_s r_s w_s / √(n+1) + P·profile,   u = t + z + B₂ relu(B₁ [z ; log(1+n)])

g_s: the grade of event s; n = Σ_s |g_s|; r_s: the root of how rare its item is, 1 on average. After Yi et al. (RecSys
2019). Differs: each tower is one residual layer, and a person is no id but what their events and profile say. Without
``ids`` an item is its content and nothing else, so that an item, a shop or a domain never seen is an ordinary one.
"""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from firstlight.meta.episodes import Task
from firstlight.models.base import Ground, Items, Network, Weights

RIDGE = 1.0
"""Keeps the first map from content to vectors small where the content says little."""


class TwoTower(Network):
    """hidden: width of both towers."""

    name: ClassVar[str] = "two-tower"
    head: ClassVar[tuple[str, ...]] = ("taste",)
    body: ClassVar[tuple[str, ...]] = ("person_first", "person_second")
    tables: ClassVar[tuple[str, ...]] = ("vectors", "bias", "side", "item_first", "item_second")

    hidden: int = 64

    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        size, hidden, features = self.embedding_size, self.hidden, ground.content.shape[1]
        vectors = self.first_vectors(ground, chance)
        own = {"vectors": vectors, "bias": torch.zeros(len(vectors))}
        side = torch.zeros(features, size) if self.ids else mapped(ground.content, vectors)
        return {
            **(own if self.ids else {}),
            "side": side,
            "profile": 0.02 * torch.randn(ground.terms, size, generator=chance),
            "taste": torch.zeros(size),
            "log_gain": torch.tensor(-1.0),
            **_layer("item", features + size * self.ids, hidden, size, chance),
            **_layer("person", size + 1, hidden, size, chance),
        }

    def items(self, weights: Weights, ground: Ground) -> Items:
        inputs, linearly = ground.content, ground.content @ weights["side"]
        bias, rarity = linearly.new_zeros(len(linearly)), linearly.new_ones(len(linearly))
        if self.ids:
            inputs, linearly = torch.cat([weights["vectors"], inputs], 1), weights["vectors"] + linearly
            often = ground.log_popularity.exp()
            bias, rarity = weights["bias"], (often.mean() / often).sqrt()
        hidden = torch.relu(linear(inputs, weights["item_first"]))
        return {"vector": linearly + linear(hidden, weights["item_second"]), "rarity": rarity, "bias": bias}

    def logits(self, weights: Weights, items: Items, support: Items, task: Task) -> Tensor:
        count = task.grades.abs().sum()
        pooled = (task.grades * support["rarity"]) @ support["vector"] / (count + 1).sqrt()
        pooled = pooled * weights["log_gain"].exp() + task.profile @ weights["profile"]
        hidden = torch.relu(weights["person_first"] @ torch.cat([pooled, count.log1p()[None]]))
        person = (weights["taste"] + pooled + weights["person_second"] @ hidden) * task.keep
        return linear(person, items["vector"]) + items["bias"]


def mapped(content: Tensor, vectors: Tensor) -> Tensor:
    """(F, D): the map from content (M, F) that comes nearest to the vectors (M, D), by ridge regression."""
    unit = torch.eye(content.shape[1])
    found: Tensor = torch.linalg.solve(content.T @ content + RIDGE * unit, content.T @ vectors)
    return found


def _layer(tower: str, inputs: int, hidden: int, size: int, chance: torch.Generator) -> dict[str, Tensor]:
    return {
        f"{tower}_first": torch.randn(hidden, inputs, generator=chance) / max(3 * inputs, 1) ** 0.5,
        f"{tower}_second": torch.zeros(size, hidden),
    }
