"""Ranked lists of the whole catalogue for the tasks of a protocol, what they cost, and what adapting does to them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from firstlight import ranking
from firstlight.errors import ModelError
from firstlight.evaluate.metrics import DEPTH, shift
from firstlight.learners.base import Learner, Prior
from firstlight.tasks import Support


@dataclass(frozen=True)
class Ranked:
    """lists: (T, n) int64 positions, best first, -1 where there is none. seconds: spent in adapting and scoring."""

    lists: Tensor
    seconds: float


@dataclass(frozen=True)
class Ablated:
    """What a learner says with the events and without them, of the same people and the same candidates.

    adapted: with them. unadapted: (T, n) the lists without them. shift: (T,) how far the scores moved (metrics.shift).
    """

    adapted: Ranked
    unadapted: Tensor
    shift: Tensor


def rank(learner: Learner, prior: Prior, support: Support, n_items: int, seed: int = 0) -> Ranked:
    """Adapt to every task of ``support`` and rank all items, a chunk of tasks at a time to bound the memory.

    Raises ModelError if a score is not a finite number.
    """
    lists, seconds = [], 0.0
    for rows, chunk in _chunks(support, n_items):
        scores, spent = _scores(learner, prior, chunk)
        lists.append(ranking.top(scores, DEPTH, chunk, seed=seed, keys=rows))
        seconds += spent
    return Ranked(torch.cat(lists), seconds)


def ablate(learner: Learner, prior: Prior, support: Support, n_items: int, seed: int = 0) -> Ablated:
    """As `rank`, and beside it what the learner says of the same people without their events.

    The support's items are left out of both lists, and ties are drawn alike. Where nobody has an event there is
    nothing to compare and nothing is done twice. Raises ModelError if a score is not a finite number.
    """
    if not bool(support.mask.any()):
        ranked = rank(learner, prior, support, n_items, seed)
        return Ablated(ranked, ranked.lists, torch.zeros(len(support)))
    lists, before, shifts, seconds = [], [], [], 0.0
    for rows, chunk in _chunks(support, n_items):
        scores, spent = _scores(learner, prior, chunk)
        unadapted, _ = _scores(learner, prior, chunk.without_events())
        lists.append(ranking.top(scores, DEPTH, chunk, seed=seed, keys=rows))
        before.append(ranking.top(unadapted, DEPTH, chunk, seed=seed, keys=rows))
        shifts.append(shift(scores, unadapted, _candidates(chunk, n_items)))
        seconds += spent
    return Ablated(Ranked(torch.cat(lists), seconds), torch.cat(before), torch.cat(shifts))


def _chunks(support: Support, n_items: int) -> Iterator[tuple[Tensor, Support]]:
    for rows in torch.split(torch.arange(len(support)), ranking.chunk_size(n_items)):
        yield rows, support.rows(rows)


def _scores(learner: Learner, prior: Prior, support: Support) -> tuple[Tensor, float]:
    """(T, N), and the seconds they took."""
    before = time.perf_counter()
    scores = learner.adapt(prior, support).scores()
    spent = time.perf_counter() - before
    if bad := int((~scores.isfinite()).sum()):
        raise ModelError(f"{learner.name} gave {bad:,} scores that are not finite numbers; change its settings")
    return scores, spent


def _candidates(support: Support, n_items: int) -> Tensor:
    """(T, N) bool: what may be in a list."""
    out = torch.ones(len(support), n_items, dtype=torch.bool)
    out[support.mask.nonzero()[:, 0], support.items[support.mask]] = False
    return out
