"""A model taken to a place that is new to it: a category, a domain, a group of people, a device.

It takes in the place's items, then a handful of its events; held-out people say what that gained.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import polars as pl
import torch
from torch import Tensor

from firstlight.errors import DataError, SettingsError
from firstlight.evaluate.comparison import Interval, difference, intervals, resamples
from firstlight.evaluate.ranking import rank
from firstlight.evaluate.tuning import measure
from firstlight.learners.base import Prior
from firstlight.learners.engine import Engine
from firstlight.learners.local import cases, localised
from firstlight.recommender import Recommender
from firstlight.tasks import Corpus, TaskBatch, TaskSet

Kind = Literal["category", "domain", "group", "device", "user"]
KINDS: tuple[str, ...] = get_args(Kind)
HELD_OUT, LEAST = 0.3, 10
"""So many of the people say what was gained; fewer than the second say nothing."""


@dataclass(frozen=True)
class Gained:
    """Of one metric, before and after, on the held-out people; ``difference`` is person by person."""

    before: Interval
    after: Interval
    difference: Interval


@dataclass(frozen=True)
class Adapted:
    """model: it knows the place. items: how many the place is about. people: who like some of them; learned: by how
    many of them the figures learned, held_out: on how many they were taken. gained: by metric, empty where too few
    people could be held out.
    """

    model: Recommender
    items: int
    people: int
    learned: int
    held_out: int
    gained: Mapping[str, Gained]


def adapted(
    model: Recommender,
    events: pl.DataFrame,
    kind: Kind,
    *,
    items: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    seed: int = 0,
) -> Adapted:
    """Take ``events`` of a place, and its ``items``, into a model of the engine; seconds, nothing is trained again.

    events, items, users: clean tables (``dataset.read_events``, ...). With kind "category" or "domain" the place is
    about the ``items``, or without them about all that share the column with an item of the events; else about all.
    Raises SettingsError for another learner's model or another kind, DataError where nobody likes anything there.
    """
    if kind not in KINDS:
        raise SettingsError(f"There is no kind {kind!r}: choose one of {', '.join(KINDS)}.")
    if not isinstance(model.learner, Engine):
        raise SettingsError(f"The model is one of {model.learner.name}, and only engine takes a place in: train that.")
    grown = model if items is None else model.with_items(items)
    tasks = grown.schema.tasks(events, users, None, seed)
    inside = _inside(grown, events, kind, items)
    corpus = Corpus(tasks, len(grown.schema.item_ids))
    able = cases(tasks.likes(), inside)
    if not len(able):
        raise DataError(
            f"None of the {events.height:,} events is a like of one of the {int(inside.sum()):,} items of the place: "
            "bring events of its items, or its items with --items."
        )
    held_out = int(len(able) * HELD_OUT) if len(able) >= LEAST else 0
    order = torch.randperm(len(tasks), generator=torch.Generator().manual_seed(seed))
    first = _upto(tasks, inside, order, held_out)
    gained: Mapping[str, Gained] = {}
    if held_out:
        aside, rest = order[:first].sort().values, order[first:].sort().values
        after = localised(grown.prior, corpus.select(rest), inside, seed)
        gained = _gained(grown, after, cases(tasks.select(aside).likes(), inside), inside, seed)
    known = localised(grown.prior, corpus, inside, seed)
    return Adapted(replace(grown, prior=known), int(inside.sum()), len(able), len(able) - held_out, held_out, gained)


def _inside(model: Recommender, events: pl.DataFrame, kind: str, items: pl.DataFrame | None) -> Tensor:
    """(N,) bool: the items that the place is about."""
    item_ids = model.schema.item_ids
    if kind not in ("category", "domain"):
        return torch.ones(len(item_ids), dtype=torch.bool)
    if items is not None:
        chosen = items["item_id"]
    elif model.items is None or kind not in model.items.columns:
        raise DataError(f"The model knows no {kind} of its items: bring the items of the {kind} with --items.")
    else:
        values = model.items.filter(pl.col("item_id").is_in(events["item_id"].implode()))[kind].drop_nulls().unique()
        chosen = model.items.filter(pl.col(kind).is_in(values.implode()))["item_id"]
    return torch.from_numpy(item_ids.is_in(chosen.implode()).to_numpy().copy())


def _upto(tasks: TaskSet, inside: Tensor, order: Tensor, wanted: int) -> int:
    """How many tasks in ``order`` have ``wanted`` among them who like something inside."""
    likes = tasks.likes()
    able = torch.bincount(likes.owner[inside[likes.items]], minlength=len(tasks)) > 0
    return int((able[order].cumsum(0) < wanted).sum()) + 1 if wanted else 0


def _gained(model: Recommender, after: Prior, batch: TaskBatch, inside: Tensor, seed: int) -> Mapping[str, Gained]:
    found = []
    for prior in (model.prior, after):
        lists = rank(model.learner, prior, batch.support, len(inside), seed, inside).lists
        found.append(measure(lists, batch))
    weights = resamples(len(batch), seed)
    out = {}
    for name in found[0]:
        both = intervals(torch.stack([found[0][name], found[1][name]], 1), weights)
        out[name] = Gained(both[0], both[1], difference(found[1][name], found[0][name], weights))
    return out
