"""Vectors to start from: what is known before any training, by randomised SVD (Halko, Martinsson, Tropp 2011)."""

from collections.abc import Callable

import torch
from torch import Tensor

from firstlight.cooccurrence import product, sparse
from firstlight.tasks import Corpus

CONTENT_SIZE = 64
PASSES = 6
MORE = 16
"""Directions that are found besides those asked for, so that those are found well."""
FEW = 40.0
"""An item's vector of tastes is short where the item has few ratings beside so many."""


def content_vectors(corpus: Corpus, size: int = CONTENT_SIZE, seed: int = 0) -> Tensor:
    """(N, F) the content of all items on its leading directions, rows of norm at most 1; (N, 0) without content."""
    content = corpus.content
    if content is None:
        return torch.zeros(corpus.n_items, 0)
    across, chance = content.t().to_sparse_csr(), torch.Generator().manual_seed(seed)
    size = min(size, *content.shape)
    vectors, _ = leading(lambda basis: product(across, product(content, basis)), content.shape[1], size, chance)
    return product(content, vectors)


def leading_vectors(corpus: Corpus, chosen: Tensor, size: int, chance: torch.Generator) -> Tensor:
    """(M, D) leading eigenvectors of the normalised co-occurrence, times the root of their singular values.

    People of many likes and items liked by many are weighed down (by the fourth root); the mean norm is 1.
    """
    owner, column, _ = examples(corpus, chosen, liked=True)
    people = torch.bincount(owner, minlength=len(corpus.tasks)).clamp(min=1) ** -0.25
    items = torch.bincount(column, minlength=len(chosen)).clamp(min=1) ** -0.25
    vectors, values = _of_people(corpus, chosen, owner, column, people[owner] * items[column], size, chance)
    vectors = vectors * values.clamp(min=0) ** 0.25
    return _filled(vectors / vectors.norm(dim=1).mean().clamp(min=1e-9), size, chance)


def leading_tastes(corpus: Corpus, chosen: Tensor, level: Tensor, size: int, chance: torch.Generator) -> Tensor:
    """(M, D) the same of what ratings say beyond the level of the item, (M,), and the mean of the person.

    Items and people of few ratings count less; the norm is 1 on average over ratings.
    """
    owner, column, grade = examples(corpus, chosen, liked=False)
    counts = torch.bincount(column, minlength=len(chosen)).float()
    theirs = torch.bincount(owner, minlength=len(corpus.tasks)).float()
    beyond = grade - level[column]
    mean = torch.zeros(len(theirs)).index_add(0, owner, beyond) / (theirs + 2)
    weight = (beyond - mean[owner]) * (counts + FEW)[column].rsqrt() * (theirs + 1)[owner].rsqrt()
    vectors, values = _of_people(corpus, chosen, owner, column, weight, size, chance)
    vectors = vectors * values.clamp(min=0) ** 0.25 * (counts / (counts + FEW)).sqrt()[:, None]
    length = (vectors.norm(dim=1) * counts).sum() / counts.sum().clamp(min=1)
    return _filled(vectors / length.clamp(min=1e-9), size, chance)


def examples(corpus: Corpus, chosen: Tensor, liked: bool) -> tuple[Tensor, Tensor, Tensor]:
    """(owner, column, grade) of the examples among the chosen items, or of the likes alone."""
    place = torch.full((corpus.n_items,), -1, dtype=torch.int64)
    place[chosen] = torch.arange(len(chosen))
    column, grade = place[corpus.tasks.items], corpus.tasks.grades
    kept = (column >= 0) & ((grade > 0) | (not liked)) & grade.isfinite()
    return corpus.tasks.owner[kept], column[kept], grade[kept]


def leading(times: Callable[[Tensor], Tensor], rows: int, size: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """(rows, size) leading eigenvectors of a symmetric matrix, and their values, ascending. times: its product."""
    basis = torch.randn(rows, min(size + MORE, rows), generator=chance)
    for _ in range(PASSES):
        basis = torch.linalg.qr(times(basis)).Q
    values, rotation = torch.linalg.eigh(basis.T @ times(basis))
    return (basis @ rotation)[:, -size:], values[-size:]


def _of_people(
    corpus: Corpus, chosen: Tensor, owner: Tensor, column: Tensor, weight: Tensor, size: int, chance: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Those of XᵀX, X the weights of people (rows) and items."""
    shape = (len(corpus.tasks), len(chosen))
    down, across = sparse(owner, column, weight, shape), sparse(column, owner, weight, shape[::-1])
    return leading(lambda basis: product(across, product(down, basis)), len(chosen), size, chance)


def _filled(vectors: Tensor, size: int, chance: torch.Generator) -> Tensor:
    """With a little noise for the directions that there are not, since there are no more than items."""
    missing = size - vectors.shape[1]
    noise = torch.randn(len(vectors), missing, generator=chance) if missing else vectors[:, :0]
    return torch.cat([vectors, 0.05 * noise], dim=1)
