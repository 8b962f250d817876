"""LightGCN: item vectors averaged with those of their neighbours in the graph of people and items.

He, Deng, Wang, Li, Zhang and Wang, SIGIR 2020: no weights and no activations between the layers, the mean of all
layers is read out. An edge of the person u and the item i weighs 1/√(d_u d_i), d their numbers of likes.

    x = (1/(L+1)) Σ_l Gˡ e,    G = D_i^-½ Rᵀ D_u⁻¹ R D_i^-½,    u = t + P·profile + γ Σ_s g_s x_s / √(n d_s / d)

Differs: people have no vectors of their own to begin with, since nothing of one person stays in a prior. Then the odd
layers are those of people and the even ones those of items: LightGCN of 2L + 1 layers is L steps of G and one more to
the person. A new person is one more node, propagated from the support; d, the mean of the d_i, and a learned γ keep
the length of its vector in proportion to t.
"""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from firstlight.cooccurrence import gram, likes_of
from firstlight.meta.episodes import Task
from firstlight.models.base import Ground, Items, Network, Weights


class LightGraph(Network):
    """layers: steps from items over people to items."""

    name: ClassVar[str] = "light-graph"
    head: ClassVar[tuple[str, ...]] = ("taste",)
    body: ClassVar[tuple[str, ...]] = ("mix",)
    tables: ClassVar[tuple[str, ...]] = ("vectors", "side", "bias")

    layers: int = 2

    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        size = self.embedding_size
        return {
            "vectors": self.first_vectors(ground, chance),
            "side": torch.zeros(ground.content.shape[1], size),
            "bias": torch.zeros(len(ground.chosen)),
            "profile": 0.02 * torch.randn(ground.terms, size, generator=chance),
            "taste": torch.zeros(size),
            "log_gain": torch.zeros(()),
            "mix": torch.eye(size),
        }

    def items(self, weights: Weights, ground: Ground) -> Items:
        vectors = weights["vectors"] + ground.content @ weights["side"]
        graph, likes = graph_of(ground)
        return {
            "vector": propagated(vectors, graph, self.layers),
            "share": (likes.mean() / likes.clamp(min=1)).sqrt(),
            "bias": weights["bias"],
        }

    def logits(self, weights: Weights, items: Items, support: Items, task: Task) -> Tensor:
        count = task.grades.abs().sum().clamp(min=1)
        drawn = (task.grades * support["share"]) @ support["vector"] / count.sqrt() * weights["log_gain"].exp()
        person = (weights["taste"] + task.profile @ weights["profile"] + drawn) * task.keep
        return linear(linear(person, weights["mix"]), items["vector"]) + items["bias"]


def propagated(vectors: Tensor, graph: Tensor, layers: int) -> Tensor:
    """(M, D): the mean of e, Ge, GGe and so on. vectors: e, (M, D). graph: G, (M, M)."""
    total = vectors
    for _ in range(layers):
        vectors = graph @ vectors
        total = total + vectors
    return total / (layers + 1)


def graph_of(ground: Ground) -> tuple[Tensor, Tensor]:
    """G, (M, M), and how many people like each item, (M,); counted once for a ground and kept with it."""
    known = vars(ground)
    if "graph" not in known:
        tasks, items = ground.corpus.tasks, ground.corpus.n_items
        owner, column = likes_of(tasks, items, ground.chosen)
        people = torch.bincount(owner, minlength=len(tasks)).clamp(min=1).float()
        likes = torch.bincount(column, minlength=len(ground.chosen)).float()
        scale = likes.clamp(min=1).rsqrt()
        graph = gram(tasks, items, ground.chosen, 1 / people) * scale[:, None] * scale
        known["graph"] = graph.to(ground.content.device), likes.to(ground.content.device)
    found: tuple[Tensor, Tensor] = known["graph"]
    return found
