"""From what was tuned to what is reported: test people are judged once, learners compared person by person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from firstlight.evaluate.comparison import (
    Interval,
    difference,
    intervals,
    mean_of_stages,
    resamples,
    verdict,
)
from firstlight.evaluate.evaluation import Cell, Row
from firstlight.evaluate.metrics import MAIN, coverage, moved
from firstlight.evaluate.protocols.stages import Cases, Stage
from firstlight.evaluate.ranking import Ablated, ablate
from firstlight.evaluate.transfer import Transfer
from firstlight.evaluate.tuning import Choice, Tuned, measure
from firstlight.tasks import TaskBatch

FLOOR = "popular"
"""The learner that all are compared with, besides the best other one."""
ELSEWHERE = (MAIN, "recall@20")
LEAST_ELSEWHERE = 10
"""How many people who go on to like items of other categories their figures need."""


@dataclass(frozen=True)
class Found:
    """Of the test people at one stage. values: name of metric -> (T,). unadapted: (T,) of MAIN.

    elsewhere: name -> (n,) of those who went on to like items of other categories.
    """

    values: Mapping[str, Tensor]
    unadapted: Tensor
    coverage: float
    adapt_ms: float
    moved: float
    shift: float
    elsewhere: Mapping[str, Tensor]


@dataclass(frozen=True)
class Judged:
    """One learner. found: at each stage."""

    tuned: Tuned
    found: Sequence[Found]
    transfer: Sequence[Transfer] = ()


def find(choice: Choice, cases: Cases, n_items: int, seed: int, categories: Tensor | None = None) -> Found:
    """Rank for the people of ``cases`` with the variant that was chosen. categories: (N,) int64, -1 not known."""
    batch = cases.batch
    ablated = ablate(choice.learner, choice.prior, batch.support, n_items, seed, cases.eligible, categories)
    lists = ablated.adapted.lists
    return Found(
        values=measure(lists, batch),
        unadapted=measure(ablated.unadapted, batch)[MAIN],
        coverage=coverage(lists, cases.candidates(n_items)),
        adapt_ms=1000 * ablated.adapted.seconds / len(batch),
        moved=float(moved(lists, ablated.unadapted).mean()),
        shift=float(ablated.shift.mean()),
        elsewhere={} if categories is None else _elsewhere(ablated, batch, categories),
    )


def rows(judged: Mapping[str, Judged], stages: Sequence[Stage], seed: int, alike: bool) -> Mapping[str, Row]:
    """The row of each learner, compared with the others."""
    return {name: _row(name, judged, stages, seed, alike) for name in judged}


def _elsewhere(ablated: Ablated, batch: TaskBatch, categories: Tensor) -> Mapping[str, Tensor]:
    if ablated.elsewhere is None:
        return {}
    support = batch.support
    theirs = torch.where(support.mask, categories[support.items], -1)
    of = categories[batch.query]
    new = batch.query_mask & (of >= 0) & ~(of.unsqueeze(2) == theirs.unsqueeze(1)).any(2)
    some = new.any(1)
    found = measure(ablated.elsewhere, TaskBatch(support, batch.query, new))
    return {name: found[name][some] for name in ELSEWHERE} if int(some.sum()) >= LEAST_ELSEWHERE else {}


def _row(name: str, judged: Mapping[str, Judged], stages: Sequence[Stage], seed: int, alike: bool) -> Row:
    tuned, transfer = judged[name].tuned, judged[name].transfer
    cells = [_cell(name, judged, stage, place, seed) for place, stage in enumerate(stages)]
    mean = over = None
    if alike:
        people, ours = [stage.test.people for stage in stages], _main(judged[name])
        mean = mean_of_stages(ours, people, seed)
        if FLOOR in judged and name != FLOOR:
            gaps = [mine - floor for mine, floor in zip(ours, _main(judged[FLOOR]), strict=True)]
            over = mean_of_stages(gaps, people, seed)
    return Row(name, cells, tuned.tried, tuned.variants, tuned.seconds, None, mean, over, transfer)


def _main(judged: Judged) -> Sequence[Tensor]:
    return [found.values[MAIN] for found in judged.found]


def _cell(name: str, judged: Mapping[str, Judged], stage: Stage, place: int, seed: int) -> Cell:
    found, choice = judged[name].found[place], judged[name].tuned.choices[place]
    weights = resamples(len(stage.test), seed)
    means = intervals(torch.stack(list(found.values.values()), 1), weights)
    others = [other for other in judged if other != name]
    against = max(others, key=lambda other: judged[other].tuned.choices[place].validation, default=None)
    gap = _gap(judged, name, against, place, weights)
    return Cell(
        label=stage.label,
        shots=stage.shots,
        people=len(stage.test),
        known=float(stage.test.batch.support.mask.sum(1).double().mean()),
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
        over_popular=_gap(judged, name, FLOOR if name != FLOOR else None, place, weights),
        **_of_elsewhere(found.elsewhere, seed),
    )


def _gap(judged: Mapping[str, Judged], name: str, other: str | None, place: int, weights: Tensor) -> Interval | None:
    if other is None or other not in judged:
        return None
    return difference(judged[name].found[place].values[MAIN], judged[other].found[place].values[MAIN], weights)


def _of_elsewhere(found: Mapping[str, Tensor], seed: int) -> dict[str, Any]:
    if not found:
        return {}
    values = torch.stack(list(found.values()), 1)
    means = intervals(values, resamples(len(values), seed))
    return {"elsewhere": dict(zip(found, means, strict=True)), "elsewhere_people": len(values)}
