"""One evaluation that judges everything: it knows of a learner only ``variants``, ``fit``, ``adapt`` and ``scores``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor

from firstlight.budget import Budget, Progress, progress_between, silent
from firstlight.errors import FirstlightError
from firstlight.evaluate.comparison import Interval, Verdict, difference, intervals, resamples, verdict
from firstlight.evaluate.metrics import MAIN, coverage, moved
from firstlight.evaluate.protocols import SHOTS, ColdUser, cold_user
from firstlight.evaluate.ranking import ablate
from firstlight.evaluate.tuning import Choice, Tuned, measure, tune
from firstlight.learners.base import Learner
from firstlight.ranking import top
from firstlight.tasks import Corpus, TaskBatch

__all__ = ["SHOTS", "Cell", "ColdUser", "Evaluation", "Interval", "Row", "cold_user", "evaluate", "top"]


@dataclass(frozen=True)
class Cell:
    """One learner at one number of events.

    metrics: name -> mean over the test people, with its interval. coverage: share of the catalogue in anyone's top 10.
    settings: those that validation chose; validation: their NDCG@10 there.
    against: the best of the other learners on validation (None without another); difference: in NDCG@10 to it, person
    by person; verdict: what that interval says.
    adapt_ms: milliseconds to adapt to a person and score the catalogue, in batches.
    unadapted: NDCG@10 of the same learner for the same people and candidates, but without their events; gain: what
    the events add to it, person by person; moved: the mean share of a person's first 10 that they replaced; shift: the
    mean root mean square difference that they made to a person's standardised scores. At 0 events nothing is gained.
    """

    shots: int
    metrics: Mapping[str, Interval]
    coverage: float
    settings: Mapping[str, Any]
    validation: float
    adapt_ms: float
    unadapted: Interval
    gain: Interval
    moved: float
    shift: float
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
    seconds, device = (budget or Budget()).seconds, (budget or Budget()).device
    judged: dict[str, _Judged | FirstlightError] = {}
    for place, (name, learner) in enumerate(learners.items()):
        steps = partial(progress_between, progress, place / len(learners), (place + 1) / len(learners))
        try:
            tuned = tune(learner, corpus, protocol, seed=seed, seconds=seconds, device=device, progress=steps)
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
class _Found:
    """Of the test people at one number of events. values: name of metric -> (T,). unadapted: (T,) of MAIN."""

    values: Mapping[str, Tensor]
    unadapted: Tensor
    coverage: float
    adapt_ms: float
    moved: float
    shift: float


@dataclass(frozen=True)
class _Judged:
    """found: at each number of events."""

    tuned: Tuned
    found: Mapping[int, _Found]


def _judge(tuned: Tuned, corpus: Corpus, protocol: ColdUser, seed: int) -> _Judged:
    cases = {shots: protocol.cases(corpus, protocol.test, shots) for shots in tuned.choices}
    return _Judged(tuned, {shots: _find(tuned.choices[shots], cases[shots], corpus.n_items, seed) for shots in cases})


def _find(choice: Choice, batch: TaskBatch, n_items: int, seed: int) -> _Found:
    ablated = ablate(choice.learner, choice.prior, batch.support, n_items, seed)
    lists = ablated.adapted.lists
    return _Found(
        values=measure(lists, batch),
        unadapted=measure(ablated.unadapted, batch)[MAIN],
        coverage=coverage(lists, n_items),
        adapt_ms=1000 * ablated.adapted.seconds / len(batch),
        moved=float(moved(lists, ablated.unadapted).mean()),
        shift=float(ablated.shift.mean()),
    )


def _row(name: str, well: Mapping[str, _Judged], weights: Tensor) -> Row:
    tuned = well[name].tuned
    cells = [_cell(name, well, shots, weights) for shots in tuned.choices]
    return Row(name, cells, tuned.tried, tuned.variants, tuned.seconds)


def _cell(name: str, well: Mapping[str, _Judged], shots: int, weights: Tensor) -> Cell:
    found, choice = well[name].found[shots], well[name].tuned.choices[shots]
    means = intervals(torch.stack(list(found.values.values()), 1), weights)
    others = [other for other in well if other != name]
    against = max(others, key=lambda other: well[other].tuned.choices[shots].validation, default=None)
    gap = difference(found.values[MAIN], well[against].found[shots].values[MAIN], weights) if against else None
    return Cell(
        shots=shots,
        metrics=dict(zip(found.values, means, strict=True)),
        coverage=found.coverage,
        settings=choice.prior.settings,
        validation=choice.validation,
        adapt_ms=found.adapt_ms,
        unadapted=intervals(found.unadapted.unsqueeze(1), weights)[0],
        gain=difference(found.values[MAIN], found.unadapted, weights),
        moved=found.moved,
        shift=found.shift,
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
