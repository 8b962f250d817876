"""A softmax over a sample of the items: some of the query and some at random, weighted by how likely each was drawn.

The correction of the logits is that of sampled softmax (Bengio and Senécal 2008; Yi et al., RecSys 2019).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from firstlight.meta.episodes import Episode

OF_QUERY = 8
"""How many of a task's query items are drawn, on average and at most."""


@dataclass(frozen=True)
class Sample:
    """columns: (n,) int64 the items drawn. log_chance: (M,) the log of how likely each item was to be drawn.

    episode: the same tasks with positions that count ``columns``; what was not drawn is masked.
    """

    columns: Tensor
    log_chance: Tensor
    episode: Episode


def sampled(episode: Episode, items: int, size: int) -> Sample:
    """About ``size`` of ``items`` at random, and of each task up to eight query items.

    The draw takes its randomness from the episode, which has been drawn at random, and is the same for the same one.
    """
    query, real = episode.query, episode.query_grades != 0
    chance = torch.Generator().manual_seed(int(query.sum()) % 2**31)
    share = (OF_QUERY / real.sum(1, keepdim=True).clamp(min=1)).clamp(max=1.0)
    taken = real & (torch.rand(query.shape, generator=chance).to(query.device) < share)
    part = min(1.0, size / items)
    uniform = torch.rand(items, generator=chance).to(query.device) < part
    drawn = uniform.index_fill(0, query[taken], True)
    columns = drawn.nonzero()[:, 0]
    # An item is missed by chance only if it is missed by every task that has it in its query.
    missed = torch.log1p(-share.clamp(max=1 - 1e-6)).expand_as(query)
    misses = torch.zeros(items, device=query.device).index_add_(0, query[real], missed[real])
    chances = (1 - (1 - part) * torch.exp(misses)).clamp(min=1e-9)
    place = torch.full((items,), -1, device=query.device).index_copy_(
        0, columns, torch.arange(len(columns), device=query.device)
    )
    task = episode.task
    kept = torch.where(place[query] >= 0, episode.query_grades, 0.0)
    seen = torch.where(place[task.columns] >= 0, task.grades, 0.0)
    moved = task._replace(columns=place[task.columns].clamp(min=0), grades=seen)
    pool = None if episode.pool is None else episode.pool[:, columns]
    there = replace(episode, task=moved, query=place[query].clamp(min=0), query_grades=kept, pool=pool)
    return Sample(columns, chances.log(), there)
