"""One evaluation that judges everything: it knows of a learner only ``variants``, ``fit``, ``adapt`` and ``scores``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from firstlight.errors import FirstlightError
from firstlight.evaluate.comparison import Interval, Verdict, difference, intervals, resamples, verdict
from firstlight.evaluate.metrics import MAIN, coverage
from firstlight.evaluate.protocols import SHOTS, ColdUser, cold_user
from firstlight.evaluate.ranking import rank
from firstlight.evaluate.tuning import Tuned, measure, tune
from firstlight.learners.base import Budget, Learner, Progress, progress_between, silent
from firstlight.ranking import top
from firstlight.tasks import Corpus

__all__ = ["SHOTS", "Cell", "ColdUser", "Evaluation", "Interval", "Row", "cold_user", "evaluate", "top"]


@dataclass(frozen=True)
class Cell:
    """One learner at one number of events.

    metrics: name -> mean over the test people, with its interval. coverage: share of the catalogue in anyone's top 10.
    settings: those that validation chose; validation: their NDCG@10 there.
    against: the best of the other learners on validation (None without another); difference: in NDCG@10 to it, person
    by person; verdict: what that interval says.
    adapt_ms: milliseconds to adapt to a person and score the catalogue, in batches.
    """

    shots: int
    metrics: Mapping[str, Interval]
    coverage: float
    settings: Mapping[str, Any]
    validation: float
    adapt_ms: float
    against: str | None = None
    difference: Interval | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Row:
    """One learner: a cell for each number of events, or the sentence that says why there is none.

    tried: how many of its ``variants`` its seconds allowed. fit_seconds: for all that were tried.
    """

    learner: str
    cells: Sequence[Cell] = ()
    tried: int = 0
    variants: int = 0
    fit_seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found. sizes: how many people and items. seconds: what each learner was given."""

    protocol: str
    shots: Sequence[int]
    rows: Sequence[Row]
    sizes: Mapping[str, int]
    seconds: float
    seed: int
    version: str
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)


def evaluate(
    corpus: Corpus,
    learners: Mapping[str, Learner],
    protocol: ColdUser,
    *,
    budget: Budget | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Tune every learner on the people of validation, judge it once on the people of test, compare.

    learners: the name in the report -> the learner. protocol: drawn from the same ``corpus``.
    budget: its seconds are what each learner may spend, all variants together; the clock starts anew for each.
    A learner that raises FirstlightError gets a row that says why; the others go on.
    """
    seconds = (budget or Budget()).seconds
    judged: dict[str, _Judged | FirstlightError] = {}
    for place, (name, learner) in enumerate(learners.items()):
        steps = partial(progress_between, progress, place / len(learners), (place + 1) / len(learners))
        try:
            tuned = tune(learner, corpus, protocol, seed=seed, seconds=seconds, progress=steps)
            judged[name] = _judge(tuned, corpus, protocol, seed)
        except FirstlightError as error:
            judged[name] = error
    progress("compared", 1.0)
    weights = resamples(len(protocol.test), seed)
    well = {name: outcome for name, outcome in judged.items() if isinstance(outcome, _Judged)}
    rows = [
        _row(name, well, weights) if isinstance(outcome, _Judged) else Row(name, error=str(outcome))
        for name, outcome in judged.items()
    ]
    sizes = _sizes(corpus, protocol)
    return Evaluation(protocol.name, protocol.shots, rows, sizes, seconds, seed, _version(), protocol.note)


@dataclass(frozen=True)
class _Judged:
    """values: shots -> name of metric -> (T,)."""

    tuned: Tuned
    values: Mapping[int, Mapping[str, Tensor]]
    coverage: Mapping[int, float]
    adapt_ms: Mapping[int, float]


def _judge(tuned: Tuned, corpus: Corpus, protocol: ColdUser, seed: int) -> _Judged:
    values, covered, milliseconds = {}, {}, {}
    for shots, choice in tuned.choices.items():
        batch = protocol.cases(corpus, protocol.test, shots)
        ranked = rank(choice.learner, choice.prior, batch.support, corpus.n_items, seed)
        values[shots] = measure(ranked.lists, batch)
        covered[shots] = coverage(ranked.lists, corpus.n_items)
        milliseconds[shots] = 1000 * ranked.seconds / len(batch)
    return _Judged(tuned, values, covered, milliseconds)


def _row(name: str, well: Mapping[str, _Judged], weights: Tensor) -> Row:
    tuned = well[name].tuned
    cells = [_cell(name, well, shots, weights) for shots in tuned.choices]
    return Row(name, cells, tuned.tried, tuned.variants, tuned.seconds)


def _cell(name: str, well: Mapping[str, _Judged], shots: int, weights: Tensor) -> Cell:
    mine, values = well[name], well[name].values[shots]
    choice = mine.tuned.choices[shots]
    means = intervals(torch.stack(list(values.values()), 1), weights)
    others = [other for other in well if other != name]
    against = max(others, key=lambda other: well[other].tuned.choices[shots].validation, default=None)
    gap = difference(values[MAIN], well[against].values[shots][MAIN], weights) if against else None
    return Cell(
        shots=shots,
        metrics=dict(zip(values, means, strict=True)),
        coverage=mine.coverage[shots],
        settings=choice.prior.settings,
        validation=choice.validation,
        adapt_ms=mine.adapt_ms[shots],
        against=against,
        difference=gap,
        verdict=verdict(gap) if gap else None,
    )


def _sizes(corpus: Corpus, protocol: ColdUser) -> Mapping[str, int]:
    return {
        "people": len(corpus.tasks),
        "trained on": len(protocol.train),
        "validation": len(protocol.validation),
        "test": len(protocol.test),
        "items": corpus.n_items,
        "likes": int((corpus.tasks.grades > 0).sum()),
    }


def _version() -> str:
    try:
        return version("firstlight")
    except PackageNotFoundError:
        return "not installed"
