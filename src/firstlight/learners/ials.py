"""iALS: implicit matrix factorisation by alternating least squares; a newcomer is folded in by one small solve.

Hu, Koren, Volinsky: Collaborative filtering for implicit feedback datasets, ICDM 2008; in the form of Rendle, Krichene,
Zhang, Koren: Revisiting the performance of iALS on item recommendation benchmarks, RecSys 2022:
    min over U, V  Σ_{u likes i} (1 − u·v)² + α Σ_{all u, i} (u·v)² + λ (‖U‖² + ‖V‖²).
Here λ is the same for everybody, however many likes they have, and a newcomer has an α of their own.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.cooccurrence import likes_of, most_liked
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.rows import faint_popularity
from firstlight.tasks import Corpus, NewItems, Support

CELLS = 2**22
"""How many numbers of gathered factors are in memory at a time."""

# alpha, reg, fold_alpha: from many likes a person to few, and from the long tail to the popular.
GRID = (
    (0.1, 5.0, 0.001),
    (0.1, 15.0, 0.01),
    (1.0, 50.0, 0.01),
    (0.01, 1.0, 0.01),
    (0.1, 5.0, 0.01),
    (0.3, 30.0, 0.01),
    (0.1, 1.5, 0.001),
)


class Ials(Learner):
    """Score of an item: the product of its factors with those of the person, who is solved for from the support.

    factors: how many. alpha: α, the weight of not having liked an item. reg: λ. iterations: of solving for people, then
    items; at least one, then as many as the budget allows. fold_alpha: α for a newcomer, less because a few events say
    little of what is not liked. A support example of grade g counts |g| times, a disliked one with −1 to be predicted.
    """

    name: ClassVar[str] = "ials"
    summary: ClassVar[str] = "matrix factorisation; a newcomer's factors are solved for from their events"

    factors: int = Field(default=64, ge=1)
    alpha: float = Field(default=0.1, ge=0)
    reg: float = Field(default=5.0, gt=0)
    fold_alpha: float = Field(default=0.001, ge=0)
    iterations: int = Field(default=8, ge=1)

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        chosen = most_liked(corpus.tasks, corpus.n_items, corpus.n_items)
        owner, column = likes_of(corpus.tasks, corpus.n_items, chosen)
        chance = torch.Generator().manual_seed(seed)
        items = torch.randn(len(chosen), self.factors, generator=chance) / math.sqrt(self.factors)
        for number in range(1, self.iterations + 1):
            people = self._solve(items, owner, column, len(corpus.tasks))
            items = self._solve(people, column, owner, len(chosen))
            progress(f"{self.name}: round {number} of {self.iterations}", number / self.iterations)
            if budget is not None and not budget.left():
                break
        factors = torch.zeros(corpus.n_items, self.factors)
        factors[chosen] = _whitened(items, self._ridge(items, self.fold_alpha))
        return self.prior({"base": faint_popularity(corpus.tasks, corpus.n_items), "items": factors})

    def adapt(self, prior: Prior, support: Support) -> Preference:
        return _Folded(prior, support)

    def with_items(self, prior: Prior, new: NewItems) -> Prior:
        grown, items = super().with_items(prior, new), prior.tensors["items"]
        factors = torch.cat([items, items.new_zeros(new.n, items.shape[1])])
        return replace(grown, tensors={**grown.tensors, "items": factors})

    def variants(self) -> Sequence[Self]:
        names = ("alpha", "reg", "fold_alpha")
        grid = (self.model_copy(update=dict(zip(names, values, strict=True))) for values in GRID)
        return [self, *(other for other in grid if other != self)]

    def _ridge(self, factors: Tensor, alpha: float) -> Tensor:
        """(d, d), lower triangular: the root of what everybody's normal equations share, α VᵀV + λ I."""
        root: Tensor = torch.linalg.cholesky(alpha * factors.T @ factors + self.reg * torch.eye(factors.shape[1]))
        return root

    def _solve(self, known: Tensor, rows: Tensor, columns: Tensor, n_rows: int) -> Tensor:
        """(R, d): for each row, the factors that explain its likes (``rows``, ``columns``) best; 0 without any.

        known: (C, d), the factors of the columns. Rows of about the same number of likes are padded to a batch.
        """
        root = self._ridge(known, self.alpha)
        white = _whitened(known, root)
        columns, count = columns[torch.argsort(rows, stable=True)], torch.bincount(rows, minlength=n_rows)
        start = count.cumsum(0) - count
        solved = torch.zeros(n_rows, known.shape[1])
        for batch in _batches(count, known.shape[1]):
            width = torch.arange(int(count[batch].max()))
            mask = width < count[batch, None]
            place = (start[batch, None] + width).clamp(max=len(columns) - 1)
            solved[batch] = fold_in(white[columns[place]], mask.float())
        return _over(root.T, solved, upper=True)


def _whitened(factors: Tensor, root: Tensor) -> Tensor:
    """(R, d): the factors in coordinates in which the shared normal matrix, root · rootᵀ, is the identity."""
    return _over(root, factors, upper=False)


def _over(root: Tensor, factors: Tensor, upper: bool) -> Tensor:
    """(R, d): each row x of ``factors`` becomes the solution of root · y = x."""
    solved: Tensor = torch.linalg.solve_triangular(root, factors.T, upper=upper).T
    return solved.contiguous()


def fold_in(liked: Tensor, grades: Tensor) -> Tensor:
    """(T, d): the solution u of (I + Σ |grade| · v vᵀ) u = Σ grade · v.

    liked: (T, S, d), the whitened factors v of each example. grades: (T, S), 0 where there is none.
    """
    vectors, target = _scaled(liked, grades)
    if liked.shape[1] < liked.shape[2]:  # the same by a matrix of the size of the support
        return (vectors.mT @ _solved(vectors @ vectors.mT, target)).squeeze(-1)
    return _solved(vectors.mT @ vectors, vectors.mT @ target).squeeze(-1)


def _scaled(liked: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
    """Vectors (T, S, d) and targets (T, S, 1) whose least squares weighs each example by the size of its grade."""
    size = grades.abs().sqrt().unsqueeze(-1)
    return liked * size, grades.sign().unsqueeze(-1) * size


def _solved(moment: Tensor, right: Tensor) -> Tensor:
    """(I + moment)⁻¹ right."""
    return torch.cholesky_solve(right, torch.linalg.cholesky(moment + torch.eye(moment.shape[-1])))


def _batches(count: Tensor, factors: int) -> Iterator[Tensor]:
    """The rows that have any, those with most first, in batches that need about the same memory."""
    order = count.argsort(descending=True, stable=True)[: int((count > 0).sum())]
    start = 0
    while start < len(order):
        size = max(1, CELLS // (factors * max(int(count[order[start]]), factors)))
        yield order[start : start + size]
        start += size


class _Folded(Preference):
    """score(j) = base(j) + u·v_j, u folded in from the support."""

    def __init__(self, prior: Prior, support: Support) -> None:
        self.base, self.items = prior.tensors["base"], prior.tensors["items"]
        self.liked, self.grades = self.items[support.items], support.grades

    def scores(self) -> Tensor:
        """(T, N) float32."""
        return fold_in(self.liked, self.grades) @ self.items.T + self.base

    def contributions(self, items: Tensor) -> Tensor:
        """(T, S, n), exact in sum: grade · v (I + Σ |grade| v vᵀ)⁻¹ v_j, the matrix made by all of the support."""
        vectors, target = _scaled(self.liked, self.grades)
        parts = _solved(vectors.mT @ vectors, vectors.mT).mT * target
        return parts @ self.items[items].mT
