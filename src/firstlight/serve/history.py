"""From a person's events and what is known of them to a support, by look-ups alone: no table is made of a request.

It says exactly what ``Schema.support`` says of the same events in a table, but that events of the same moment keep
the order in which they arrived.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from operator import attrgetter
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from firstlight.corpus import Schema
from firstlight.serve.asking import Ask
from firstlight.settings import Feedback
from firstlight.store import Event
from firstlight.tasks import Support

Floats = NDArray[np.float32]
Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class History:
    """What ``T`` people did.

    support: what learners see of it. events: of each person, the event that stands in each column of the support.
    rows, places: (E,) whose event it is and of which item, of all events of known items, also those that say nothing
    about liking.
    """

    support: Support
    events: Sequence[Sequence[Event]]
    rows: Places
    places: Places


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads histories. place: item_id -> position. terms: profile term -> column. columns: as in ``ProfileEncoder``."""

    place: Mapping[str, int]
    feedback: Feedback
    terms: Mapping[str, int]
    columns: Sequence[tuple[str, Sequence[float] | None]]

    @classmethod
    def of(cls, schema: Schema, place: Mapping[str, int]) -> Self:
        """The reader of a model."""
        if schema.profile is None:
            return cls(place, schema.feedback, {}, ())
        terms = {term: number for number, term in enumerate(schema.profile.vocabulary["term"])}
        return cls(place, schema.feedback, terms, tuple(schema.profile.columns.iter_rows()))

    def read(self, asks: Sequence[Ask]) -> History:
        """What is known of all who ask; events of items that the model does not know are left out."""
        told = [self._happened(ask) for ask in asks]
        rows = np.repeat(np.arange(len(asks)), [len(part) for part in told])
        events = [event for part in told for event in part]
        places = np.fromiter((self.place[event.item_id] for event in events), np.int64, len(events))
        grades = self._grades(events, rows, places)
        chosen = _first_likes(rows * len(self.place) + places, grades)
        counts = np.bincount(rows[chosen], minlength=len(asks))
        columns = np.arange(len(chosen)) - np.repeat(counts.cumsum() - counts, counts)
        cells = (rows[chosen], columns)
        shape = (len(asks), int(counts.max(initial=0)))
        items, kept, mask = np.zeros(shape, np.int64), np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
        items[cells], kept[cells], mask[cells] = places[chosen], grades[chosen], True
        support = Support(*(torch.from_numpy(part) for part in (items, kept, mask, self._profiles(asks))))
        ends = counts.cumsum().tolist()
        theirs = [events[place] for place in chosen.tolist()]
        return History(support, [theirs[a:b] for a, b in zip([0, *ends], ends, strict=False)], rows, places)

    def _happened(self, ask: Ask) -> list[Event]:
        """The events of known items, the oldest first."""
        known = (event for event in ask.events if event.item_id in self.place)
        if ask.now is not None:
            known = (event for event in known if event.time <= ask.now)
        return sorted(known, key=attrgetter("time"))

    def _grades(self, events: Sequence[Event], rows: Places, places: Places) -> Floats:
        """(E,) as ``Feedback.grade`` times ``Feedback.fading``."""
        rules = self.feedback
        weight = np.array([rules.weights.get(event.type, 1.0) for event in events], np.float32)
        stars = np.array([_stars(event) for event in events], np.float32)
        line = (stars - np.float32(rules.like_from - 0.5)) * np.float32(1 / max(rules.like_from - 1.0, 1.0))
        liked = line if rules.graded else np.float32(1.0)
        rated = np.where(stars >= rules.like_from, liked, np.minimum(line, 0))
        grades: Floats = weight * np.where(np.isnan(stars), np.float32(1.0), rated)
        return grades if rules.half_life is None else grades * self._fading(events, rows, places, rules.half_life)

    def _fading(self, events: Sequence[Event], rows: Places, places: Places, half_life: float) -> Floats:
        times = np.array([event.time for event in events], "datetime64[us]").astype(np.int64)
        pairs, pair = np.unique(rows * len(self.place) + places, return_inverse=True)
        last, newest = np.zeros(len(pairs), np.int64), np.zeros(rows.max(initial=-1) + 1, np.int64)
        np.maximum.at(last, pair, times)
        np.maximum.at(newest, rows, times)
        age = (newest[rows] - last[pair]) // 1_000_000 / 86_400
        return np.asarray(0.5 ** (age / half_life), np.float32)

    def _profiles(self, asks: Sequence[Ask]) -> Floats:
        """(T, P) as ``ProfileEncoder.encode``."""
        out = np.zeros((len(asks), len(self.terms)), np.float32)
        for row, ask in enumerate(asks):
            for name, edges in self.columns if ask.profile else ():
                for term in _terms(name, edges, ask.profile.get(name)):
                    if (column := self.terms.get(term)) is not None:
                        out[row, column] = 1.0
        return out


def _stars(event: Event) -> float:
    """The value of a rating; no number for anything else."""
    return np.nan if event.type != "rate" or event.value is None else event.value


def _first_likes(keys: Places, grades: Floats) -> Places:
    """Which events count, ascending: of each key the first like if there is one, else the last grade."""
    says = (grades != 0) & np.isfinite(grades)
    likes, others = (np.flatnonzero(says & (grades > 0)), np.flatnonzero(says & (grades < 0))[::-1])
    order = np.concatenate([likes, others])
    _, first = np.unique(keys[order], return_index=True)
    return np.sort(order[first])


def _terms(name: str, edges: Sequence[float] | None, value: Any) -> Iterator[str]:
    """The terms of one cell of a person's attributes."""
    if edges is not None:
        if (number := _number(value)) is not None:
            yield f"{name}~{bisect_right(edges, number)}"
        return
    for cell in value if isinstance(value, list | tuple) else (value,):
        if text := _text(cell):
            yield f"{name}={text}"


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip().lower()
