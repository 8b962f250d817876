"""A problem of six items and three people in float64, small enough for finite differences."""

import torch
from conformance import tiny
from gradients import Weights, chance
from torch import Tensor

from firstlight.learners.episodic import EpisodicLearner
from firstlight.meta.episodes import Episode, Task
from firstlight.models.base import Ground

EMPTY = {"profile": torch.zeros(0, 3).double()}
"""Of people of whom nothing is known but their events."""


def ground(kind: torch.dtype = torch.float64) -> Ground:
    """Six items with content, popularity and grades."""
    corpus = tiny([[0, 1, 2, 5], [1, 2, 4], [0, 3, 4], [2, 3, 5]], 6)
    made = Ground(corpus, torch.arange(6), torch.randn(6, 2, generator=chance(3)).to(kind))
    for name in ("log_popularity", "mean_grade"):
        vars(made)[name] = torch.randn(6, generator=chance(4)).to(kind)
    return made


def episode() -> Episode:
    """Ragged supports, one of them empty, one with a dislike."""
    grades = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, -1.0, 0.5]]).double()
    keep = torch.tensor([[1.0, 2.0, 0.0], [1.0, 1.0, 1.0], [0.5, 1.0, 1.0]]).double()
    task = Task(torch.tensor([[0, 3, 0], [0, 0, 0], [4, 1, 2]]), grades, torch.zeros(3, 0).double(), keep)
    query_grades = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [2.0, 0.0, 0.0]]).double()
    return Episode(task, torch.tensor([[1, 5, 0], [2, 3, 0], [5, 0, 0]]), query_grades)


def beginning(learner: EpisodicLearner) -> dict[str, Tensor]:
    """Weights away from where training begins, where some gradients are 0."""
    start = learner.start(ground(torch.float32), chance(2))
    start = {name: value.double() for name, value in start.items() if value.numel()}
    return {name: value + 0.3 * torch.randn(value.shape, generator=chance(7)).double() for name, value in start.items()}


def objective(learner: EpisodicLearner, weights: Weights, tasks: Episode | None = None) -> Tensor:
    return learner.objective({**EMPTY, **weights}, tasks or episode(), ground())[0]
