"""Pairs of items: how many people like both, and in which order; and twins, one product under two ids."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from firstlight.learners.transfer import known, places
from firstlight.tasks import Corpus, Support, TaskBatch, TaskSet

LAGS = 10
"""So many distances between two likes are counted at a time."""
HALF = 0.5
"""An item is the twin of another that more than so many of its people like too."""
SURE = 3.0
"""In standard deviations: from here on the order in which things are liked is taken for no accident."""


@dataclass(frozen=True)
class Twins:
    """Items of different domains that the same people like: one product under two ids.

    What somebody has under one id says nothing new under the other, and who knows the domain of the one and has not
    taken it does not want the other. So twins are out when a transfer is measured, and passed over with their twin.

    other: (N,) int64 the item of another domain that most of an item's people like too; itself where there is none.
    share: (N,) float32, which share of them, counted as if one more person liked the item alone.
    """

    other: Tensor
    share: Tensor

    @classmethod
    def none(cls, n_items: int) -> "Twins":
        """No item has a twin."""
        return cls(torch.arange(n_items), torch.zeros(n_items))

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "Twins":
        """Those among the tensors of a prior."""
        return cls(tensors["twin"], tensors["twin_share"])

    def tensors(self) -> dict[str, Tensor]:
        """What a prior keeps."""
        return {"twin": self.other, "twin_share": self.share}

    def apart(self, batch: TaskBatch) -> TaskBatch:
        """The same people, to be judged by what they like beyond the twins of their support."""
        return replace(batch, query_mask=batch.query_mask & ~self.doubled(batch.support).gather(1, batch.query))

    def doubled(self, support: Support) -> Tensor:
        """(T, N) bool: the twins of what somebody has."""
        has = torch.zeros(len(support), len(self.other), dtype=torch.bool)
        rows, slots = support.mask.nonzero(as_tuple=True)
        has[rows, support.items[rows, slots]] = True
        return has[:, self.other] & (self.share > HALF) & (self.other != torch.arange(len(self.other)))

    def wanted(self, support: Support, place: Tensor) -> Tensor:
        """(T, N): 1, but 1 − share for the twin of what a person passed over. place: (N,) the domain of each item."""
        return self.passed_over(support, place).neg_().add_(1).T

    def passed_over(self, support: Support, place: Tensor) -> Tensor:
        """(N, T): 0, but the share for the twin of what a person passed over.

        That is: they have events in the twin's domain, though not with the twin, and none in the item's own domain,
        where they may have met the item under its own id. place: (N,) the domain of each item.
        """
        people, width = len(support), int(place.max()) + 1 if len(place) else 1
        rows, slots = support.mask.nonzero(as_tuple=True)
        liked = support.items[rows, slots]
        met = torch.zeros(width, people)
        met[place[liked], rows] = 1.0
        # Of each pair of domains, the twin's and the item's own: only the one has been met.
        abroad = (met[:, None] * (1 - met)).flatten(0, 1)
        passed = abroad.index_select(0, place.index_select(0, self.other) * width + place).mul_(self.share[:, None])
        # Who has an event with the twin has not passed it over.
        items, number = torch.unique(liked, return_inverse=True)
        lacks = torch.ones(len(items), people)
        lacks[number, rows] = 0.0
        numbers = torch.full((len(place),), -1).index_copy_(0, items, torch.arange(len(items)))
        number = numbers.index_select(0, self.other)
        twins = (number >= 0).nonzero()[:, 0]
        missed = lacks.index_select(0, number[twins]).mul_(passed.index_select(0, twins))
        return passed.index_copy_(0, twins, missed)


@dataclass(frozen=True)
class Counts:
    """What is counted once for many settings.

    place: (N,) the domain of each item. popularity: (N,) how many like it. liked: (N, D) how many of those who know the
    domain; both: (D, D) how many people know both domains. rows, columns: (E,) pairs of items, both orders of each,
    sorted. after, before: (E,) how many people like the column after the row, and before it.
    """

    place: Tensor
    popularity: Tensor
    liked: Tensor
    both: Tensor
    rows: Tensor
    columns: Tensor
    after: Tensor
    before: Tensor

    def twins(self) -> Twins:
        """Each item with the item of another domain that most of its people like too."""
        across = self.place[self.rows] != self.place[self.columns]
        rows, columns = self.rows[across], self.columns[across]
        shared = (self.after + self.before)[across] / (self.popularity[columns] + 1)
        share = torch.zeros(len(self.place)).scatter_reduce_(0, columns, shared, "amax")
        most = shared == share[columns]
        start = torch.arange(len(self.place))
        other = start.scatter_reduce_(0, columns[most], rows[most], "amax", include_self=False)
        return Twins(other, share)

    def order_tells(self) -> bool:
        """Whether pairs of items are liked in one order more often than coins would give: χ² over all pairs."""
        total, gap = self.after + self.before, self.after - self.before
        excess = (gap.square() / total - 1).sum()
        # Of n throws of a coin the term has a mean of 1 and a variance of 2 (n − 1) / n; every pair is here twice.
        return bool(excess > SURE * (2 * (2 * (total - 1) / total).sum()).sqrt())


def counted(corpus: Corpus, reach: int) -> Counts:
    """Of all likes. At most ``reach`` likes of a person lie from one item of a pair to the other."""
    place, tasks = places(corpus), corpus.tasks.likes()
    knows = (known(tasks, place) > 0).float()
    liked = torch.zeros(corpus.n_items, knows.shape[1]).index_add_(0, tasks.items, knows[tasks.owner])
    return Counts(
        place, tasks.item_counts(corpus.n_items), liked, knows.T @ knows, *followed(tasks, corpus.n_items, reach)
    )


def followed(tasks: TaskSet, n_items: int, reach: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(E,) rows i, columns j, how many people like j after i, and how many i after j; both orders of every pair.

    Sorted by row, then column. At most ``reach`` likes lie from one to the other.
    """
    keys, counts = torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    longest = min(reach, int(tasks.indptr.diff().max())) if len(tasks) else 0
    owner = tasks.owner
    for start in range(1, longest + 1, LAGS):
        found = []
        for lag in range(start, min(start + LAGS, longest + 1)):
            same = owner[lag:] == owner[: len(owner) - lag]
            found.append(tasks.items[: len(owner) - lag][same] * n_items + tasks.items[lag:][same])
        some, count = torch.unique(torch.cat(found), return_counts=True)
        keys, counts = _added(torch.cat([keys, some]), torch.cat([counts, count.float()]))
    rows, columns = keys // n_items, keys % n_items
    back = columns * n_items + rows
    both, forward = _added(torch.cat([keys, back]), torch.cat([counts, torch.zeros_like(counts)]))
    _, backward = _added(torch.cat([keys, back]), torch.cat([torch.zeros_like(counts), counts]))
    return both // n_items, both % n_items, forward, backward


def _added(keys: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct keys, ascending, and the sums of their counts."""
    distinct, place = torch.unique(keys, return_inverse=True)
    return distinct, torch.zeros(len(distinct)).index_add_(0, place, counts)
