"""Ranked lists of the whole catalogue for the tasks of a protocol, and what they cost."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from firstlight import ranking
from firstlight.errors import ModelError
from firstlight.evaluate.metrics import DEPTH
from firstlight.learners.base import Learner, Prior
from firstlight.tasks import Support


@dataclass(frozen=True)
class Ranked:
    """lists: (T, n) int64 positions, best first, -1 where there is none. seconds: spent in adapting and scoring."""

    lists: Tensor
    seconds: float


def rank(learner: Learner, prior: Prior, support: Support, n_items: int, seed: int = 0) -> Ranked:
    """Adapt to every task of ``support`` and rank all items, a chunk of tasks at a time to bound the memory.

    Raises ModelError if a score is not a finite number.
    """
    lists, seconds = [], 0.0
    for rows in torch.split(torch.arange(len(support)), ranking.chunk_size(n_items)):
        chunk = support.rows(rows)
        before = time.perf_counter()
        scores = learner.adapt(prior, chunk).scores()
        seconds += time.perf_counter() - before
        if bad := int((~scores.isfinite()).sum()):
            raise ModelError(f"{learner.name} gave {bad:,} scores that are not finite numbers; change its settings")
        lists.append(ranking.top(scores, DEPTH, chunk, seed=seed, keys=rows))
    return Ranked(torch.cat(lists), seconds)
