"""The only door from tables to tensors.

Shapes, here and everywhere: ``T`` tasks, ``S`` support examples, ``Q`` query examples, ``N`` items,
``P`` profile terms, ``E`` examples of all tasks together.

A task is one entity (today a person; later an item, a category, a domain, a group, a device, a period) with its
graded examples. Which column of the events names the entity is an argument, nothing else depends on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import torch
from torch import Tensor


@dataclass(frozen=True)
class Support:
    """What is known of ``T`` entities when they are adapted to.

    items: (T, S) int64, positions in the catalogue; 0 where masked.
    grades: (T, S) float32, above 0 liked, below 0 disliked; 0 where masked.
    mask: (T, S) bool, true where there is an example.
    profile: (T, P) float32, 1 for every profile term that is known to hold; a row of zeros: nothing is known.
    """

    items: Tensor
    grades: Tensor
    mask: Tensor
    profile: Tensor

    def __len__(self) -> int:
        return self.items.shape[0]

    def shots(self) -> Tensor:
        """(T,) int64: the number of liked examples of each task."""
        return (self.mask & (self.grades > 0)).sum(1)

    def rows(self, index: Tensor | slice) -> "Support":
        """The tasks at ``index``, in that order."""
        return Support(self.items[index], self.grades[index], self.mask[index], self.profile[index])

    def first(self, shots: int) -> "Support":
        """The same people with the first ``shots`` columns of their examples only."""
        return replace(self, items=self.items[:, :shots], grades=self.grades[:, :shots], mask=self.mask[:, :shots])

    def without_profile(self) -> "Support":
        """The same people, as if nothing but their events were known of them."""
        return replace(self, profile=torch.zeros_like(self.profile))

    def without_events(self) -> "Support":
        """The same people, as if nothing but their profile were known of them: ``S`` is 0."""
        return self.first(0)


@dataclass(frozen=True)
class TaskBatch:
    """Support to adapt on and query to be judged on, padded.

    query: (T, Q) int64 positions of liked items; query_mask: (T, Q) bool.
    """

    support: Support
    query: Tensor
    query_mask: Tensor

    def __len__(self) -> int:
        return len(self.support)


@dataclass(frozen=True)
class TaskSet:
    """All examples of ``T`` entities, row after row (CSR), each row in the order in which things happened.

    names: (T,) the entities' ids. indptr: (T + 1,) int64. items: (E,) int64. grades: (E,) float32, never 0.
    profile: (T, P) float32.
    An item appears at most once in a row (its first like counts, else its last grade).
    """

    names: pl.Series
    indptr: Tensor
    items: Tensor
    grades: Tensor
    profile: Tensor

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def owner(self) -> Tensor:
        """(E,) int64: which task each example belongs to."""
        return torch.repeat_interleave(torch.arange(len(self)), self.indptr.diff())

    def likes(self) -> "TaskSet":
        """The same tasks with their liked examples only."""
        return self.where(self.grades > 0)

    def where(self, mask: Tensor) -> "TaskSet":
        """The same tasks with the examples of ``mask`` (E,) only."""
        counts = torch.zeros(len(self), dtype=torch.int64).index_add_(
            0, self.owner[mask], torch.ones(int(mask.sum()), dtype=torch.int64)
        )
        indptr = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        return replace(self, indptr=indptr, items=self.items[mask], grades=self.grades[mask])

    def select(self, rows: Tensor) -> "TaskSet":
        """The tasks at positions ``rows`` (int64), in that order."""
        counts = self.indptr.diff()[rows]
        indptr = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        shift = torch.repeat_interleave(self.indptr[rows] - indptr[:-1], counts)
        take = torch.arange(int(indptr[-1])) + shift
        names = self.names[rows.numpy()]
        return TaskSet(names, indptr, self.items[take], self.grades[take], self.profile[rows])

    def matrix(self, n_items: int) -> Tensor:
        """Sparse CSR (T, N) of the grades."""
        order = torch.argsort(self.owner * n_items + self.items)
        return torch.sparse_csr_tensor(self.indptr, self.items[order], self.grades[order], (len(self), n_items))

    def item_counts(self, n_items: int) -> Tensor:
        """(N,) float32: by how many tasks each item is liked."""
        return torch.bincount(self.items[self.grades > 0], minlength=n_items).float()

    def within(self, pools: Tensor) -> "TaskSet":
        """A task for each entity and pool, with the entity's name, profile and examples of that pool, in their order.

        pools: (N,) int64 which pool an item is in, from 0 up; items of -1 are left out.
        """
        pool, owner = pools[self.items], self.owner
        kept = (pool >= 0).nonzero()[:, 0]
        width = int(pools.max()) + 1 if len(pools) else 1
        key = owner[kept] * width + pool[kept]
        order = torch.argsort(key, stable=True)
        found, counts = torch.unique_consecutive(key[order], return_counts=True)
        indptr = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        who, place = found // max(width, 1), kept[order]
        return TaskSet(self.names[who.numpy()], indptr, self.items[place], self.grades[place], self.profile[who])

    def and_also(self, other: "TaskSet") -> "TaskSet":
        """These tasks, then the others."""
        return TaskSet(
            pl.concat([self.names, other.names]),
            torch.cat([self.indptr, self.indptr[-1] + other.indptr[1:]]),
            torch.cat([self.items, other.items]),
            torch.cat([self.grades, other.grades]),
            torch.cat([self.profile, other.profile]),
        )

    def split(self, shots: int | Tensor, seed: int | None = None) -> TaskBatch:
        """Support = the first ``shots`` examples of each task, query = the liked ones of the rest.

        shots: one number, or (T,) int64. seed: shuffle each row first; None keeps the order of time.
        """
        counts = self.indptr.diff()
        position = torch.arange(len(self.items)) - torch.repeat_interleave(self.indptr[:-1], counts)
        if seed is not None:
            noise = torch.rand(len(self.items), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            order = torch.argsort(self.owner.double() + noise)
            items, grades = self.items[order], self.grades[order]
        else:
            items, grades = self.items, self.grades
        taken = torch.as_tensor(shots).expand(len(self)).minimum(counts)
        first = position < taken[self.owner]
        support = _pad(self.owner[first], position[first], len(self), int(taken.max()) if len(self) else 0)
        left = ~first & (grades > 0)
        rank = torch.zeros(len(self), dtype=torch.int64).index_add_(
            0, self.owner[left], torch.ones(int(left.sum()), dtype=torch.int64)
        )
        start = torch.cat([torch.zeros(1, dtype=torch.int64), rank.cumsum(0)])
        column = torch.arange(int(left.sum())) - start[self.owner[left]]
        query = _pad(self.owner[left], column, len(self), int(rank.max()) if len(self) else 0)
        return TaskBatch(
            Support(support.fill(items[first]), support.fill(grades[first]), support.mask, self.profile),
            query.fill(items[left]),
            query.mask,
        )


@dataclass(frozen=True)
class _Padding:
    rows: Tensor
    columns: Tensor
    mask: Tensor

    def fill(self, values: Tensor) -> Tensor:
        out = torch.zeros(self.mask.shape, dtype=values.dtype)
        out[self.rows, self.columns] = values
        return out


def _pad(rows: Tensor, columns: Tensor, height: int, width: int) -> _Padding:
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[rows, columns] = True
    return _Padding(rows, columns, mask)


@dataclass(frozen=True)
class Corpus:
    """What a learner may learn from: tasks, and what is known of the ``N`` items.

    content: (N, C) sparse CSR float32 with unit rows, what the catalogue says of each item; None: it says nothing.
    domains: (N,) int64, which domain an item is in, from 0 up in the order of their names, -1 where it is not known;
    None: there are none, or one. text: (N, D) float32, unit rows, the vectors of the items' texts, a row of zeros where
    there is no text; None: no text encoder was asked for.
    pools: (N,) int64, which pool (category, domain) an item is in, -1 for none; pool: (T,) int64, the pool that a task
    is about, -1 for all items. None: there are no pools.
    """

    tasks: TaskSet
    n_items: int
    content: Tensor | None = None
    domains: Tensor | None = None
    text: Tensor | None = None
    pools: Tensor | None = None
    pool: Tensor | None = None

    def select(self, rows: Tensor) -> "Corpus":
        """The same catalogue, only the tasks at ``rows``."""
        pool = None if self.pool is None else self.pool[rows]
        return replace(self, tasks=self.tasks.select(rows), pool=pool)

    def with_pools(self, pools: Tensor) -> "Corpus":
        """With a task for each entity and pool besides those there are. pools: as in the field."""
        more = self.tasks.within(pools)
        pool = torch.cat([torch.full((len(self.tasks),), -1), pools[more.items[more.indptr[:-1]]]])
        return replace(self, tasks=self.tasks.and_also(more), pools=pools, pool=pool)


@dataclass(frozen=True)
class NewItems:
    """``n`` items that came after training, with what the catalogue says of them.

    content: (n, C) sparse CSR and text: (n, D), encoded as the corpus was; domains: (n,) int64, -1 where not known.
    None where the corpus had none.
    """

    n: int
    content: Tensor | None = None
    text: Tensor | None = None
    domains: Tensor | None = None


def group(
    events: pl.DataFrame,
    item_ids: pl.Series,
    by: str = "user_id",
    names: Sequence[str] | pl.Series | None = None,
    seed: int = 0,
) -> tuple[pl.Series, Tensor, Tensor, Tensor]:
    """Graded events → rows of a TaskSet: (names, indptr, items, grades).

    events: columns ``by``, ``item_id``, ``grade`` and, where known, ``time``. Rows are ordered by time; events without
    a time, and events of the same moment, in a seeded random order.
    names: which entities, in which order; also those without an event. None: all of the events', sorted.
    Events of items outside ``item_ids`` and events whose grade is 0 or no number are left out.
    """
    place = pl.DataFrame({"item_id": item_ids, "item": np.arange(len(item_ids))})
    kept = (
        events.lazy()
        .filter((pl.col("grade") != 0) & pl.col("grade").is_finite())
        .join(place.lazy(), on="item_id", how="inner", maintain_order="left")
        .collect()
    )
    who = kept[by].unique().sort() if names is None else pl.Series("name", names, dtype=pl.String)
    owner = pl.DataFrame({by: who, "owner": np.arange(len(who))})
    kept = kept.join(owner, on=by, how="inner", maintain_order="left")
    kept = kept.with_columns(pl.Series("_tie", np.random.default_rng(seed).random(kept.height)))
    order = ["owner", "time", "_tie"] if "time" in kept.columns else ["owner", "_tie"]
    kept = kept.sort(order, nulls_last=True)
    # An item counts once: at its first like if there is one, else at its last grade.
    kept = (
        kept.with_columns(pl.int_range(pl.len()).alias("_n"))
        .sort(
            pl.col("grade") > 0,
            pl.when(pl.col("grade") > 0).then(-pl.col("_n")).otherwise(pl.col("_n")),
            descending=True,
        )
        .unique(["owner", "item"], keep="first", maintain_order=True)
        .sort("_n")
    )
    counts = np.bincount(kept["owner"].to_numpy(), minlength=len(who))
    indptr = torch.from_numpy(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
    return who, indptr, torch.tensor(kept["item"].to_numpy()), torch.tensor(kept["grade"].to_numpy().astype(np.float32))
