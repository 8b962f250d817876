"""Set encoder: the mean of the support's item vectors and the person's profile, through one residual layer.

A person is what Deep Sets (Zaheer et al., NeurIPS 2017) make of their events, as in the encoders of neural processes
(Garnelo et al., 2018) and of Mult-VAE (Liang et al., WWW 2018); trained on episodes with the full softmax over all
items. Differs from Mult-VAE: episodes of 0 to 20 events in place of whole histories, no latent noise, a profile.
"""

from typing import ClassVar

import torch
from torch import Tensor

from firstlight.learners.episodic import EpisodicLearner
from firstlight.meta.episodes import Task
from firstlight.models.base import Ground, Weights


class SetEncoder(EpisodicLearner):
    """hidden: width of the layer. The other settings are those of `EpisodicLearner`."""

    name: ClassVar[str] = "set-encoder"
    summary: ClassVar[str] = "mean of item vectors and profile through one layer, trained on episodes"

    embedding_size: int = 128
    hidden: int = 192
    steps: int = 500
    batch: int = 512

    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        items, size, hidden = len(ground.chosen), self.embedding_size, self.hidden
        return {
            "inputs": 0.05 * torch.randn(items, size, generator=chance),
            "outputs": 0.05 * torch.randn(items, size, generator=chance),
            "profile": 0.02 * torch.randn(ground.terms, size, generator=chance),
            "first": torch.randn(hidden, size + 1, generator=chance) / (3 * (size + 1)) ** 0.5,
            "second": torch.randn(size, hidden, generator=chance) / (3 * hidden) ** 0.5,
            "bias": torch.zeros(items),
        }

    def logits(self, tensors: Weights, task: Task) -> Tensor:
        count = task.grades.abs().sum(1, keepdim=True)
        person = (tensors["inputs"][task.columns] * task.grades[..., None]).sum(1) / (count + 1).sqrt()
        person = (person + task.profile @ tensors["profile"]) * task.keep
        hidden = torch.relu(torch.cat([person, count.log1p()], dim=1) @ tensors["first"].T)
        person = person + hidden @ tensors["second"].T
        return person @ tensors["outputs"].T + tensors["bias"]
