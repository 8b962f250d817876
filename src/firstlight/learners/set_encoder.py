"""Set encoder: the mean of the support's item vectors and the person's profile, through one residual layer.

A person is what Deep Sets (Zaheer et al., NeurIPS 2017) make of their events, as in the encoders of neural processes
(Garnelo et al., 2018) and of Mult-VAE (Liang et al., WWW 2018); trained on episodes with the full softmax over all
items. Differs from Mult-VAE: episodes of 0 to 20 events in place of whole histories, no latent noise, a profile.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from firstlight.learners.base import Budget, Learner, Prior, Progress, silent
from firstlight.learners.cooccurrence import most_liked
from firstlight.learners.episodes import descend, dropped, episodes
from firstlight.learners.softmax import SoftmaxPreference, background
from firstlight.tasks import Corpus, Support


class SetEncoder(Learner):
    """Scores estimate the probability that the person likes the item: a softmax times the usual number of likes.

    embedding_size: of the item vectors. hidden: of the layer. drop: dropout. steps, batch: of training; most: the
    largest support trained on. max_items: how many of the most liked items have vectors; the others are scored by
    popularity alone.
    """

    name: ClassVar[str] = "set-encoder"
    summary: ClassVar[str] = "mean of item vectors and profile through one layer, trained on episodes"

    embedding_size: int = 128
    hidden: int = 192
    drop: float = 0.3
    steps: int = 500
    batch: int = 512
    most: int = 20
    learning_rate: float = 3e-3
    max_items: int = 8_000

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        chosen = most_liked(corpus.tasks, corpus.n_items, self.max_items)
        chance = torch.Generator().manual_seed(seed)
        fixed = background(corpus, chosen)
        weights = descend(
            self._start(len(chosen), corpus.tasks.profile.shape[1], chance),
            episodes(corpus, chosen, self.batch, self.most, seed),
            lambda w, e: logits(w, e.columns, e.mask, e.profile, self.drop, chance) + fixed["log_popularity"],
            steps=self.steps,
            learning_rate=self.learning_rate,
            budget=budget,
            progress=progress,
            name=self.name,
        )
        return self.prior({**fixed, **weights})

    def _start(self, items: int, terms: int, chance: torch.Generator) -> dict[str, Tensor]:
        size, hidden = self.embedding_size, self.hidden
        return {
            "inputs": 0.05 * torch.randn(items, size, generator=chance),
            "outputs": 0.05 * torch.randn(items, size, generator=chance),
            "profile": 0.02 * torch.randn(terms, size, generator=chance),
            "first": torch.randn(hidden, size + 1, generator=chance) / (3 * (size + 1)) ** 0.5,
            "second": torch.randn(size, hidden, generator=chance) / (3 * hidden) ** 0.5,
            "bias": torch.zeros(items),
        }

    def adapt(self, prior: Prior, support: Support) -> SoftmaxPreference:
        return SoftmaxPreference(
            prior, support, lambda columns, weight: logits(prior.tensors, columns, weight, support.profile)
        )


def logits(
    weights: Mapping[str, Tensor],
    columns: Tensor,
    weight: Tensor,
    profile: Tensor,
    drop: float = 0.0,
    chance: torch.Generator | None = None,
) -> Tensor:
    """(T, M) from columns (T, S), their weights (T, S; 0 where masked) and profiles (T, P)."""
    count = weight.abs().sum(1, keepdim=True)
    person = (weights["inputs"][columns] * weight[..., None]).sum(1) / (count + 1).sqrt()
    person = dropped(person + profile @ weights["profile"], drop, chance)
    hidden = torch.relu(torch.cat([person, count.log1p()], dim=1) @ weights["first"].T)
    person = person + dropped(hidden, drop, chance) @ weights["second"].T
    return person @ weights["outputs"].T + weights["bias"]
