"""Item-kNN: items vote for the items that are liked by the same people.

Sarwar, Karypis, Konstan, Riedl: Item-based collaborative filtering recommendation algorithms, WWW 2001. Here likes
are 0/1, the two popularities of the cosine may weigh unequally, and it is shrunk (Bell, Koren 2007):
    similarity(i, j) = n_ij / (n_i^power · n_j^(1 − power) + shrink).
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.cooccurrence import likes_of, most_liked
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.rows import Part, Rows, Votes, faint_popularity, stack, strongest
from firstlight.tasks import Corpus, Support

CHUNK = 1024


class ItemKnn(Learner):
    """Score of an item: the sum of its similarities to what is liked, minus those to what is disliked.

    shrink: in people; similarities that few people speak for are made smaller. power: above 0.5 the popular among the
    similar items come first. neighbours: how many similar items are kept of each item.
    """

    name: ClassVar[str] = "item-knn"
    summary: ClassVar[str] = "items that are liked by the same people (shrunk cosine)"

    shrink: float = Field(default=20.0, ge=0)
    power: float = Field(default=0.5, ge=0, le=1)
    neighbours: int = Field(default=1_000, ge=1)

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        chosen = most_liked(corpus.tasks, corpus.n_items, corpus.n_items)
        counts = corpus.tasks.item_counts(corpus.n_items)[chosen]
        left, right = counts**self.power, counts ** (1 - self.power)
        parts: list[Part] = []
        for start, together in _together(corpus, chosen):
            row, column = together.indices()
            similar = together.values() / (left[start + row] * right[column] + self.shrink)
            similar[start + row == column] = 0.0
            similar, items = _padded(row, similar, chosen[column], len(together))
            parts.append(strongest(similar, items, self.neighbours))
            done = min(len(chosen), start + CHUNK)
            progress(f"{self.name}: {done:,} of {len(chosen):,} items", done / len(chosen))
        rows = stack(parts, chosen, corpus.n_items)
        return self.prior({"base": faint_popularity(corpus.tasks, corpus.n_items), **rows.tensors()})

    def adapt(self, prior: Prior, support: Support) -> Preference:
        return Votes(prior.tensors["base"], Rows.of(prior.tensors), support)

    def variants(self) -> Sequence[Self]:
        grid = [{"shrink": shrink, "power": power} for shrink in (5.0, 20.0, 100.0) for power in (0.5, 0.7)]
        return [self, *(other for update in grid if (other := self.model_copy(update=update)) != self)]


def _together(corpus: Corpus, chosen: Tensor) -> Iterator[tuple[int, Tensor]]:
    """CHUNK of the ``chosen`` items at a time: the number of the first, and by how many people each of them is liked
    together with each of all; sparse COO (R, M)."""
    owner, column = likes_of(corpus.tasks, corpus.n_items, chosen)
    likes = _sparse(owner, column, (len(corpus.tasks), len(chosen)))
    liked_by = _sparse(column, owner, (len(chosen), len(corpus.tasks)))
    for start in range(0, len(chosen), CHUNK):
        some = liked_by.index_select(0, torch.arange(start, min(start + CHUNK, len(chosen))))
        yield start, torch.sparse.mm(some, likes).coalesce()


def _sparse(rows: Tensor, columns: Tensor, size: tuple[int, int]) -> Tensor:
    ones = torch.ones(len(rows))
    return torch.sparse_coo_tensor(torch.stack([rows, columns]), ones, size, check_invariants=False).coalesce()


def _padded(row: Tensor, values: Tensor, columns: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
    """Entries (E,) of the rows ``row`` (E,), ascending → values and columns, both (R, W), padded with zeros."""
    count = torch.bincount(row, minlength=n_rows)
    place = torch.arange(len(row)) - (count.cumsum(0) - count)[row]
    size = (n_rows, int(count.max()))
    out = torch.zeros(size), torch.zeros(size, dtype=torch.int64)
    out[0][row, place], out[1][row, place] = values, columns
    return out
