"""Fine-tuning: train on everybody, then descend on the events of the one who asks, not too far from where one began.

Pretraining: the support is not adapted to (in `maml` the query is judged after adapting; nothing else differs). Then
some steps on the support, with a rate for each layer and a pull back to the weights of the source:

    θ ← θ − α_layer ∇ (L(θ; support) + ½ λ ‖θ − θ_source‖²)

The pull is L²-SP (Li, Grandvalet, Davoine: Explicit inductive bias for transfer learning with convolutional networks,
ICML 2018), the rates discriminative fine-tuning (Howard, Ruder, ACL 2018); a layer of rate 0 is frozen. Where what is
learned does harm from one domain to another, for people put aside, popularity speaks in its place.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor
from torch.func import vmap

from firstlight.budget import Budget, Progress, silent
from firstlight.learners.base import Prior
from firstlight.learners.episodic import EpisodicPreference
from firstlight.learners.inner_loop import INNER_CLIP, ITEMS, InnerLoop, items_of
from firstlight.learners.transfer import Gain, crossing, facts, grown, pairs, places, put_aside, reached, switches
from firstlight.learners.validation import LEAST
from firstlight.meta.episodes import Episode, Task
from firstlight.meta.inner import descend
from firstlight.meta.losses import support_softmax, support_squared
from firstlight.models.base import Ground, Weights
from firstlight.tasks import Corpus, NewItems, Support


class Finetune(InnerLoop):
    """inner_steps, inner_lr: of the descent on the support; the rate is that of the head, the last layer. body_share:
    the rate of the other layers, in units of it; 0: they are frozen. source_reg: λ. The other settings are those of
    `InnerLoop`.
    """

    name: ClassVar[str] = "finetune"
    summary: ClassVar[str] = "trained on everybody, then on a person's events, a rate for each layer, pulled back"

    body_share: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    source_reg: float = Field(default=0.1, ge=0, allow_inf_nan=False)

    def fast_names(self) -> tuple[str, ...]:
        """Those of `InnerLoop` whose rate is not 0."""
        head, names = self.base.head, super().fast_names()
        return tuple(name for name in names if name in head or self.body_share)

    def settled(self, weights: Weights, ground: Ground) -> Weights:
        """With the vectors of events also where the head descends alone."""
        items = self.base.items(weights, ground)
        return {**super().settled(weights, ground), **{ITEMS + name: value for name, value in items.items()}}

    def objective(self, weights: Weights, episode: Episode, ground: Ground) -> tuple[Tensor, Weights]:
        """Of pretraining: the loss without adapting."""
        settled = self.settled(weights, ground)
        logits = self.logits_after(settled, self.beginnings(settled, episode.task), episode.task)
        return self.query_loss(logits, episode, ground), {}

    def fast_weights(self, tensors: Weights, task: Task) -> dict[str, Tensor]:
        """name -> (T, ...): after descending on the support of each task, from the weights of the source."""
        base, items, level = self.base, items_of(tensors), tensors["inner_level"]
        start = self.beginnings(tensors, task)
        support = {name: value[task.columns] for name, value in items.items()}
        compared = {name: value[tensors["negatives"]] for name, value in items.items()}
        kept = {name: value for name, value in tensors.items() if name not in start}
        rates = {name: self.inner_lr * (1.0 if name in base.head else self.body_share) for name in start}

        def adapted(own: Weights, rows: Weights, one: Task) -> dict[str, Tensor]:
            def loss(fast: Weights) -> Tensor:
                weights = {**kept, **fast}
                pull = torch.stack([(fast[name] - own[name]).square().sum() for name in own]).sum()
                taste = base.inner_logits(weights, rows, rows, one)
                expected = taste + level[one.columns]
                if self.loss == "stars":
                    return support_squared(expected, one) + self.source_reg / 2 * pull
                others = base.inner_logits(weights, compared, rows, one) + tensors["log_weight"]
                said = support_softmax(expected, taste, others, one, whole=len(others) == len(level))
                return said + self.source_reg / 2 * pull

            return descend(loss, own, rates, steps=self.inner_steps, first_order=True, clip=INNER_CLIP)

        fast: dict[str, Tensor] = vmap(adapted)(start, support, task)
        return fast

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        place = places(corpus)
        rest, aside = put_aside(corpus.tasks, place, seed)
        prior = super().fit(corpus.select(rest), seed=seed, budget=budget, progress=progress)
        judged, gains = corpus.tasks.select(aside), []
        for source, target in pairs(place) if len(aside) else ():
            batch = crossing(judged, place, source, target)
            if len(batch) >= LEAST:
                scores = super().adapt(prior, batch.support).scores()
                without = prior.tensors["popularity"].expand_as(scores)
                gains.append(Gain.of(source, target, *(reached(s, batch, place == target) for s in (scores, without))))
        used = {"domain": place, "used": switches(gains, place)}
        return self.prior({**prior.tensors, **used}, **facts(gains))

    def adapt(self, prior: Prior, support: Support) -> EpisodicPreference:
        """What the prior says after descending on the support."""
        return Guarded(prior, support, lambda task: self.logits(prior.tensors, task), self.loss == "stars")

    def with_items(self, prior: Prior, new: NewItems) -> Prior:
        """The prior with ``new`` after the items that it knows."""
        return grown(super().with_items(prior, new), new)

    def variants(self) -> Sequence[Self]:
        """The settings that tuning tries, this one first."""
        grid: list[dict[str, float]] = [{"inner_steps": 0}, {"inner_steps": 10}]
        grid += [{"body_share": 0.0}, {"body_share": 1.0}, {"source_reg": 1.0}]
        return [self, *(other for update in grid if (other := self.model_copy(update=update)) != self)]


class Guarded(EpisodicPreference):
    """As `EpisodicPreference`, but popularity in a domain of which a person knows none that is of use for it.

    prior: with ``domain`` (N,) and ``used`` (D, D) besides.
    """

    def scores(self) -> Tensor:
        """(T, N) float32."""
        place, used = self.tensors["domain"], self.tensors["used"]
        there = self.support.mask & (self.support.grades != 0)
        met = torch.zeros(len(self.support), len(used))
        met.scatter_add_(1, place[self.support.items], there.float())
        told = (met @ used > 0) | ~there.any(1, keepdim=True)
        return torch.where(told[:, place], super().scores(), self.tensors["popularity"])
