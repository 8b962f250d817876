"""Learners and people that stand in for real ones where an evaluation is what is tested."""

import io
from collections.abc import Sequence
from typing import ClassVar, Self, cast

import torch
from conformance import support, tiny
from rich.console import Console
from torch import Tensor

from firstlight import report
from firstlight.budget import Budget, Progress, silent
from firstlight.errors import DataError
from firstlight.evaluate import Evaluation
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.popular import Popular
from firstlight.tasks import Corpus, Support

PEOPLE, ITEMS = 400, 60


def three_tastes() -> Corpus:
    """Three tastes of 20 items each; a person of one taste likes 17 items, four in five of that taste."""
    chance = torch.Generator().manual_seed(0)
    taste = torch.randint(3, (PEOPLE, 1), generator=chance)
    odds = torch.where(torch.arange(ITEMS) // 20 == taste, 4.0, 0.5) / (1 + torch.arange(ITEMS) % 20)
    return tiny(torch.multinomial(odds, 17, generator=chance).tolist(), ITEMS)


class Scores(Preference):
    def __init__(self, values: Tensor) -> None:
        self.values = values

    def scores(self) -> Tensor:
        return self.values


class Neighbours(Learner):
    """Items liked by the same people."""

    name: ClassVar[str] = "neighbours"
    summary: ClassVar[str] = "for tests"
    shrink: float = 5.0

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        likes = torch.zeros(len(corpus.tasks), corpus.n_items)
        likes[corpus.tasks.owner, corpus.tasks.items] = 1
        both = likes.T @ likes
        count = both.diagonal()
        return self.prior({"cosine": both / ((count.outer(count)).sqrt() + self.shrink)})

    def adapt(self, prior: Prior, support: Support) -> Preference:
        picked = prior.tensors["cosine"][support.items] * support.mask.unsqueeze(2)
        return Scores(picked.sum(1))

    def variants(self) -> Sequence[Self]:
        return [self, self.model_copy(update={"shrink": 1e6})]


class Constant(Learner):
    """The same score for everything."""

    name: ClassVar[str] = "constant"
    summary: ClassVar[str] = "for tests"
    score: float = 0.0

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        return self.prior({"size": torch.zeros(corpus.n_items)})

    def adapt(self, prior: Prior, support: Support) -> Preference:
        return Scores((prior.tensors["size"] + self.score).expand(len(support), -1))


class Table(Learner):
    """Scores out of a table made in advance: what an oracle or a spy knows."""

    name: ClassVar[str] = "table"
    summary: ClassVar[str] = "for tests"
    liked: tuple[int, ...] = ()
    others: tuple["Table", ...] = ()

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        scores = torch.zeros(corpus.n_items)
        scores[list(self.liked)] = 1.0
        return self.prior({"scores": scores})

    def adapt(self, prior: Prior, support: Support) -> Preference:
        return Scores(prior.tensors["scores"].expand(len(support), -1))

    def variants(self) -> Sequence[Self]:
        return [self, *cast("tuple[Self, ...]", self.others)]


class Broken(Popular):
    name: ClassVar[str] = "broken"

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        raise DataError("broken needs content, and the catalogue has none; bring an items file")


def support_of(rows: list[list[int]]) -> Support:
    """People who like the items of a row each."""
    return support([[(item, 1.0) for item in row] for row in rows], 0)


def shown(evaluation: Evaluation, width: int = 80) -> str:
    """The tables of an evaluation, as a terminal shows them."""
    out = io.StringIO()
    console = Console(file=out, width=width)
    console.print(report.table(evaluation))
    console.print(report.details(evaluation))
    return out.getvalue()
