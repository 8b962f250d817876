"""Preferences of learners that cover the M most liked items: everything else is scored by popularity."""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from firstlight.learners.base import Preference, Prior
from firstlight.tasks import Corpus, Support


def coverage(corpus: Corpus, chosen: Tensor) -> dict[str, Tensor]:
    """What the prior of such a learner keeps of the items.

    chosen: (M,) int64 the items covered. place: (N,) int32 where an item is in ``chosen``, -1 elsewhere.
    popularity: (N,) the share of people who like an item.
    """
    place = torch.full((corpus.n_items,), -1, dtype=torch.int32)
    place[chosen] = torch.arange(len(chosen), dtype=torch.int32)
    popularity = corpus.tasks.item_counts(corpus.n_items) / max(len(corpus.tasks), 1)
    return {"chosen": chosen, "place": place, "popularity": popularity}


class Covered(Preference):
    """prior: with the tensors of `coverage`.

    Gives its subclasses ``column`` (T, S) int64, where the support is among the chosen items, 0 elsewhere, and
    ``weight`` (T, S), the grades, 0 elsewhere.
    """

    def __init__(self, prior: Prior, support: Support) -> None:
        self.tensors, self.support = prior.tensors, support
        place = prior.tensors["place"][support.items].long()
        graded = support.grades.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        self.column, self.weight = place.clamp(min=0), graded * (place >= 0)

    def covers_as(self, other: "Covered") -> bool:
        """Whether both cover the same items, in the same order."""
        return torch.equal(self.tensors["chosen"], other.tensors["chosen"])

    def others(self) -> Tensor:
        """(N,): the popularity of the items that are not covered, 0 for the others."""
        return self.tensors["popularity"].index_fill(0, self.tensors["chosen"], 0.0)

    @abstractmethod
    def covered(self) -> Tensor:
        """(T, M): the scores of the chosen items."""

    def scores(self) -> Tensor:
        """(T, N)."""
        return spread(self.tensors, self.covered(), torch.ones(len(self.support)))


def spread(tensors: Mapping[str, Tensor], covered: Tensor, share: Tensor) -> Tensor:
    """(T, N): ``covered`` (T, M) for the chosen items, ``share`` (T,) times the popularity for the others."""
    out = share[:, None] * tensors["popularity"]
    return out.index_copy_(1, tensors["chosen"], covered)
