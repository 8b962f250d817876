"""Few-shot EASE: the linear item-item model that is best after exactly ``shots`` events, in closed form.

EASE (Steck, WWW 2019) predicts a person's likes x from all of x; EDLAE (Steck, NeurIPS 2020) from a random part of it.
Here the part is what the task will give: a support s of exactly k of the n liked items, the people weighted by n^a:

    min over B, W:  Σ_u n_u^a  E_s ‖ x_u − W h_u − Bᵀ s ‖²  +  λ tr(Bᵀ Λ B),     diag B = 0,

h a constant 1 and the person's profile terms, less their means (all 0 for someone unknown). This is the
support/query objective of meta-learning; the expectation over all supports is exact, because for a random k of n
    E[s sᵀ] = k(k−1)/(n(n−1)) x xᵀ off the diagonal, k/n x on it;   E[s xᵀ] = k/n x xᵀ.
Λ⁻¹ = (1 − c) I + c K lets items of like content (K: cosine of the content rows) have like rows of B.
With k = 1, no profile and c = 0 it is the conditional probability of j given i, shrunk to popularity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.cooccurrence import gram, likes_of, most_liked, product
from firstlight.errors import DataError
from firstlight.learners.base import Learner, Prior
from firstlight.learners.covered import Covered, coverage
from firstlight.tasks import Corpus, Support

HALF_FROM = 4_096
"""From so many items on B is kept in half precision: the model file is half as large, the lists are the same."""
SPARSE_BELOW = 0.05


class FewshotEase(Learner):
    """Scores are estimates of the probability that the person likes the item.

    shots: k, for how many events the model is the best. activity_power: a. reg: λ, in likes: what an item's own
    statistics weigh against popularity (and, with ``content_share``, against like items). content_share: c, 0..1.
    profile_reg: the ridge on the profile, in people. max_items: how many of the most liked items B covers; the
    others are scored by popularity alone.
    """

    name: ClassVar[str] = "fewshot-ease"
    summary: ClassVar[str] = "the best linear item-item model for exactly k events, with profile and content priors"

    shots: int = 3
    activity_power: float = 0.25
    reg: float = 30.0
    content_share: float = 0.7
    profile_reg: float = 50.0
    max_items: int = 8_000

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        return self.solve(moments(corpus, self.max_items))

    def solve(self, data: "Moments") -> Prior:
        """The prior from statistics that were gathered once for many settings."""
        n, m = data.likes, len(data.chosen)
        weight = n.clamp(min=1) ** self.activity_power
        weight = weight / weight[n > 0].mean()
        k = n.sub(1).clamp(min=0, max=self.shots)
        once, twice = weight * k / n.clamp(min=1), weight * k * (k - 1) / (n * (n - 1)).clamp(min=1)
        single = gram(data.corpus.tasks, data.corpus.n_items, data.chosen, once)
        # Rows and columns: the M items, then the terms of h.
        size = m + data.known.shape[1]
        normal = torch.zeros(size, size)
        if self.shots > 1:
            normal[:m, :m] = gram(data.corpus.tasks, data.corpus.n_items, data.chosen, twice)
        normal[:m, :m].diagonal().copy_(single.diagonal())
        normal[:m, m:] = data.with_known(once)
        normal[m:, :m] = normal[:m, m:].T
        normal[m:, m:] = data.known.T @ (weight[:, None] * data.known)
        self._regularise(normal, data, self.reg * self.shots / float(n[n > 0].mean()))
        inverse = inverted(normal)
        del normal
        solution = _times(inverse[:, :m], single) + inverse[:, m:] @ data.with_known(weight).T
        # The multipliers that make the diagonal of B zero: an item must not recommend itself.
        solution -= inverse[:, :m] * (solution[:m].diagonal() / inverse[:m, :m].diagonal())
        item_item = solution[:m].clone()
        return self.prior(
            {
                **coverage(data.corpus, data.chosen),
                "item_item": item_item.half() if m >= HALF_FROM else item_item,
                "known": solution[m:].clone(),
                "means": data.means,
            }
        )

    def _regularise(self, normal: Tensor, data: "Moments", reg: float) -> None:
        m = len(data.chosen)
        if self.content_share and data.kernel is not None:
            normal[:m, :m].add_(data.precision(self.content_share), alpha=reg)
        else:
            normal[:m, :m].diagonal().add_(reg)
        normal[m:, m:].diagonal().add_(self.profile_reg)
        normal[m, m] -= self.profile_reg - 1e-3  # the constant is popularity: it is not shrunk

    def adapt(self, prior: Prior, support: Support) -> "LinearPreference":
        return LinearPreference(prior, support)

    def variants(self) -> Sequence[Self]:
        grid = [{"shots": shots, "reg": reg} for shots in (1, 3, 8) for reg in (30.0, 300.0)]
        return [self, *(other for update in grid if (other := self.model_copy(update=update)) != self)]


@dataclass(frozen=True)
class Moments:
    """What is gathered once from a corpus, for many settings.

    chosen: (M,) items. likes: (T,) of each task, of all items. known: (T, 1 + P) a constant 1 and the centred profile;
    means: (P,) of the profile. kernel: (M, M) cosine of content with unit diagonal, or None.
    """

    corpus: Corpus
    chosen: Tensor
    likes: Tensor
    known: Tensor
    means: Tensor
    kernel: Tensor | None
    _precisions: dict[float, Tensor] = field(default_factory=dict, repr=False)

    def precision(self, content_share: float) -> Tensor:
        """(M, M): Λ, computed once for the share asked for last."""
        assert self.kernel is not None
        if content_share not in self._precisions:
            self._precisions.clear()
            prior = content_share * self.kernel
            prior.diagonal().add_(1 - content_share)
            self._precisions[content_share] = inverted(prior)
        return self._precisions[content_share]

    def with_known(self, weight: Tensor) -> Tensor:
        """(M, 1 + P): Σ over tasks of weight · x hᵀ."""
        owner, column = likes_of(self.corpus.tasks, self.corpus.n_items, self.chosen)
        values = self.known[owner] * weight[owner, None]
        return torch.zeros(len(self.chosen), self.known.shape[1]).index_add_(0, column, values)


def moments(corpus: Corpus, max_items: int) -> Moments:
    """The statistics of a corpus over its ``max_items`` most liked items."""
    tasks = corpus.tasks
    chosen = most_liked(tasks, corpus.n_items, max_items)
    likes = torch.bincount(tasks.owner[tasks.grades > 0], minlength=len(tasks)).float()
    stated = tasks.profile.any(1)
    means = tasks.profile[stated].mean(0) if stated.any() else tasks.profile.new_zeros(tasks.profile.shape[1])
    return Moments(corpus, chosen, likes, known_of(tasks.profile, means), means, _kernel(corpus.content, chosen))


def known_of(profile: Tensor, means: Tensor) -> Tensor:
    """(T, 1 + P): a constant 1 and the profile less its ``means`` (P,), zeros where nothing is known."""
    centred = (profile - means) * profile.any(1, keepdim=True)
    return torch.cat([torch.ones(len(profile), 1), centred], dim=1)


def _kernel(content: Tensor | None, chosen: Tensor) -> Tensor | None:
    if content is None:
        return None
    rows = content.to_sparse_coo().index_select(0, chosen).coalesce()  # type: ignore[no-untyped-call]
    sparse = rows.to_sparse_csr()
    kernel = torch.empty(len(chosen), len(chosen))
    for start in range(0, len(chosen), 512):
        part = rows.index_select(0, torch.arange(start, min(start + 512, len(chosen)))).to_dense()
        kernel[:, start : start + len(part)] = product(sparse, part.T.contiguous())
    return kernel.fill_diagonal_(1.0)


def inverted(matrix: Tensor) -> Tensor:
    """The inverse of a symmetric positive definite matrix; what rounding has made indefinite gets a firmer diagonal."""
    firmer = 0.0
    while True:
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if not failed:
            return torch.cholesky_inverse(factor)
        if not bool(matrix.isfinite().all()):
            raise DataError("fewshot-ease: what is known of the items or the people is no number: check the data.")
        firmer = 10 * firmer or 1e-6 * float(matrix.diagonal().mean())
        matrix.diagonal().add_(firmer)


def _times(left: Tensor, symmetric: Tensor) -> Tensor:
    """left @ symmetric, by way of a sparse matrix where most of it is zero."""
    if float((symmetric != 0).float().mean()) > SPARSE_BELOW:
        return left @ symmetric
    return product(symmetric.to_sparse_csr(), left.T.contiguous()).T.contiguous()


class LinearPreference(Covered):
    """Base of the profile plus one row of B for every event, times its grade."""

    def covered(self) -> Tensor:
        """(T, M): see `FewshotEase`."""
        base = known_of(self.support.profile, self.tensors["means"]) @ self.tensors["known"]
        if len(base) == 1:
            touched, weight = self.column[0], self.weight
        else:
            touched, slot = torch.unique(self.column, return_inverse=True)
            weight = torch.zeros(len(base), len(touched)).scatter_add_(1, slot, self.weight)
        return torch.addmm(base, weight, self.tensors["item_item"].index_select(0, touched).float())

    def contributions(self, items: Tensor) -> Tensor:
        """(T, S, n): grade · B[event, item]; exact."""
        place = self.tensors["place"][items].long()
        cells = self.tensors["item_item"][self.column[:, :, None], place.clamp(min=0)[:, None, :]].float()
        return cells * self.weight[:, :, None] * (place >= 0)[:, None, :]
