"""What the learners with an inner loop share: a network whose fast weights descend on the support of each task.

They differ in which weights are fast, in the order of the gradient, in the rates, and in what the outer loop asks for.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar, Literal, Self, TypeGuard

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.func import vmap

from firstlight.learners.episodic import EpisodicLearner
from firstlight.meta.episodes import Episode, Task
from firstlight.meta.head import Head, descend_head
from firstlight.meta.inner import descend
from firstlight.meta.losses import support_softmax, support_squared
from firstlight.models import NETWORKS
from firstlight.models.base import Ground, LinearHead, Network, Weights
from firstlight.models.two_tower import TwoTower

ITEMS = "items."
INNER_CLIP = 10.0
"""The largest norm of an inner gradient, far above the usual: so that no task can run away."""


class InnerLoop(EpisodicLearner):
    """network: the base model. inner_steps, inner_lr: of the descent on the support.

    ids: whether items have vectors of their own; without ("two-tower" only) an item without events is as good as any.
    adaptable: names of the weights it may change; left out: what the learner stands for.
    negatives: how many items a liked item is compared with in the inner loop, the same ones for everybody, drawn by
    popularity when training begins; 0: all items. candidates: how many items the outer loop compares with, drawn anew
    at every step besides those of the query; 0: all items.
    The other settings are those of `EpisodicLearner`.
    """

    first_order: ClassVar[bool] = False
    adapts_body: ClassVar[bool] = True
    learns_rates: ClassVar[bool] = False

    learning_rate: float = Field(default=1e-2, gt=0, allow_inf_nan=False)
    patience: int = Field(default=12, ge=0)
    network: Literal["factorisation", "two-tower", "light-graph", "collaborative-attention"] = "factorisation"
    ids: bool = True
    inner_steps: int = Field(default=3, ge=0)
    inner_lr: float = Field(default=0.3, ge=0, allow_inf_nan=False)
    adaptable: tuple[str, ...] | None = None
    negatives: int = Field(default=512, ge=0)
    candidates: int = Field(default=0, ge=0)

    @cached_property
    def base(self) -> Network:
        """The network, with this learner's sizes."""
        return NETWORKS[self.network](embedding_size=self.embedding_size, ids=self.ids, stars=self.loss == "stars")

    @model_validator(mode="after")
    def _content_has_a_tower(self) -> Self:
        if not self.ids and self.network != TwoTower.name:
            raise ValueError(f"items need ids with the network {self.network!r}: take network={TwoTower.name}")
        return self

    @model_validator(mode="after")
    def _fast_weights_exist(self) -> Self:
        base = self.base
        if unknown := set(self.adaptable or ()) - set(base.head + base.body):
            there = ", ".join(base.head + base.body)
            raise ValueError(f"adaptable: {self.network} has no fast weight {min(unknown)!r}, but {there}")
        return self

    def covers_all(self) -> bool:
        """Whether items without likes have vectors too: where items are their content."""
        return not self.ids

    def fast_names(self) -> tuple[str, ...]:
        """Which weights the inner loop changes. Without stars no offset: a softmax does not see it."""
        base = self.base
        fast = self.adaptable or (base.head + base.body if self.adapts_body else base.head)
        return tuple(name for name in fast if name != "offset" or self.loss == "stars")

    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        weights = self.base.start(ground, chance)
        if self.learns_rates:
            weights |= {f"log_rate.{n}": torch.full_like(weights[n], self.inner_lr).log() for n in self.fast_names()}
        return weights

    def settled(self, weights: Weights, ground: Ground) -> Weights:
        """The weights that are no tables of items, and under ``items.`` what the network makes of those."""
        base = self.base
        items = base.items(weights, ground)
        kept = {name: value for name, value in weights.items() if name not in base.tables}
        settled = {**kept, **self._negatives(ground), **{ITEMS + name: value for name, value in items.items()}}
        if _descends_head(base, self.fast_names()):
            negatives = settled["negatives"]
            settled["head.known"] = base.features(weights, settled.pop(ITEMS + "vector"))
            settled["head.known_bias"] = items["bias"] + settled["inner_level"]
            settled["head.features"] = settled["head.known"][negatives]
            settled["head.rest"] = items["bias"][negatives] + settled["log_weight"]
        return settled

    def objective(self, weights: Weights, episode: Episode, ground: Ground) -> tuple[Tensor, Weights]:
        """The loss after adapting, on all items or on a sample of them."""
        settled = self.settled(weights, ground)
        fast = self.fast_weights(settled, episode.task)
        written = self.written(settled, fast, episode.task)
        if not 0 < self.candidates < len(ground.chosen):
            return self.query_loss(self.logits_after(settled, fast, episode.task), episode, ground), written

        def logits(task: Task, columns: Tensor) -> Tensor:
            return self.logits_after(settled, fast, task, columns)

        return self.sampled_loss(logits, episode, ground, self.candidates), written

    def written(self, tensors: Weights, fast: Weights, task: Task) -> dict[str, Tensor]:
        """Weights that are written with what the tasks of a batch became, rather than descended: here none."""
        return {}

    def logits(self, tensors: Weights, task: Task) -> Tensor:
        return self.logits_after(tensors, self.fast_weights(tensors, task), task)

    def logits_after(self, tensors: Weights, fast: Weights, task: Task, columns: Tensor | None = None) -> Tensor:
        """(T, n) with the ``fast`` weights (T, ...) of each task: of the items at ``columns`` (n,), or of all."""
        items, base = items_of(tensors), self.base
        kept = {name: value for name, value in tensors.items() if name not in fast}
        rows = items if columns is None else {name: value[columns] for name, value in items.items()}
        if isinstance(base, LinearHead) and set(fast) <= set(base.head):
            person = base.read_out(tensors, base.vector({**kept, **fast}, task))
            found = torch.addmm(rows["bias"], person, rows["readout"].T)
            return found + base.scale * fast["offset"][:, None] if "offset" in fast else found
        support = {name: value[task.columns] for name, value in items.items()}

        def score(own: Weights, known: Weights, one: Task) -> Tensor:
            return base.logits({**kept, **own}, rows, known, one)

        scores: Tensor = vmap(score)(fast, support, task)
        return scores

    def fast_weights(self, tensors: Weights, task: Task) -> dict[str, Tensor]:
        """name -> (T, ...): the fast weights of each task after the inner loop."""
        start, base = self.beginnings(tensors, task), self.base
        rates = {name: tensors[f"log_rate.{name}"].exp() if self.learns_rates else self.inner_lr for name in start}
        how: Any = {"steps": self.inner_steps, "first_order": self.first_order, "clip": INNER_CLIP}
        if _descends_head(base, start):
            head = self._head(base, {**tensors, **start}, task)
            return descend_head(start, rates, head, task, stars=self.loss == "stars", **how)
        items, level = items_of(tensors), tensors["inner_level"]
        support = {name: value[task.columns] for name, value in items.items()}
        compared = {name: value[tensors["negatives"]] for name, value in items.items()}
        kept = {name: value for name, value in tensors.items() if name not in start}

        def adapted(own: Weights, rows: Weights, one: Task) -> dict[str, Tensor]:
            def loss(fast: Weights) -> Tensor:
                weights = {**kept, **fast}
                taste = base.inner_logits(weights, rows, rows, one)
                expected = taste + level[one.columns]
                if self.loss == "stars":
                    return support_squared(expected, one)
                others = base.inner_logits(weights, compared, rows, one) + tensors["log_weight"]
                return support_softmax(expected, taste, others, one, whole=len(others) == len(level))

            return descend(loss, own, rates, **how)

        fast: dict[str, Tensor] = vmap(adapted)(start, support, task)
        return fast

    def _head(self, base: LinearHead, weights: Weights, task: Task) -> Head:
        """Where the head of each task begins. weights: with the fast ones, (T, ...)."""
        features, levels, columns = weights["head.features"], weights["inner_level"], task.columns
        person, known = base.vector(weights, task), weights["head.known"][columns]
        others = torch.addmm(weights["head.rest"], person, features.T)
        beside = weights["head.known_bias"][columns]
        of_support = torch.baddbmm(beside[..., None], known, person[..., None])[..., 0]
        if self.loss == "stars":
            shift = base.scale * weights["offset"].reshape(-1, 1)
            others, of_support = others + shift, of_support + shift
        return Head(others, features, of_support, known, levels[columns], base.scale, len(features) == len(levels))

    def beginnings(self, tensors: Weights, task: Task) -> dict[str, Tensor]:
        """name -> (T, ...): where the inner loop of each task begins; the same for all."""
        size = len(task.columns)
        return {name: tensors[name].expand(size, *tensors[name].shape) for name in self.fast_names()}

    def _negatives(self, ground: Ground) -> dict[str, Tensor]:
        """negatives: (n,) columns; log_weight: (n,) the level of each and the log of how many items it stands for;
        inner_level: (M,)."""
        level = self.level(ground)
        size = len(level)
        if not self.negatives or self.negatives >= size:
            return {"negatives": torch.arange(size, device=level.device), "log_weight": level, "inner_level": level}
        share = torch.softmax(0.75 * ground.log_popularity, 0).cpu()
        drawn = torch.multinomial(share, self.negatives, generator=torch.Generator().manual_seed(0)).sort().values
        weight = -(self.negatives * share[drawn]).clamp(max=1.0).log()
        drawn, weight = drawn.to(level.device), weight.to(level.device)
        return {"negatives": drawn, "log_weight": level[drawn] + weight, "inner_level": level}


def _descends_head(base: Network, fast: Iterable[str]) -> TypeGuard[LinearHead]:
    """Whether the written-out descent will do: the person's vector is fast, and nothing else than the head."""
    return isinstance(base, LinearHead) and "taste" in fast and set(fast) <= set(base.head)


def items_of(tensors: Weights) -> dict[str, Any]:
    """What the network knows of the items."""
    return {name.removeprefix(ITEMS): value for name, value in tensors.items() if name.startswith(ITEMS)}
