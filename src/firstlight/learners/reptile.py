"""Reptile: the start moves towards where descent on each task ends; no gradient through the descent.

Nichol, Achiam and Schulman, "On First-Order Meta-Learning Algorithms", arXiv 1803.02999:

    θ ← θ + ε (mean over i of θ_i − θ),      θ_i from several steps of descent on task i.

Differs: only the fast weights have a Reptile step, given to the outer loop as the gradient of ½‖θ − θ_i‖²; the tables
of items, which the inner loop does not reach, descend on the query with θ_i held fixed. Reptile descends on the
whole task, not on its support alone: so do the θ_i here.
"""

from typing import ClassVar

import torch
from torch import Tensor

from firstlight.learners.inner_loop import InnerLoop
from firstlight.meta.episodes import Episode
from firstlight.models.base import Ground, Weights

PULL = 1.0
"""The weight of the step of the start beside the descent of the tables."""


class Reptile(InnerLoop):
    """The settings are those of `InnerLoop`."""

    name: ClassVar[str] = "reptile"
    summary: ClassVar[str] = "the start moves to where descent on each task ends"
    first_order: ClassVar[bool] = True

    def objective(self, weights: Weights, episode: Episode, ground: Ground) -> tuple[Tensor, Weights]:
        settled = self.settled(weights, ground)
        names = self.fast_names()
        still = {name: value.detach() if name in names else value for name, value in settled.items()}
        loss = self.query_loss(self.logits(still, episode.task), episode, ground)
        with torch.no_grad():
            ends = self.fast_weights(settled, episode.whole())
        for name in names:
            loss = loss + PULL * 0.5 * (weights[name] - ends[name]).square().sum() / len(ends[name])
        return loss, {}
