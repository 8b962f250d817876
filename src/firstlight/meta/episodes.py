"""Episodes for training by gradient: many small supports cut at random from the tasks, each with what was left out.

Shapes: ``T`` tasks, ``S`` support examples, ``Q`` query examples, ``M`` items chosen for training, ``P`` profile terms.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from firstlight.tasks import Corpus

NO_PROFILE = 0.2
"""The share of episodes in which nothing but events is known, so that a missing profile is an ordinary case."""
NO_EVENTS = 0.15


class Task(NamedTuple):
    """One task, or a batch of them with a leading ``T``: a plain tree of tensors, so that `torch.func` can map over it.

    columns: (S,) int64 positions of the support among the M items. grades: (S,) float, 0 where there is no example.
    profile: (P,). keep: (D,) what dropout leaves of the person's vector; ones outside training.
    """

    columns: Tensor
    grades: Tensor
    profile: Tensor
    keep: Tensor

    def to(self, device: str) -> "Task":
        """The same on a device."""
        return Task(*(part.to(device) for part in self))


@dataclass(frozen=True)
class Episode:
    """task: batched. query: (T, Q) int64 positions among the M items; query_grades: (T, Q), 0 where there is none.

    pool: (T, M) bool, the items that this task is about; None: all.
    """

    task: Task
    query: Tensor
    query_grades: Tensor
    pool: Tensor | None = None

    def to(self, device: str) -> "Episode":
        """The same on a device."""
        pool = None if self.pool is None else self.pool.to(device)
        return Episode(self.task.to(device), self.query.to(device), self.query_grades.to(device), pool)

    def whole(self) -> Task:
        """The tasks with the query's examples in their supports."""
        columns = torch.cat([self.task.columns, self.query], 1)
        return self.task._replace(columns=columns, grades=torch.cat([self.task.grades, self.query_grades], 1))


@dataclass(frozen=True)
class Episodes:
    """Where episodes are cut from; `cut` makes one. ``batch(step)`` depends on its fields and the step alone.

    starts, counts: (T,) where the examples of each task begin and how many there are. columns, grades: (E,).
    profile: (T, P). able: the tasks to draw from. size: tasks a batch. most: the largest support. dimensions: of
    the person's vector; drop: the share of it that dropout takes. pools: (M,) which pool an item is in; pool: (T,)
    which one a task is about, -1 for all items; or None.
    """

    starts: Tensor
    counts: Tensor
    columns: Tensor
    grades: Tensor
    profile: Tensor
    able: Tensor
    size: int
    most: int
    seed: int
    dimensions: int = 1
    drop: float = 0.0
    pools: Tensor | None = None
    pool: Tensor | None = None

    def __len__(self) -> int:
        return len(self.able)

    def batch(self, step: int) -> Episode:
        """``size`` tasks with a random support each; the rest of their examples is the query.

        The number of events is log-uniform in 1..``most``, less for tasks that have less, and sometimes 0.
        """
        chance = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        size = min(self.size, len(self.able))
        tasks = self.able[torch.randint(len(self.able), (size,), generator=chance)]
        counts, shots = self.counts[tasks], self._shots(tasks, chance)
        row = torch.repeat_interleave(torch.arange(size), counts)
        within = torch.arange(len(row)) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
        place = self.starts[tasks][row] + within
        place = place[torch.argsort(row + torch.rand(len(row), generator=chance, dtype=torch.float64))]
        first = within < shots[row]
        columns, grades = self._pad(row[first], within[first], place[first], size, self.most)
        rest = (within - shots[row])[~first]
        query, query_grades = self._pad(row[~first], rest, place[~first], size, int((counts - shots).max()))
        known = torch.rand(size, 1, generator=chance) > NO_PROFILE
        keep = (torch.rand(size, self.dimensions, generator=chance) >= self.drop) / (1 - self.drop)
        task = Task(columns, grades, self.profile[tasks] * known, keep)
        return Episode(task, query, query_grades, self._pool(tasks))

    def _shots(self, tasks: Tensor, chance: torch.Generator) -> Tensor:
        shots = torch.exp(torch.rand(len(tasks), generator=chance) * math.log(self.most + 1)).long()
        shots = shots * (torch.rand(len(tasks), generator=chance) > NO_EVENTS)
        return shots.minimum(self.counts[tasks] - 2).clamp(min=0)

    def _pad(self, rows: Tensor, slots: Tensor, place: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        columns, grades = torch.zeros(height, width, dtype=torch.int64), torch.zeros(height, width)
        columns[rows, slots], grades[rows, slots] = self.columns[place], self.grades[place]
        return columns, grades

    def _pool(self, tasks: Tensor) -> Tensor | None:
        if self.pools is None or self.pool is None:
            return None
        about = self.pool[tasks][:, None]
        return (self.pools == about) | (about < 0)


def cut(
    corpus: Corpus,
    chosen: Tensor,
    *,
    size: int,
    most: int,
    seed: int,
    graded: bool = False,
    dimensions: int = 1,
    drop: float = 0.0,
) -> Episodes:
    """Episodes over the ``chosen`` (M,) items, of tasks with at least three examples, or any where none has so many.

    graded: disliked examples too, with their grades; else likes alone, each of grade 1. The other arguments are fields
    of `Episodes`.
    """
    place = torch.full((corpus.n_items,), -1, dtype=torch.int64)
    place[chosen] = torch.arange(len(chosen))
    owner, column, grade = corpus.tasks.owner, place[corpus.tasks.items], corpus.tasks.grades
    kept = (column >= 0) & ((grade > 0) | graded) & grade.isfinite()
    counts = torch.bincount(owner[kept], minlength=len(corpus.tasks))
    able = (counts >= 3).nonzero()[:, 0]
    if not len(able):
        able = (counts > 0).nonzero()[:, 0]
    grades = grade[kept] if graded else torch.ones(int(kept.sum()))
    pools = None if corpus.pools is None else corpus.pools[chosen]
    profile = corpus.tasks.profile
    starts = counts.cumsum(0) - counts
    examples = (starts, counts, column[kept], grades, profile)
    return Episodes(*examples, able, size, most, seed, dimensions, drop, pools, corpus.pool)
