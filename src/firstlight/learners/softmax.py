"""What the learners trained with a softmax share: logits over the items they cover → probabilities."""

from collections.abc import Callable

import torch
from torch import Tensor

from firstlight.learners.base import Prior
from firstlight.learners.covered import Covered, coverage
from firstlight.tasks import Corpus, Support


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
