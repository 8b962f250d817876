"""Collaborative attention: which past events matter for an item, and which features of items matter for a person.

For the events s of a task, with grades g_s, n = Σ_s |g_s|, and an item j:

    context       c = relu(W [Σ_s g_s x_s / √(n+1) + P·profile ; log(1+n)])
    events        a_sj ∝ |g_s| exp(v · tanh(K x_s + Q w_j + C c)),  Σ_s a_sj = 1, over the task's own other events
    features      f = D · softmax(q + F c)
    score(j)      = w_jᵀ (f ∘ (t + P·profile + B c + γ n/√(n+1) Σ_s a_sj sign(g_s) x_s)) + b_j,
    strength      γ = exp(γ₀ + γ₁ log(1+n))

The events are attended to as in Bahdanau, Cho and Bengio (ICLR 2015). Items are read by x and ranked by w, so that a
case may follow a phone and not the reverse. The context is what the events, their items' content and the profile say
of the task: there is no table of tasks. Where v is 0 all events count alike, and where q and F are 0 all features do:
so it begins, with x and w the vectors of what is liked together, x longer the rarer the item, and a strength at which
the first logits are better than popularity alone. Where they are too large, training spoils what it begins with.
"""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from firstlight.meta.episodes import Task
from firstlight.models.base import Ground, Items, Network, Weights

OUT = -1e4
"""Added to the logit of an event that is not attended to."""
RAREST = 4.0
"""How much more the event of a rare item may count at the start than one of an item of the usual popularity."""


class CollaborativeAttention(Network):
    """width: of the vectors that attention compares. hidden: of the context."""

    name: ClassVar[str] = "collaborative-attention"
    head: ClassVar[tuple[str, ...]] = ("taste",)
    body: ClassVar[tuple[str, ...]] = ("events", "features")
    tables: ClassVar[tuple[str, ...]] = ("inputs", "outputs", "input_side", "output_side", "key", "query", "bias")

    width: int = 4
    hidden: int = 64

    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        size, width, hidden = self.embedding_size, self.width, self.hidden
        vectors = self.first_vectors(ground, chance)
        side = torch.zeros(ground.content.shape[1], size)
        often = ground.log_popularity.exp()
        return {
            "inputs": vectors * (often.mean() / often).sqrt().clamp(max=RAREST)[:, None],
            "outputs": vectors,
            "input_side": side,
            "output_side": side.clone(),
            "bias": torch.zeros(len(ground.chosen)),
            "profile": torch.zeros(ground.terms, size),
            "taste": torch.zeros(size),
            "context": torch.randn(hidden, size + 1, generator=chance) / (3 * (size + 1)) ** 0.5,
            "drift": torch.zeros(size, hidden),
            "key": torch.randn(width, size, generator=chance),
            "query": torch.randn(width, size, generator=chance),
            "task": torch.zeros(width, hidden),
            "events": torch.zeros(width),
            "log_gain": torch.tensor([-0.5, 0.0]),
            "gate": torch.zeros(size, hidden),
            "features": torch.zeros(size),
        }

    def items(self, weights: Weights, ground: Ground) -> Items:
        seen = weights["inputs"] + ground.content @ weights["input_side"]
        vector = weights["outputs"] + ground.content @ weights["output_side"]
        return {
            "place": torch.arange(len(vector), device=vector.device),
            "seen": seen,
            "vector": vector,
            "key": linear(seen, weights["key"]),
            "query": linear(vector, weights["query"]),
            "bias": weights["bias"],
        }

    def logits(self, weights: Weights, items: Items, support: Items, task: Task) -> Tensor:
        count = task.grades.abs().sum()
        known = task.profile @ weights["profile"]
        pooled = task.grades @ support["seen"] / (count + 1).sqrt()
        context = torch.relu(weights["context"] @ torch.cat([pooled + known, count.log1p()[None]]))
        features = torch.softmax(weights["features"] + weights["gate"] @ context, 0) * len(pooled) * task.keep
        person = weights["taste"] + known + weights["drift"] @ context
        attention = attend(weights["events"], weights["task"] @ context, items, support, task.grades)
        alike = linear(support["seen"] * features, items["vector"])
        drawn = (attention * task.grades.sign()[:, None] * alike).sum(0) * count / (count + 1).sqrt()
        drawn = drawn * torch.exp(weights["log_gain"][0] + weights["log_gain"][1] * count.log1p())
        return linear(person * features, items["vector"]) + drawn + items["bias"]


def attend(events: Tensor, shift: Tensor, items: Items, support: Items, grades: Tensor) -> Tensor:
    """(S, n): how much each event counts for each item; a column sums to 1, or to 0 where there is no event.

    events: (A,) what is asked for. shift: (A,) what the task adds to keys and queries. grades: (S,), 0 where masked.
    An event says nothing of its own item: the inner loop, which ranks the support itself, would learn to look it up.
    """
    asked = torch.tanh((support["key"] + shift)[:, None] + items["query"]) @ events
    others = (grades != 0)[:, None] & (support["place"][:, None] != items["place"])
    weight = grades.abs().clamp(min=1e-30).log()[:, None]
    return torch.softmax(torch.where(others, asked + weight, OUT), 0) * others
