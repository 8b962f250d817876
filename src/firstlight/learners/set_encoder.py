"""Set encoder: the mean of the support's item vectors and the person's profile, through one residual layer.

A person is what Deep Sets (Zaheer et al., NeurIPS 2017) make of their events, as in the encoders of neural processes
(Garnelo et al., 2018) and of Mult-VAE (Liang et al., WWW 2018); trained on episodes with the full softmax over all
items. Differs from Mult-VAE: episodes of 0 to 20 events in place of whole histories, no latent noise, a profile.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from firstlight.learners.episodes import dropped
from firstlight.learners.softmax import SoftmaxLearner
from firstlight.tasks import Corpus


class SetEncoder(SoftmaxLearner):
    """hidden: width of the layer. The other settings are those of `SoftmaxLearner`."""

    name: ClassVar[str] = "set-encoder"
    summary: ClassVar[str] = "mean of item vectors and profile through one layer, trained on episodes"

    embedding_size: int = 128
    hidden: int = 192
    steps: int = 500
    learning_rate: float = 3e-3

    def start(self, corpus: Corpus, chosen: Tensor, chance: torch.Generator) -> dict[str, Tensor]:
        items, terms = len(chosen), corpus.tasks.profile.shape[1]
        size, hidden = self.embedding_size, self.hidden
        return {
            "inputs": 0.05 * torch.randn(items, size, generator=chance),
            "outputs": 0.05 * torch.randn(items, size, generator=chance),
            "profile": 0.02 * torch.randn(terms, size, generator=chance),
            "first": torch.randn(hidden, size + 1, generator=chance) / (3 * (size + 1)) ** 0.5,
            "second": torch.randn(size, hidden, generator=chance) / (3 * hidden) ** 0.5,
            "bias": torch.zeros(items),
        }

    def logits(
        self,
        weights: Mapping[str, Tensor],
        columns: Tensor,
        weight: Tensor,
        profile: Tensor,
        chance: torch.Generator | None = None,
    ) -> Tensor:
        count = weight.abs().sum(1, keepdim=True)
        person = (weights["inputs"][columns] * weight[..., None]).sum(1) / (count + 1).sqrt()
        person = dropped(person + profile @ weights["profile"], self.drop, chance)
        hidden = torch.relu(torch.cat([person, count.log1p()], dim=1) @ weights["first"].T)
        person = person + dropped(hidden, self.drop, chance) @ weights["second"].T
        return person @ weights["outputs"].T + weights["bias"]
