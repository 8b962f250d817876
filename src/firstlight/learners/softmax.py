"""What the learners trained on episodes with a softmax share: one fit, one adapt; they differ in weights and logits."""

from abc import abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from firstlight.learners.base import Budget, Learner, Prior, Progress, silent
from firstlight.learners.cooccurrence import most_liked
from firstlight.learners.covered import Covered, coverage
from firstlight.learners.episodes import descend, episodes
from firstlight.tasks import Corpus, Support


class SoftmaxLearner(Learner):
    """Scores estimate the probability that the person likes the item: a softmax times the usual number of likes.

    embedding_size: of the item vectors. drop: dropout on the person. steps, batch, learning_rate: of training; most:
    the largest support trained on. max_items: how many of the most liked items have vectors; the others are scored by
    popularity alone.
    """

    embedding_size: int
    learning_rate: float
    steps: int
    drop: float = 0.3
    batch: int = 512
    most: int = 20
    max_items: int = 8_000

    @abstractmethod
    def start(self, corpus: Corpus, chosen: Tensor, chance: torch.Generator) -> dict[str, Tensor]:
        """The weights to begin with. chosen: (M,) the items covered."""

    @abstractmethod
    def logits(
        self,
        weights: Mapping[str, Tensor],
        columns: Tensor,
        weight: Tensor,
        profile: Tensor,
        chance: torch.Generator | None = None,
    ) -> Tensor:
        """(T, M), to which log-popularity will be added.

        columns: (T, S) of the support among the M items; weight: (T, S) their grades, 0 where masked; profile: (T, P).
        chance: draws the dropout of training.
        """

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        chosen = most_liked(corpus.tasks, corpus.n_items, self.max_items)
        chance = torch.Generator().manual_seed(seed)
        fixed = background(corpus, chosen)
        weights = descend(
            self.start(corpus, chosen, chance),
            episodes(corpus, chosen, self.batch, self.most, seed),
            lambda w, e: self.logits(w, e.columns, e.mask, e.profile, chance) + fixed["log_popularity"],
            steps=self.steps,
            learning_rate=self.learning_rate,
            budget=budget,
            progress=progress,
            name=self.name,
        )
        return self.prior({**fixed, **weights})

    def adapt(self, prior: Prior, support: Support) -> "SoftmaxPreference":
        return SoftmaxPreference(
            prior, support, lambda columns, weight: self.logits(prior.tensors, columns, weight, support.profile)
        )


def background(corpus: Corpus, chosen: Tensor) -> dict[str, Tensor]:
    """What needs no training: that of `coverage`, and

    log_popularity: (M,) the logarithm of the share of people who like an item; usual_likes: (1,) how many likes a
    person has on average.
    """
    counts, people = corpus.tasks.item_counts(corpus.n_items), max(len(corpus.tasks), 1)
    return {
        **coverage(corpus, chosen),
        "log_popularity": torch.log((counts[chosen] + 0.5) / people),
        "usual_likes": counts.sum().reshape(1) / people,
    }


class SoftmaxPreference(Covered):
    """logits: of columns and weights (T, S) → (T, M), without the log-popularity."""

    def __init__(self, prior: Prior, support: Support, logits: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__(prior, support)
        self._logits = logits

    def covered(self) -> Tensor:
        """(T, M): softmax over the items not in the support, times the usual number of likes."""
        logits = self._logits(self.column, self.weight) + self.tensors["log_popularity"]
        logits = logits.scatter_add(1, self.column, -1e4 * (self.weight != 0).float())
        return torch.softmax(logits, 1) * self.tensors["usual_likes"]
