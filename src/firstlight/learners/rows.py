"""Votes: a score that is a sum of sparse matrix rows, one for every support example, times its grade."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from firstlight.learners.added import Added
from firstlight.tasks import Support, TaskSet

FAINT = 1e-6
"""How much the most liked item has over one that nobody likes: it decides where nothing else does."""


def faint_popularity(tasks: TaskSet, n_items: int) -> Tensor:
    """(N,) float32 from 0 to 1e-6: the order of popularity, too faint to matter beside anything else.

    As a base of scores it makes the answer to an empty support, and the order of items without a vote, popularity.
    """
    counts = tasks.item_counts(n_items)
    return counts * (FAINT / counts.max().clamp(min=1))


@dataclass(frozen=True)
class Rows:
    """A sparse matrix, row after row.

    pointers: (N + 1,) int64. columns: (E,) int32, ascending in each row. values: (E,) float32.
    """

    pointers: Tensor
    columns: Tensor
    values: Tensor

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "Rows":
        """The matrix among the tensors of a prior, as ``tensors`` has named it."""
        return cls(tensors["pointers"], tensors["columns"], tensors["values"])

    def tensors(self) -> dict[str, Tensor]:
        """What a prior keeps."""
        return {"pointers": self.pointers, "columns": self.columns, "values": self.values}

    def csr(self, width: int) -> Tensor:
        """The matrix as sparse CSR (N, width)."""
        size = (len(self.pointers) - 1, width)
        pointers = self.pointers.to(self.columns.dtype)
        return torch.sparse_csr_tensor(pointers, self.columns, self.values, size, check_invariants=False)

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The entries of ``rows`` (n,), one row after the other: (place in ``rows``, column, value)."""
        start = self.pointers[rows]
        count = self.pointers[rows + 1] - start
        place = torch.repeat_interleave(torch.arange(len(rows)), count)
        take = torch.repeat_interleave(start - count.cumsum(0) + count, count).add_(torch.arange(len(place)))
        # index_select is several times as fast as indexing by brackets
        return place, self.columns.index_select(0, take).long(), self.values.index_select(0, take)


def lookup(keys: Tensor, values: Tensor, wanted: Tensor) -> Tensor:
    """The value at each ``wanted`` key, 0 where there is none. keys: (E,) ascending; values: (E,)."""
    if not len(keys):
        return torch.zeros(wanted.shape)
    found = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return values[found] * (keys[found] == wanted)


Part = tuple[Tensor, Tensor, Tensor]
"""Some rows of a matrix: how many entries each has (R,), then the columns (E,) int32 and the values (E,) of all."""


def strongest(values: Tensor, columns: Tensor, most: int) -> Part:
    """The ``most`` entries of largest size in each row; zeros are no entries.

    values: (R, W). columns: (R, W) int64, what column each is in, ascending in a row.
    """
    best = values.abs().topk(min(most, values.shape[1])).indices.sort().values
    kept = values.gather(1, best)
    mask = kept != 0
    return mask.sum(1), columns.gather(1, best)[mask].int(), kept[mask]


def stack(parts: list[Part], chosen: Tensor, n_items: int) -> Rows:
    """Parts of (N, N), together a row for each of the items ``chosen`` (M,), ascending; the other rows are empty."""
    counts = torch.zeros(n_items, dtype=torch.int64)
    counts[chosen] = torch.cat([count for count, _, _ in parts]) if parts else 0
    pointers = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    columns = [column for _, column, _ in parts] or [torch.zeros(0, dtype=torch.int32)]
    values = [value for _, _, value in parts] or [torch.zeros(0)]
    return Rows(pointers, torch.cat(columns), torch.cat(values))


class Votes(Added):
    """score(j) = base(j) + Σ over the support of grade · row(item)(j).

    base: (N,), the scores where the support is empty.
    """

    def __init__(self, base: Tensor, rows: Rows, support: Support) -> None:
        super().__init__(base, support)
        self.rows = rows

    def scores(self) -> Tensor:
        """(T, N) float32."""
        out = self.base.repeat(len(self.support), 1)
        owner, column, vote = self._cast(self.support.grades)
        out.view(-1).scatter_add_(0, (owner * len(self.base)).add_(column), vote)
        return out

    def add_to(self, total: Tensor, weight: Tensor) -> None:
        """See `Added`."""
        owner, column, vote = self._cast(self.support.grades * weight[:, None])
        total.view(-1).scatter_add_(0, column.mul_(len(self.support)).add_(owner), vote)

    def _cast(self, grades: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All votes: whose (E,), for which item (E,), and grade · row (E,). grades: (T, S), 0: no vote."""
        tasks, slots = (self.support.mask & (grades != 0)).nonzero(as_tuple=True)
        place, column, value = self.rows.gather(self.support.items[tasks, slots])
        return tasks.index_select(0, place), column, value.mul_(grades[tasks, slots].index_select(0, place))

    def contributions(self, items: Tensor) -> Tensor:
        """(T, S, n), exact: grade · row(item)(j)."""
        tasks, slots = self.support.mask.nonzero(as_tuple=True)
        place, column, value = self.rows.gather(self.support.items[tasks, slots])
        example = torch.arange(len(tasks))[:, None] * len(self.base)
        found = lookup(place * len(self.base) + column, value, example + items[tasks])
        out = torch.zeros(*self.support.mask.shape, items.shape[1])
        out[tasks, slots] = found * self.support.grades[tasks, slots][:, None]
        return out
