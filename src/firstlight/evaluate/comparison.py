"""How sure a mean over people is, and a difference of two learners on the same people: the bootstrap.

Percentile intervals (Efron and Tibshirani 1993, chapter 13): people are drawn with replacement, all learners,
metrics and shots see the same draws, so the difference of two learners is paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

RESAMPLES = 2_000
LEVEL = 0.95

Verdict = Literal["better", "level", "worse"]


@dataclass(frozen=True)
class Interval:
    """A mean over people and where 95 % of the resampled means lie."""

    mean: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """Half the width, the number behind ±."""
        return (self.high - self.low) / 2


def resamples(people: int, seed: int = 0, count: int = RESAMPLES) -> Tensor:
    """(count, people) float32: the weight of each person in each resample; rows sum to 1."""
    drawn = torch.randint(people, (count, people), generator=torch.Generator().manual_seed(seed))
    weights = torch.zeros(count, people)
    return weights.scatter_add_(1, drawn, torch.full((1, 1), 1 / people).expand(count, people))


def intervals(values: Tensor, weights: Tensor) -> Sequence[Interval]:
    """One interval for each column of ``values`` (T, M), with the ``weights`` (B, T) of ``resamples``."""
    means = weights @ values.float()
    tails = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = torch.quantile(means, tails, dim=0)
    rows = zip(values.double().mean(0).tolist(), low.tolist(), high.tolist(), strict=True)
    return [Interval(*row) for row in rows]


def difference(ours: Tensor, theirs: Tensor, weights: Tensor) -> Interval:
    """The mean of ``ours - theirs`` (T,), person by person."""
    return intervals((ours - theirs).unsqueeze(1), weights)[0]


def mean_of_stages(values: Sequence[Tensor], people: Sequence[Tensor], seed: int = 0) -> Interval:
    """The mean of the means of several stages, each of the same weight, when people are drawn with replacement.

    values: (T,) of each stage. people: (T,) int64 of each stage, who they are: one person may be at several stages.
    """
    everybody = torch.unique(torch.cat(list(people)))
    weights = resamples(len(everybody), seed)
    means = torch.zeros(len(weights))
    for found, who in zip(values, people, strict=True):
        drawn = weights[:, torch.searchsorted(everybody, who)]
        means += drawn @ found.float() / drawn.sum(1).clamp(min=1 / len(everybody))
    tails = torch.quantile(means / len(values), torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    mean = float(torch.stack([found.double().mean() for found in values]).mean())
    return Interval(mean, float(tails[0]), float(tails[1]))


def verdict(difference: Interval) -> Verdict:
    """What an interval of a difference says: "level" unless all of it is on one side of 0."""
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "level"
