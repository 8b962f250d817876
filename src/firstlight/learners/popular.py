"""Popularity: what most people like. The floor that everything else has to beat."""

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.tasks import Corpus, Support


class Popular(Learner):
    """Score of an item: by how many people it is liked, whoever asks."""

    name: ClassVar[str] = "popular"
    summary: ClassVar[str] = "what most people like, the same for everybody"

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        return self.prior({"counts": corpus.tasks.item_counts(corpus.n_items)})

    def adapt(self, prior: Prior, support: Support) -> Preference:
        return _Same(prior.tensors, len(support))


class _Same(Preference):
    def __init__(self, tensors: Mapping[str, Tensor], tasks: int) -> None:
        self.counts, self.tasks = tensors["counts"], tasks

    def scores(self) -> Tensor:
        return self.counts.repeat(self.tasks, 1)
