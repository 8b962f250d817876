"""EASE: the linear item-item model that best predicts each like from a person's other likes, in closed form.

Steck: Embarrassingly shallow autoencoders for sparse data, WWW 2019.
    min over B  ‖X − X B‖² + λ ‖B‖²,  diag B = 0   →   B_ij = − P_ij / P_jj,  P = (XᵀX + λ I)⁻¹.
Here only the most liked items take part, and of each row of B the entries of largest size are kept.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.cooccurrence import gram, most_liked
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.rows import Rows, Votes, faint_popularity, stack, strongest
from firstlight.tasks import Corpus, Support

CHUNK = 512


class Ease(Learner):
    """Score of an item: the sum of the weights B from what is liked, minus those from what is disliked.

    reg: λ, in people. max_items: how many items take part, the most liked ones; the time grows with the cube of it.
    kept: how many weights of each item are kept.
    """

    name: ClassVar[str] = "ease"
    summary: ClassVar[str] = "the linear item-item model in closed form; wants several events a person"

    reg: float = Field(default=500.0, gt=0)
    max_items: int = Field(default=10_000, ge=1)
    kept: int = Field(default=1_000, ge=1)

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        chosen = most_liked(corpus.tasks, corpus.n_items, self.max_items)
        weights = item_item(gram(corpus.tasks, corpus.n_items, chosen), torch.full((len(chosen),), self.reg))
        return self.prior(sparse(corpus, chosen, weights, self.kept))

    def adapt(self, prior: Prior, support: Support) -> Preference:
        return Votes(prior.tensors["base"], Rows.of(prior.tensors), support)

    def variants(self) -> Sequence[Self]:
        grid = (self.model_copy(update={"reg": reg}) for reg in (10.0, 100.0, 500.0, 2000.0))
        return [self, *(other for other in grid if other != self)]


def item_item(moments: Tensor, ridge: Tensor) -> Tensor:
    """(M, M): B_ij = − P_ij / P_jj with P the inverse of ``moments`` (M, M) + diag ``ridge`` (M,); the diagonal is 0.

    ``moments`` is overwritten.
    """
    moments.diagonal().add_(ridge)
    factor = torch.linalg.cholesky(moments, out=moments)
    inverse = torch.cholesky_inverse(factor)
    inverse.div_(-inverse.diagonal().clone())
    return inverse.fill_diagonal_(0.0)


def sparse(corpus: Corpus, chosen: Tensor, weights: Tensor, kept: int) -> dict[str, Tensor]:
    """What a prior keeps of item-item ``weights`` (M, M) over the ``chosen`` items (M,)."""
    chunks = (weights[start : start + CHUNK] for start in range(0, len(chosen), CHUNK))
    parts = [strongest(part, chosen.expand_as(part), kept) for part in chunks]
    rows = stack(parts, chosen, corpus.n_items)
    return {"base": faint_popularity(corpus.tasks, corpus.n_items), **rows.tensors()}
