"""Popularity: what most people like. The floor that everything else has to beat."""

from typing import ClassVar

from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.learners.added import Added
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.tasks import Corpus, Support


class Popular(Learner):
    """Score of an item: by how many people it is liked, whoever asks."""

    name: ClassVar[str] = "popular"
    summary: ClassVar[str] = "what most people like, the same for everybody"

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        return self.prior({"counts": corpus.tasks.item_counts(corpus.n_items)})

    def adapt(self, prior: Prior, support: Support) -> Preference:
        return _Same(prior.tensors["counts"], support)


class _Same(Added):
    def add_to(self, total: Tensor, weight: Tensor) -> None:
        """Nothing: whoever asks, it is the base."""

    def scores(self) -> Tensor:
        return self.base.repeat(len(self.support), 1)
