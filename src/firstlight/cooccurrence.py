"""How often items are liked together: the sufficient statistic of every item-item model here."""

import torch
from torch import Tensor

from firstlight.tasks import TaskSet

CHUNK = 512


def most_liked(tasks: TaskSet, n_items: int, most: int) -> Tensor:
    """(M,) int64: the positions of the ``most`` most liked items that anyone likes, ascending."""
    counts = tasks.item_counts(n_items)
    liked = int((counts > 0).sum())
    return counts.argsort(descending=True, stable=True)[: min(most, liked)].sort().values


def likes_of(tasks: TaskSet, n_items: int, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """The liked examples among the ``chosen`` items: (owner, column), both (E,) int64; columns count ``chosen``."""
    column = torch.full((n_items,), -1, dtype=torch.int64)
    column[chosen] = torch.arange(len(chosen))
    place = column[tasks.items]
    keep = (place >= 0) & (tasks.grades > 0)
    return tasks.owner[keep], place[keep]


def cross(rows: Tensor, left: tuple[Tensor, Tensor], right: Tensor, weights: Tensor) -> Tensor:
    """Σ over tasks of weight · left · right, a dense (M, R) matrix.

    left: (owner, column) of ones; rows: M of them. right: dense (T, R). weights: (T,).
    """
    return product(sparse(left[1], left[0], weights[left[0]], (len(rows), len(weights))), right)


def gram(tasks: TaskSet, n_items: int, chosen: Tensor, weights: Tensor | None = None) -> Tensor:
    """(M, M) float32: Σ over tasks of weight · x xᵀ, x the 0/1 likes among the ``chosen`` items.

    weights: (T,), 1 where None. Sparse times dense in chunks of columns: the cost is examples × M.
    """
    owner, column = likes_of(tasks, n_items, chosen)
    weights = torch.ones(len(tasks)) if weights is None else weights
    size = (len(chosen), len(tasks))
    weighted = sparse(column, owner, weights[owner], size)
    order = torch.argsort(column)
    owner, column = owner[order], column[order]
    starts = torch.searchsorted(column, torch.arange(0, len(chosen) + CHUNK, CHUNK))
    out = torch.empty(len(chosen), len(chosen))
    for number, start in enumerate(range(0, len(chosen), CHUNK)):
        part = slice(int(starts[number]), int(starts[number + 1]))
        width = min(CHUNK, len(chosen) - start)
        dense = torch.zeros(len(tasks), width)
        dense[owner[part], column[part] - start] = 1.0
        out[:, start : start + width] = product(weighted, dense)
    return out


def product(matrix: Tensor, dense: Tensor) -> Tensor:
    """A sparse matrix (CSR) @ dense."""
    found: Tensor = torch.sparse.mm(matrix, dense)
    return found


def sparse(rows: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """A CSR matrix of that size from the places and values of its entries, in any order."""
    order = torch.argsort(rows * size[1] + columns)
    pointers = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(rows, minlength=size[0]).cumsum(0)])
    return torch.sparse_csr_tensor(pointers, columns[order], values[order], size, check_invariants=False)
