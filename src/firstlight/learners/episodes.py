"""Episodes for training by gradient: many small supports cut at random from the tasks, each with what was left out."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from firstlight.learners.base import Budget, Progress
from firstlight.learners.cooccurrence import likes_of
from firstlight.tasks import Corpus

NO_PROFILE = 0.2
"""The share of episodes in which nothing but events is known, so that a missing profile is an ordinary case."""
NO_EVENTS = 0.15
AVERAGE = 0.99
WARM_UP = 30


@dataclass(frozen=True)
class Episode:
    """columns: (T, S) int64 among the M chosen items; mask: (T, S) float32; left: (T, M) float32, 1 for each query
    item; profile: (T, P)."""

    columns: Tensor
    mask: Tensor
    left: Tensor
    profile: Tensor


def episodes(corpus: Corpus, chosen: Tensor, size: int, most: int, seed: int) -> Iterator[Episode]:
    """Endless batches of ``size`` people with at least three likes, or of all people where there are fewer.

    The number of events is log-uniform in 1..``most``, less for people who have less, and sometimes 0.
    """
    chance = torch.Generator().manual_seed(seed)
    owner, column = likes_of(corpus.tasks, corpus.n_items, chosen)
    counts = torch.bincount(owner, minlength=len(corpus.tasks))
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    able = (counts >= 3).nonzero()[:, 0]
    if not len(able):
        able = (counts > 0).nonzero()[:, 0]
    size = min(size, len(able))
    while len(able):
        people = able[torch.randint(len(able), (size,), generator=chance)]
        has = counts[people]
        shots = torch.exp(torch.rand(size, generator=chance) * math.log(most + 1)).long()
        shots = shots * (torch.rand(size, generator=chance) > NO_EVENTS)
        shots = shots.minimum(has - 2).clamp(min=0)
        row = torch.repeat_interleave(torch.arange(size), has)
        within = torch.arange(len(row)) - torch.repeat_interleave(has.cumsum(0) - has, has)
        items = column[starts[people][row] + within]
        order = torch.argsort(row + torch.rand(len(row), generator=chance, dtype=torch.float64))
        items = items[order]
        first = within < shots[row]
        columns = torch.zeros(size, most, dtype=torch.int64)
        mask = torch.zeros(size, most)
        columns[row[first], within[first]] = items[first]
        mask[row[first], within[first]] = 1.0
        left = torch.zeros(size, len(chosen))
        left[row[~first], items[~first]] = 1.0
        known = torch.rand(size, 1, generator=chance) > NO_PROFILE
        yield Episode(columns, mask, left, corpus.tasks.profile[people] * known)


def query_loss(logits: Tensor, episode: Episode) -> Tensor:
    """Cross-entropy of the query under a softmax over all chosen items but the support; a scalar.

    A person counts with the square root of the number of their query items: those of many items tell more.
    """
    logits = logits.scatter_add(1, episode.columns, -1e4 * episode.mask)
    count = episode.left.sum(1).clamp(min=1)
    each = -(log_softmax(logits, 1) * episode.left).sum(1) / count
    return (each * count.sqrt()).sum() / count.sqrt().sum()


def descend(
    weights: Mapping[str, Tensor],
    batches: Iterator[Episode],
    logits: Callable[[Mapping[str, Tensor], Episode], Tensor],
    *,
    steps: int,
    learning_rate: float,
    budget: Budget | None,
    progress: Progress,
    name: str,
) -> dict[str, Tensor]:
    """The weights after Adam with warm-up and cosine decay: the running average over the steps.

    logits: of the weights and an episode, (T, M). Stops early when the budget's seconds are over.
    """
    current = {key: value.clone().requires_grad_() for key, value in weights.items()}
    average = {key: value.clone() for key, value in weights.items()}
    optimiser = torch.optim.Adam(list(current.values()), lr=learning_rate, betas=(0.9, 0.99))
    for step, episode in zip(range(steps), batches, strict=False):
        if budget is not None and not budget.left():
            break
        decay = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimiser.param_groups[0]["lr"] = learning_rate * decay * min(1.0, (step + 1) / WARM_UP)
        optimiser.zero_grad()
        query_loss(logits(current, episode), episode).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            for key, value in current.items():
                average[key].lerp_(value, 1 - min(AVERAGE, (step + 1) / (step + 10)))
        progress(f"{name}: step {step + 1:,} of {steps:,}", (step + 1) / steps)
    return average


def dropped(values: Tensor, share: float, chance: torch.Generator | None) -> Tensor:
    """Dropout: a random ``share`` of the values becomes 0, the others grow to keep the mean; none without chance."""
    if chance is None or share == 0:
        return values
    return values * (torch.rand(values.shape, generator=chance) >= share) / (1 - share)
