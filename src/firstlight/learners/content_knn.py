"""Content-kNN: items vote for the items of which the catalogue says the same. Also for those that nobody has liked.

Lops, de Gemmis, Semeraro: Content-based recommender systems, 2011. A person's profile is the sum of the TF-IDF rows of
what they like; an item is scored by its cosine with it. Here it may count for more the more people like it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.errors import DataError
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.rows import Rows, faint_popularity, lookup
from firstlight.tasks import Corpus, NewItems, Support


class ContentKnn(Learner):
    """Score of an item: its cosines with what is liked, minus those with what is disliked, times (1 + n)^power.

    popularity_power: of the number n of people who like the item; 0: what is new counts as much as what is popular.
    Raises DataError in ``fit`` where the catalogue says nothing.
    """

    name: ClassVar[str] = "content-knn"
    summary: ClassVar[str] = "items of which the catalogue says the same, new ones too; needs a catalogue"

    popularity_power: float = Field(default=0.5, ge=0)

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        if corpus.content is None:
            raise DataError(
                "content-knn needs a catalogue that says something of the items, and this one is missing or says "
                "nothing: add an items file with titles, categories or tags, or choose another learner."
            )
        content = corpus.content
        rows = Rows(content.crow_indices(), content.col_indices().int(), content.values())
        warmth = (1 + corpus.tasks.item_counts(corpus.n_items)) ** self.popularity_power
        base = faint_popularity(corpus.tasks, corpus.n_items)
        # Divided by the largest, so that the faint popularity is as faint beside any power.
        most = warmth.max()
        tensors = {"base": base, "warmth": warmth / most, "unliked": 1 / most, **rows.tensors()}
        return self.prior(tensors, terms=content.shape[1])

    def adapt(self, prior: Prior, support: Support) -> Preference:
        return _Alike(prior, support)

    def with_items(self, prior: Prior, new: NewItems) -> Prior:
        """Their content is in their rows at once."""
        grown, content = super().with_items(prior, new), new.content
        if content is None:
            raise DataError("content-knn needs the content of new items: encode them as the corpus was.")
        known = Rows.of(prior.tensors)
        tensors = {
            **grown.tensors,
            "warmth": torch.cat([prior.tensors["warmth"], prior.tensors["unliked"].expand(new.n)]),
            "pointers": torch.cat([known.pointers, known.pointers[-1] + content.crow_indices()[1:]]),
            "columns": torch.cat([known.columns, content.col_indices().int()]),
            "values": torch.cat([known.values, content.values()]),
        }
        return replace(grown, tensors=tensors)

    def variants(self) -> Sequence[Self]:
        grid = (self.model_copy(update={"popularity_power": power}) for power in (0.0, 0.25, 0.5, 1.0, 1.5))
        return [self, *(other for other in grid if other != self)]


class _Alike(Preference):
    """score(j) = base(j) + warmth(j) · Σ over the support of grade · cosine(item, j)."""

    def __init__(self, prior: Prior, support: Support) -> None:
        self.base, self.warmth = prior.tensors["base"], prior.tensors["warmth"]
        self.rows, self.terms, self.support = Rows.of(prior.tensors), int(prior.facts["terms"]), support

    def scores(self) -> Tensor:
        """(T, N) float32."""
        tasks, slots = self.support.mask.nonzero(as_tuple=True)
        place, term, value = self.rows.gather(self.support.items[tasks, slots])
        profile = torch.zeros(self.terms, len(self.support))
        value = value * self.support.grades[tasks, slots][place]
        profile.view(-1).index_add_(0, term * len(self.support) + tasks[place], value)
        cosines: Tensor = torch.sparse.mm(self.rows.csr(self.terms), profile).T
        return cosines * self.warmth + self.base

    def contributions(self, items: Tensor) -> Tensor:
        """(T, S, n), exact: grade · warmth(j) · cosine(item, j)."""
        tasks, slots = self.support.mask.nonzero(as_tuple=True)
        example, term, weight = self.rows.gather(self.support.items[tasks, slots])
        pair, of_item, value = self.rows.gather(items[tasks].flatten())
        wanted = pair // items.shape[1] * self.terms + of_item
        cells = lookup(example * self.terms + term, weight, wanted) * value
        cosine = torch.zeros(items[tasks].numel()).index_add_(0, pair, cells).view_as(items[tasks])
        out = torch.zeros(*self.support.mask.shape, items.shape[1])
        out[tasks, slots] = cosine * self.warmth[items[tasks]] * self.support.grades[tasks, slots][:, None]
        return out
