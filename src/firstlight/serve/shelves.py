"""A shelf for every category: all categories ranked for one person, each with its best items."""

import numpy as np
from numpy.typing import NDArray

from firstlight.serve.answer import Shown, about, answer, arranged, depth, listed_of
from firstlight.serve.asking import Ask, Listing, Shelf, Shelves
from firstlight.serve.candidates import Candidates, Floats, Places
from firstlight.serve.laps import Laps
from firstlight.serve.rerank import reranked
from firstlight.serve.served import Served


def shelves(served: Served, ask: Ask, per_shelf: int, most: int) -> Shelves:
    """The ``most`` best categories, each with its ``per_shelf`` best items; a category is as good as their mean score.

    ask: its ``n`` says nothing here. Diversity and exploring are within a shelf; ``outside`` is the share of shelves of
    categories that the person's events do not touch. Items of no category are on no shelf. Raises FilterError.
    """
    if not len(served):
        return Shelves((), answer(served, [ask])[0])
    laps = Laps()
    found = Candidates.of(served, [ask], laps)
    scores = found.allowed[0]
    pools = by_category(served.category.codes, scores, depth(ask, per_shelf))
    marks = np.array([scores[pool[:per_shelf]].mean() for pool in pools], np.float32)
    best = np.argsort(-marks, kind="stable")
    outside = found.outside(served, 0)[[pools[place][0] for place in best]] if ask.outside else None
    order = best[reranked(marks[best], most, outside, ask.outside)][:most].tolist()
    shown = [arranged(served, ask, pools[place], scores[pools[place]], per_shelf) for place in order]
    laps.lap("rerank")
    items = listed_of(served, found, 0, Shown.joined(shown))
    laps.lap("explain")
    parts = _cut(items, [len(part.places) for part in shown])
    told = [_shelf(served, part, float(marks[place])) for place, part in zip(order, parts, strict=True)]
    return Shelves(told, about(served, found, 0, items, laps.seconds))


def by_category(category: NDArray[np.int32], scores: Floats, most: int) -> list[Places]:
    """The ``most`` best places of each category that has any, best first; equal scores in the order of the catalogue.

    category: (N,) from 0 up, -1 for none. scores: (N,), -inf for what may not be listed.
    """
    there = np.flatnonzero((category >= 0) & (scores > -np.inf))
    order = there[np.argsort(-scores[there], kind="stable")]
    order = order[np.argsort(category[order], kind="stable")]
    starts = np.flatnonzero(np.diff(category[order], prepend=-1))
    return [part[:most] for part in np.split(order, starts[1:])] if len(order) else []


def _cut(items: Listing, sizes: list[int]) -> list[Listing]:
    ends = np.cumsum(sizes, dtype=int).tolist()
    return [items[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def _shelf(served: Served, items: Listing, score: float) -> Shelf:
    first = items.places[0]
    return Shelf(str(served.category.at(first)), served.domain.at(first), score, items)
