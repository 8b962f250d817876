"""One evaluation that judges everything: it knows of a learner only ``variants``, ``fit``, ``adapt`` and ``scores``."""

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import torch

from firstlight.budget import Budget, Progress, progress_between, silent
from firstlight.errors import FirstlightError
from firstlight.evaluate.comparison import Interval
from firstlight.evaluate.evaluation import Cell, Evaluation, Row
from firstlight.evaluate.judging import Judged, find, rows
from firstlight.evaluate.protocols import (
    PROTOCOLS,
    SHOTS,
    Cases,
    Categories,
    ColdUser,
    Cut,
    Protocol,
    Source,
    Stage,
    categories,
    cold_user,
    protocol,
)
from firstlight.evaluate.transfer import Transfer, transfer_map
from firstlight.evaluate.tuning import tune
from firstlight.learners.base import Learner
from firstlight.ranking import top
from firstlight.tasks import Corpus

__all__ = [
    "PROTOCOLS",
    "SHOTS",
    "Cases",
    "Categories",
    "Cell",
    "ColdUser",
    "Cut",
    "Evaluation",
    "Interval",
    "Protocol",
    "Row",
    "Source",
    "Stage",
    "Transfer",
    "categories",
    "cold_user",
    "evaluate",
    "protocol",
    "top",
    "transfer_map",
]


def evaluate(
    corpus: Corpus,
    learners: Mapping[str, Learner],
    protocol: Protocol,
    *,
    budget: Budget | None = None,
    seed: int = 0,
    progress: Progress = silent,
    categories: Categories | None = None,
) -> Evaluation:
    """Tune every learner on the people of validation, judge it once on the people of test, compare.

    learners: the name in the report -> the learner. protocol: drawn from the same ``corpus``.
    budget: its seconds are what each learner may spend, all variants together; the clock starts anew for each, and for
    each training where stages learn from different ones.
    categories: of the items; None: nothing is told of items in categories that are new to a person, nor of transfer.
    A learner that raises FirstlightError gets a row that says why; the others go on.
    """
    given, held = budget or Budget(), protocol.cut(corpus)
    outcomes: dict[str, Judged | FirstlightError] = {}
    for place, (name, learner) in enumerate(learners.items()):
        steps = partial(progress_between, progress, place / len(learners), (place + 1) / len(learners))
        try:
            outcomes[name] = _judge(learner, corpus, held, categories, given, seed, steps)
        except FirstlightError as error:
            outcomes[name] = error
    progress("compared", 1.0)
    judged = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Judged)}
    well = rows(judged, held.stages, seed, held.alike)
    return Evaluation(
        protocol=held.name,
        shots=[stage.shots for stage in held.stages],
        labels=[stage.label for stage in held.stages],
        rows=[well.get(name) or Row(name, error=str(outcome)) for name, outcome in outcomes.items()],
        sizes=_sizes(corpus, held.stages),
        seconds=given.seconds,
        seed=seed,
        version=_version(),
        note=held.note,
        settings=held.settings,
        alike=held.alike,
    )


def _judge(
    learner: Learner,
    corpus: Corpus,
    held: Cut,
    categories: Categories | None,
    budget: Budget,
    seed: int,
    progress: Progress,
) -> Judged:
    tuned = tune(learner, held.stages, seed=seed, seconds=budget.seconds, device=budget.device, progress=progress)
    of = None if categories is None else categories.of
    chosen = zip(tuned.choices, held.stages, strict=True)
    found = [find(choice, stage.test, corpus.n_items, seed, of) for choice, stage in chosen]
    if held.unseen is None or categories is None or categories.column != "domain":
        return Judged(tuned, found)
    last, names = tuned.choices[-1], categories.names
    return Judged(tuned, found, transfer_map(last.learner, last.prior, corpus, held.unseen, names=names, seed=seed))


def _sizes(corpus: Corpus, stages: Sequence[Stage]) -> Mapping[str, int]:
    return {
        "people": len(corpus.tasks),
        "trained on": max(len(stage.training.tasks) for stage in stages),
        "validation": _people([stage.validation for stage in stages]),
        "test": _people([stage.test for stage in stages]),
        "items": corpus.n_items,
        "likes": int((corpus.tasks.grades > 0).sum()),
    }


def _people(cases: Sequence[Cases]) -> int:
    """How many different people there are in all."""
    return len(torch.unique(torch.cat([part.people for part in cases])))


def _version() -> str:
    try:
        return version("firstlight")
    except PackageNotFoundError:
        return "not installed"
