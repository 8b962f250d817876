"""What may be listed for each who asks, and how good it is: histories read, scores computed, filters applied."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from firstlight.ranking import keys_of, top
from firstlight.serve.asking import Ask
from firstlight.serve.fields import Mask
from firstlight.serve.filters import mask
from firstlight.serve.history import History
from firstlight.serve.laps import Laps
from firstlight.serve.served import Served
from firstlight.serve.strategies import Scored, scored

Places = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Candidates:
    """For ``T`` asks. masks: (N,) of each, what passes filter, domain and list of items; None: everything.

    allowed: (T, N) float32, the scores, -inf where an item may not be listed. liked: how many known items each likes.
    """

    asks: Sequence[Ask]
    history: History
    scored: Scored
    masks: Sequence[Mask | None]
    allowed: Floats
    liked: Sequence[int]

    @classmethod
    def of(cls, served: Served, asks: Sequence[Ask], laps: Laps) -> "Candidates":
        """Raises FilterError for a filter that cannot be read."""
        history = served.reader.read(asks)
        laps.lap("history")
        found = scored(served, [ask.strategy for ask in asks], history.support, laps)
        allowed = found.scores.numpy().copy()
        masks = [_mask(served, ask) for ask in asks]
        for row, (ask, passed) in enumerate(zip(asks, masks, strict=True)):
            if passed is not None:
                np.copyto(allowed[row], -np.inf, where=~passed)
            if ask.excluded:
                allowed[row, [served.place[name] for name in ask.excluded if name in served.place]] = -np.inf
        shy = ~np.array([ask.again for ask in asks])[history.rows]
        allowed[history.rows[shy], history.places[shy]] = -np.inf
        laps.lap("filter")
        return cls(asks, history, found, masks, allowed, history.support.shots().tolist())

    def outside(self, served: Served, row: int) -> Mask:
        """(N,): items of categories that the person's events do not touch; of no category is not outside."""
        codes = served.category.codes
        touched = np.zeros(len(served.category.names) + 1, np.bool_)
        touched[codes[self.history.places[self.history.rows == row]]] = True
        touched[-1] = True
        return np.asarray(~touched[codes])


def ranked(allowed: Floats, asks: Sequence[Ask], depths: Sequence[int]) -> list[Places]:
    """The best places of each row, best first; as many as its depth, or fewer where no more may be listed.

    Equal scores are in the order in which ``Recommender.recommend`` has them.
    """
    found: list[Places] = [np.zeros(0, np.int64)] * len(asks)
    groups: dict[tuple[int, int], list[int]] = {}
    for row, (ask, depth) in enumerate(zip(asks, depths, strict=True)):
        groups.setdefault((min(depth, allowed.shape[1]), ask.seed), []).append(row)
    for (depth, seed), rows in groups.items():
        keys = keys_of(asks[row].key for row in rows)
        scores = torch.from_numpy(allowed if len(rows) == len(asks) else allowed[rows])
        for row, places in zip(rows, top(scores, depth, seed=seed, keys=keys).numpy(), strict=True):
            found[row] = places[places >= 0]
    return found


def _mask(served: Served, ask: Ask) -> Mask | None:
    found: Mask | None = None
    if ask.filter is not None:
        found = mask(ask.filter, served.fields, len(served), served.place, ask.current)
    if ask.domain is not None:
        there = served.domain.equal(ask.domain)
        found = there if found is None else found & there
    if ask.items is not None:
        there = np.zeros(len(served), np.bool_)
        there[[served.place[name] for name in ask.items if name in served.place]] = True
        found = there if found is None else found & there
    return found
