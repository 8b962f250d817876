"""Joint items: one item-item model over the catalogues of all domains, in blocks, and directed.

    score(j) = (1 − twin_j) Σ over the support of grade · scale[d_i, d_j] · P(j | i),
    P(j | i) = (n_ij + s · p_j) / (n_i + s),       n_ij = (1 + δ) f_ij + (1 − δ) f_ji

f_ij: the people who like i and after it j, with fewer than ``reach`` other likes between. n_i and p_j, the share who
like j, count in each block the people alone who are known in both domains: others cannot tell how one leads to the
other, and what they like may be of another kind. So few people speak of two domains that shrinking to p matters most.
twin_j: where nearly all who like j also like one item i of another domain, i and j are one product under two ids, and
somebody of that domain without i does not want j either.

The conditional probability is that of Karypis, Evaluation of item-based top-N recommendation algorithms, CIKM 2001.
Differs: in blocks, directed, shrunk to popularity rather than to zero.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.learners.added import Added
from firstlight.learners.base import Learner, Prior
from firstlight.learners.pairs import Counts, Twins, counted
from firstlight.learners.rows import FAINT, Rows, Votes
from firstlight.learners.transfer import Gain, crossing, facts, grown, pairs, places, put_aside, reached, switches
from firstlight.learners.validation import LEAST, better, found, people_of_validation
from firstlight.tasks import Corpus, NewItems, Support, TaskSet

START = {"direction": 1.0, "cross": 1.0, "shrink": 10.0, "shrink_across": 50.0}
WITHIN = {"direction": (0.5, 0.0), "shrink": (2.0, 50.0), "cross": (0.3, 3.0)}
ACROSS = (20.0, 100.0)
"""What is tried of the settings that are not given, on histories cut in half and on people between domains."""


class JointItems(Learner):
    """shrink: s within a domain, shrink_across: between domains, in people. direction: δ, 0: the order says nothing, 1:
    only what came after counts. cross: the scale of the blocks between domains, where that within is 1. Any of these
    that is None is chosen on people put aside. reach: of how many likes later one still counts. twins: whether twins
    are told apart. guard: whether what each domain gains by each other one is measured, and what harms switched off.
    """

    name: ClassVar[str] = "joint-items"
    summary: ClassVar[str] = "one item-item model over all domains, in blocks, directed, harmful blocks switched off"

    shrink: float | None = Field(default=None, gt=0)
    shrink_across: float | None = Field(default=None, gt=0)
    direction: float | None = Field(default=None, ge=0, le=1)
    cross: float | None = Field(default=None, ge=0)
    reach: int = Field(default=30, ge=1)
    twins: bool = True
    guard: bool = True

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        place = places(corpus)
        progress(f"{self.name}: settings", 0.0)
        chosen = self._within(corpus, seed)
        progress(f"{self.name}: measuring what domains say of each other", 0.4)
        chosen, gains = self._across(chosen, corpus, seed)
        progress(f"{self.name}: counting", 0.7)
        learned = chosen._learned(counted(corpus, self.reach), switches(gains, place))
        found = {name: getattr(chosen, name) for name in START}
        return self.prior(learned.tensors, chosen=found, **facts(gains))

    def adapt(self, prior: Prior, support: Support) -> "JointPreference":
        return JointPreference(prior, support)

    def with_items(self, prior: Prior, new: NewItems) -> Prior:
        return grown(super().with_items(prior, new), new, ("rest", "shares"))

    def variants(self) -> Sequence[Self]:
        grid = (self.model_copy(update={"shrink_across": shrink}) for shrink in (5.0, 20.0, 50.0, 100.0, 300.0))
        return [self, *(other for other in grid if other != self)]

    def _within(self, corpus: Corpus, seed: int) -> Self:
        """With all settings given, those of `WITHIN` chosen on the later halves of histories."""
        chosen = self.model_copy(update={name: value for name, value in START.items() if getattr(self, name) is None})
        people = people_of_validation(corpus, seed)
        counts = counted(corpus if people is None else people.training(corpus), self.reach)
        if self.direction is None and not counts.order_tells():
            chosen = chosen.model_copy(update={"direction": 0.0})
        if people is None:
            return chosen
        tasks, used = corpus.tasks.select(people.aside).likes(), switches([], counts.place)
        batch = tasks.split(tasks.indptr.diff() // 2)
        height = found(chosen, chosen._learned(counts, used), batch)
        for setting, steps in WITHIN.items():
            if getattr(self, setting) is None and not (setting == "direction" and not chosen.direction):
                for step in steps if len(used) > 1 or setting != "cross" else ():
                    tried = chosen.model_copy(update={setting: step})
                    if better(there := found(tried, tried._learned(counts, used), batch), height):
                        chosen, height = tried, there
        return chosen

    def _across(self, chosen: Self, corpus: Corpus, seed: int) -> tuple[Self, list[Gain]]:
        """With the shrinking between domains that is best for people between them, and what each domain gains."""
        rest, aside = put_aside(corpus.tasks, places(corpus), seed)
        if not len(aside) or not self.guard:
            return chosen, []
        counts, judged = counted(corpus.select(rest), self.reach), corpus.tasks.select(aside)
        gains = chosen._gains(counts, judged)
        for shrink in ACROSS if self.shrink_across is None and gains else ():
            tried = chosen.model_copy(update={"shrink_across": shrink})
            other = tried._gains(counts, judged)
            if sum(gain.with_it for gain in other) > sum(gain.with_it for gain in gains):
                chosen, gains = tried, other
        return chosen, gains

    def _gains(self, counts: Counts, judged: TaskSet) -> list[Gain]:
        place, twins, gains = counts.place, counts.twins(), []
        prior = self._learned(counts, switches([], place))
        for source, target in pairs(place):
            batch = twins.apart(crossing(judged, place, source, target))
            if len(batch) >= LEAST:
                scores = self.adapt(prior, batch.support).scores()
                figures = (
                    reached(one, batch, place == target) for one in (scores, counts.popularity.expand_as(scores))
                )
                gains.append(Gain.of(source, target, *figures))
        return gains

    def _learned(self, counts: Counts, used: Tensor) -> Prior:
        """The prior of these settings, all of them given. used: (D, D) of `switches`."""
        assert self.direction is not None
        assert self.cross is not None
        place, liked, rows, columns = counts.place, counts.liked, counts.rows, counts.columns
        unit = torch.eye(len(used))
        scale = unit + (1 - unit) * self.cross * used
        shrink = unit * (self.shrink or 0.0) + (1 - unit) * (self.shrink_across or 0.0)
        together = (1 + self.direction) * counts.after + (1 - self.direction) * counts.before
        block = place[rows], place[columns]
        pointers = torch.bincount(rows, minlength=len(place)).cumsum(0)
        votes = Rows(
            torch.cat([torch.zeros(1, dtype=torch.int64), pointers]),
            columns.int(),
            together / (liked[rows, block[1]] + shrink[block]) * scale[block],
        )
        twins = counts.twins() if self.twins else Twins.none(len(place))
        tensors = {
            "base": counts.popularity * (FAINT / counts.popularity.max().clamp(min=1)),
            "rest": shrink[place] / (liked + shrink[place]) * scale[place],
            "shares": liked / counts.both[place].clamp(min=1),
            "domain": place,
        }
        return self.prior({**votes.tensors(), **twins.tensors(), **tensors})


class JointPreference(Added):
    """See the formula above; without a support popularity."""

    def __init__(self, prior: Prior, support: Support) -> None:
        tensors = prior.tensors
        super().__init__(tensors["base"], support)
        self.place, self.rest, self.shares = tensors["domain"], tensors["rest"], tensors["shares"]
        self.twins, self.grades = Twins.of(tensors), support.grades * support.mask
        self.votes = Votes(torch.zeros_like(self.base), Rows.of(tensors), support)

    def add_to(self, total: Tensor, weight: Tensor) -> None:
        """See `Added`."""
        width, people = self.rest.shape[1], len(self.support)
        # (D, D, T): how much popularity each domain of the support (second) has a say in each target (first).
        said = torch.zeros(people, width, width)
        rows = torch.arange(people)[:, None].expand_as(self.grades)
        said.index_put_((rows, self.place[self.support.items]), self._unsaid(self.support.items), accumulate=True)
        said = (said * weight[:, None, None]).permute(2, 1, 0).flatten(0, 1).contiguous()
        # As one sparse product: of an item, the cells whose target is its own domain.
        cells = torch.arange(width * width, dtype=torch.int32).view(width, width).index_select(0, self.place)
        pointers = torch.arange(0, cells.numel() + 1, width, dtype=torch.int32)
        shares = Rows(pointers, cells.flatten(), self.shares.flatten())
        out = torch.zeros(len(cells), people).addmm_(shares.csr(width * width), said)
        self.votes.add_to(out, weight)
        total.add_(out).addcmul_(out, self.twins.passed_over(self.support, self.place), value=-1)

    def contributions(self, items: Tensor) -> Tensor:
        """(T, S, n), exact: grade · scale · P(j | i) · (1 − twin_j)."""
        target, source = self.place[items], self.place[self.support.items]
        rest = self._unsaid(self.support.items).gather(2, target[:, None].expand(-1, self.grades.shape[1], -1))
        usual = self.shares[items[:, None], source[..., None]]
        wanted = self.twins.wanted(self.support, self.place).gather(1, items)
        return (self.votes.contributions(items) + rest * usual) * wanted[:, None]

    def _unsaid(self, items: Tensor) -> Tensor:
        """(T, S, D): the weight that each event leaves to popularity in each target."""
        return self.rest[items] * self.grades[..., None]
