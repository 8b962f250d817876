"""From the best by score to the list that is shown: variety, and a share from categories that are new to the person.

Variety is maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): place by place the item of the largest
    (1 − diversity) · relevance − diversity · likeness to the most alike that is already in the list,
relevance the score, moved and stretched to 0..1 over the candidates. Likeness is shared category, domain, brand and
tags.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

from firstlight.serve.fields import Labels, Lists, Mask
from firstlight.serve.served import Served

WEIGHTS = {"category": 0.4, "domain": 0.2, "brand": 0.15, "tags": 0.25}
"""What sharing each says of likeness, beside the others that the catalogue has."""


@dataclass(frozen=True, eq=False)
class Likeness:
    """How alike ``P`` candidates are. labels: (weight, codes (P,)). words: (P, W) 0 or 1, of all their tags."""

    labels: list[tuple[float, NDArray[np.int32]]]
    words: NDArray[np.float32]
    word_weight: float

    @cached_property
    def counts(self) -> NDArray[np.float32]:
        """(P,): how many tags each has."""
        counts: NDArray[np.float32] = self.words.sum(1)
        return counts

    @classmethod
    def of(cls, served: Served, places: NDArray[np.int64]) -> "Likeness":
        """Of the items at ``places`` (P,)."""
        fields = {name: served.fields[name] for name in WEIGHTS if name in served.fields}
        whole = sum(WEIGHTS[name] for name in fields) or 1.0
        labels = [
            (WEIGHTS[name] / whole, field.codes[places]) for name, field in fields.items() if isinstance(field, Labels)
        ]
        tags = fields.get("tags")
        if not isinstance(tags, Lists):
            return cls(labels, np.zeros((len(places), 0), np.float32), 0.0)
        return cls(labels, _words(tags, places), WEIGHTS["tags"] / whole)

    def to(self, one: int) -> NDArray[np.float32]:
        """(P,) from 0 to 1: how like candidate ``one`` each is."""
        shared = self.words @ self.words[one]
        either = np.maximum(self.counts + self.counts[one] - shared, 1)
        found: NDArray[np.float32] = np.float32(self.word_weight) * shared / either
        for weight, codes in self.labels:
            found += np.float32(weight) * ((codes == codes[one]) & (codes >= 0))
        return found


def _words(tags: Lists, places: NDArray[np.int64]) -> NDArray[np.float32]:
    starts, counts = tags.pointers[places], tags.pointers[places + 1] - tags.pointers[places]
    rows = np.repeat(np.arange(len(places)), counts)
    within = np.arange(len(rows)) - np.repeat(counts.cumsum() - counts, counts)
    names, column = np.unique(tags.codes[starts[rows] + within], return_inverse=True)
    words = np.zeros((len(places), len(names)), np.float32)
    words[rows, column] = 1.0
    return words


def reranked(
    scores: NDArray[np.float32],
    n: int,
    outside: Mask | None = None,
    share: float = 0.0,
    diversity: float = 0.0,
    likeness: Likeness | None = None,
) -> NDArray[np.int64]:
    """The order (P,) in which ``P`` candidates, best first, are shown: the list of ``n``, then those left over.

    scores: (P,). outside: (P,) bool, candidates of categories that are new to the person, of which ``share`` of the
    list at least are taken, as far as there are so many; the best first. diversity: 0, as scored, to 1.
    """
    size = min(n, len(scores))
    apart = np.zeros(len(scores), np.bool_) if outside is None else outside
    need = min(ceil(share * size - 1e-9), int(apart.sum()))
    if size and diversity and likeness is not None:
        chosen = _varied(scores, size, apart, need, diversity, likeness)
    else:
        chosen = _best(size, apart, need)
    left = np.ones(len(scores), np.bool_)
    left[chosen] = False
    return np.concatenate([chosen, np.flatnonzero(left)])


def _best(size: int, outside: Mask, need: int) -> NDArray[np.int64]:
    """The best, the last of them replaced where ``need`` are to be from outside."""
    taken = np.zeros(len(outside), np.bool_)
    taken[np.flatnonzero(outside)[:need]] = True
    taken[np.flatnonzero(~taken)[: size - need]] = True
    return np.flatnonzero(taken)


def _varied(
    scores: NDArray[np.float32], size: int, outside: Mask, need: int, diversity: float, likeness: Likeness
) -> NDArray[np.int64]:
    width = float(scores.max() - scores.min()) or 1.0
    relevance = (1 - diversity) * (scores - scores.min()) / width
    nearest = np.zeros(len(scores), np.float32)
    open_to, chosen = np.ones(len(scores), np.bool_), np.zeros(size, np.int64)
    for place in range(size):
        if need == size - place:  # all places that are left have to be from outside
            open_to &= outside
        best = int(np.argmax(np.where(open_to, relevance - diversity * nearest, -np.inf)))
        chosen[place], open_to[best] = best, False
        need -= bool(outside[best])
        nearest = np.maximum(nearest, likeness.to(best))
    return chosen
