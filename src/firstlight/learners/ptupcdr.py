"""PTUPCDR: a bridge of everybody's own, made by a meta-network from what they did in the source.

Zhu, Tang, Liu, Zhuang, Xie, Zhang, Lin, He: Personalized transfer of user preferences for cross-domain recommendation,
WSDM 2022. The source history is pooled by attention, and a small network makes of it the matrix of the bridge:

    a_i = wᵀ relu(A e_i),    h = Σ_i softmax(a)_i e_i,
    B_u = B + reshape(W₂ relu(W₁ h)),    m_t = μ_t + c + B_u (û_s − μ_s)

trained on what counts, the likes in the target, Σ (x_j − p_j − r_jᵀ m_t)² over all items, and not on factors.
Differs: B starts from the linear bridge of EMCDR and W₂ from 0, so that what is personal has to earn its place, and
training stops by people put aside; the rest (spaces, own events, guard) is that of EMCDR.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor

from firstlight.budget import Budget, silent
from firstlight.learners.emcdr import Emcdr
from firstlight.learners.spaces import Spaces, features, standing
from firstlight.learners.transfer import halves
from firstlight.meta.outer import Outer, Weights, learn
from firstlight.tasks import Support, TaskBatch

BATCH = 512
ENOUGH = 200
"""Of fewer people known in both domains no network can be learned: the bridge stays linear."""
KEPT = 50
"""So many events of a history are pooled, the last ones."""


class Ptupcdr(Emcdr):
    """hidden: width of the meta-network. steps, learning_rate, reg: of its training. The other settings are those of
    `Emcdr`; the factors are fewer, because a bridge has their square.
    """

    name: ClassVar[str] = "ptupcdr"
    summary: ClassVar[str] = "as emcdr, but the bridge is made for each person from their history by a meta-network"

    factors: int = Field(default=32, ge=1)
    hidden: int = Field(default=32, ge=1)
    steps: int = Field(default=300, ge=0)
    learning_rate: float = Field(default=3e-3, gt=0, allow_inf_nan=False)
    reg: float = Field(default=0.1, ge=0, allow_inf_nan=False)

    def variants(self) -> Sequence[Self]:
        grid: list[dict[str, float]] = [{"factors": 64}, {"learning_rate": 1e-2}, {"reg": 1.0}]
        return [self, *(other for update in grid if (other := self.model_copy(update=update)) != self)]

    def bridge(self, found: Spaces, batch: TaskBatch, source: int, target: int, budget: Budget) -> dict[str, Tensor]:
        linear = super().bridge(found, batch, source, target, budget)
        if len(batch) < ENOUGH:
            return linear
        size, chance = self.factors, torch.Generator().manual_seed(source * 1_000 + target)
        weights = {
            **linear,
            "attention": torch.randn(self.hidden, size, generator=chance) / size**0.5,
            "attended": torch.zeros(self.hidden),
            "first": torch.randn(self.hidden, size, generator=chance) / size**0.5,
            "second": torch.zeros(self.hidden, size * size),
        }
        examples = _examples(found, batch, source, target)
        gram = found.vectors[found.domain == target].T @ found.vectors[found.domain == target]
        usual = float(torch.einsum("td,de,te->t", examples[3], gram, examples[3]).mean().clamp(min=1e-12))
        training, aside = halves(len(batch), share=0.8, seed=source * 1_000 + target)

        def loss(weights: Weights, rows: Tensor) -> Tensor:
            gap = _crossed(weights, *(part[rows] for part in examples[:3])) - examples[3][rows]
            return torch.einsum("td,de,te->t", gap, gram, gap).mean() / usual

        def step(weights: Weights, number: int) -> tuple[Tensor, Weights]:
            drawn = torch.Generator().manual_seed(number)
            return loss(weights, training[torch.randint(len(training), (BATCH,), generator=drawn)]), {}

        @torch.no_grad()
        def validate(weights: Weights) -> float:
            return float(loss(weights, aside))

        how = Outer(self.steps, self.learning_rate, reg=self.reg, patience=3)
        return learn(weights, step, how, budget=budget.share(0.2), progress=silent, name=self.name, validate=validate)

    def crossed(self, bridge: dict[str, Tensor], found: Spaces, here: Tensor, support: Support, source: int) -> Tensor:
        if "second" not in bridge:
            return super().crossed(bridge, found, here, support, source)
        return _crossed(bridge, here, *_history(found, support, source))


def _examples(found: Spaces, batch: TaskBatch, source: int, target: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """û_s − μ_s, the history and which of it is there, and u_t − μ_t."""
    history = _history(found, batch.support, source)
    return standing(found, source, batch.support), *history, features(found, target, batch)


def _history(found: Spaces, support: Support, source: int) -> tuple[Tensor, Tensor]:
    """(T, S, d) unit vectors of the events in the source, and (T, S) bool, which are there."""
    there = support.mask & (support.grades > 0) & (found.domain[support.items] == source)
    width = max(1, min(KEPT, int(there.sum(1).max()) if there.numel() else 1))
    last = torch.where(there, torch.arange(there.shape[1]), -1)
    last = torch.nn.functional.pad(last, (0, max(0, width - last.shape[1])), value=-1).topk(width).values
    items = torch.nn.functional.pad(support.items, (0, 1)).gather(1, last.clamp(min=0))
    return torch.nn.functional.normalize(found.project[items], dim=2), last >= 0


def _crossed(bridge: Weights, here: Tensor, history: Tensor, there: Tensor) -> Tensor:
    """(T, d) m_t − μ_t. here: (T, d). history: (T, S, d). there: (T, S)."""
    said = torch.relu(history @ bridge["attention"].T) @ bridge["attended"]
    weight = torch.softmax(said.masked_fill(~there, -1e9), 1) * there
    pooled = (weight[..., None] * history).sum(1)
    own = (torch.relu(pooled @ bridge["first"].T) @ bridge["second"]).view(-1, here.shape[1], here.shape[1])
    return bridge["shift"] + here @ bridge["across"] + torch.bmm(here[:, None], own)[:, 0]
