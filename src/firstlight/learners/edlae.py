"""EDLAE: EASE that learns to predict from a random part of a person's likes, as is known of a newcomer.

Steck: Autoencoders that don't overfit towards the identity, NeurIPS 2020. Dropping each like with probability p while
predicting all of them has a closed form: EASE with the ridge p / (1 − p) · n_i + λ for an item that n_i people like.
p near 1 fits a handful of events. Here only the most liked items take part, and of each row of B the entries of largest
size are kept.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

from pydantic import Field

from firstlight.budget import Budget, Progress, silent
from firstlight.cooccurrence import gram, most_liked
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.ease import item_item, sparse
from firstlight.learners.rows import Rows, Votes
from firstlight.tasks import Corpus, Support


class Edlae(Learner):
    """Score of an item: the sum of the weights B from what is liked, minus those from what is disliked.

    dropout: p, the share of likes that is not seen. reg: λ, in people. max_items, kept: as in EASE.
    """

    name: ClassVar[str] = "edlae"
    summary: ClassVar[str] = "EASE trained to predict from a random part of the likes; good from three events on"

    dropout: float = Field(default=0.95, ge=0, lt=1)
    reg: float = Field(default=100.0, gt=0)
    max_items: int = Field(default=10_000, ge=1)
    kept: int = Field(default=1_000, ge=1)

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        chosen = most_liked(corpus.tasks, corpus.n_items, self.max_items)
        moments = gram(corpus.tasks, corpus.n_items, chosen)
        ridge = self.dropout / (1 - self.dropout) * moments.diagonal() + self.reg
        return self.prior(sparse(corpus, chosen, item_item(moments, ridge), self.kept))

    def adapt(self, prior: Prior, support: Support) -> Preference:
        return Votes(prior.tensors["base"], Rows.of(prior.tensors), support)

    def variants(self) -> Sequence[Self]:
        grid = [{"dropout": dropout, "reg": reg} for dropout in (0.95, 0.8, 0.5) for reg in (100.0, 10.0)]
        return [self, *(other for update in grid if (other := self.model_copy(update=update)) != self)]
