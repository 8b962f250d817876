"""What the learners trained with a softmax share: logits over the items they cover → probabilities over all items."""

from collections.abc import Callable

import torch
from torch import Tensor

from firstlight.learners.base import Preference, Prior
from firstlight.tasks import Corpus, Support


def background(corpus: Corpus, chosen: Tensor) -> dict[str, Tensor]:
    """What needs no training. chosen: (M,) the items covered; popularity: (N,) the share of people who like an item;
    log_popularity: (M,) its logarithm; usual_likes: (1,) how many likes a person has on average."""
    counts = corpus.tasks.item_counts(corpus.n_items)
    people = max(len(corpus.tasks), 1)
    return {
        "chosen": chosen,
        "popularity": counts / people,
        "log_popularity": torch.log((counts[chosen] + 0.5) / people),
        "usual_likes": counts.sum().reshape(1) / people,
    }


class SoftmaxPreference(Preference):
    """logits: of columns and weights (T, S) → (T, M), without the log-popularity."""

    def __init__(self, prior: Prior, support: Support, logits: Callable[[Tensor, Tensor], Tensor]) -> None:
        self._tensors, self._logits, self._support = prior.tensors, logits, support
        place = torch.full((len(prior.tensors["popularity"]),), -1, dtype=torch.int64)
        place[prior.tensors["chosen"]] = torch.arange(len(prior.tensors["chosen"]))
        column = place[support.items]
        self._known = support.mask & (column >= 0)
        self._column = column.clamp(min=0)

    def scores(self) -> Tensor:
        """(T, N): softmax over the items not in the support, times the usual number of likes."""
        weight = torch.where(self._known, self._support.grades, 0.0)
        logits = self._logits(self._column, weight) + self._tensors["log_popularity"]
        logits = logits.scatter_add(1, self._column, -1e4 * self._known.float())
        out = self._tensors["popularity"].expand(len(self._support), -1).clone()
        out[:, self._tensors["chosen"]] = torch.softmax(logits, 1) * self._tensors["usual_likes"]
        return out
