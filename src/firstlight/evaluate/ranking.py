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
    elsewhere: (T, n) the lists with them, of the items in no category of the person's events; None: not asked for.
    """

    adapted: Ranked
    unadapted: Tensor
    shift: Tensor
    elsewhere: Tensor | None = None


def rank(
    learner: Learner, prior: Prior, support: Support, n_items: int, seed: int = 0, eligible: Tensor | None = None
) -> Ranked:
    """Adapt to every task of ``support`` and rank all items, a chunk of tasks at a time to bound the memory.

    eligible: (N,) bool, the items that may be ranked; None: all.
    Raises ModelError if a score is not a finite number.
    """
    lists, seconds = [], 0.0
    for rows, chunk in _chunks(support, n_items):
        scores, spent = _scores(learner, prior, chunk)
        lists.append(ranking.top(scores, DEPTH, chunk, eligible, seed, rows))
        seconds += spent
    return Ranked(torch.cat(lists), seconds)


def ablate(
    learner: Learner,
    prior: Prior,
    support: Support,
    n_items: int,
    seed: int = 0,
    eligible: Tensor | None = None,
    categories: Tensor | None = None,
) -> Ablated:
    """As `rank`, and beside it what the learner says of the same people without their events.

    The support's items are left out of both lists, and ties are drawn alike. Where nobody has an event there is
    nothing to compare and nothing is done twice. categories: (N,) int64, which an item is in, -1 not known: also rank
    the items of other categories alone. Raises ModelError if a score is not a finite number.
    """
    if not bool(support.mask.any()):
        ranked = rank(learner, prior, support, n_items, seed, eligible)
        return Ablated(ranked, ranked.lists, torch.zeros(len(support)))
    lists, before, elsewhere, shifts, seconds = [], [], [], [], 0.0
    for rows, chunk in _chunks(support, n_items):
        scores, spent = _scores(learner, prior, chunk)
        unadapted, _ = _scores(learner, prior, chunk.without_events())
        lists.append(ranking.top(scores, DEPTH, chunk, eligible, seed, rows))
        before.append(ranking.top(unadapted, DEPTH, chunk, eligible, seed, rows))
        shifts.append(shift(scores, unadapted, _candidates(chunk, n_items, eligible)))
        if categories is not None:
            away = scores.masked_fill(~others(chunk, categories), -torch.inf)
            elsewhere.append(ranking.top(away, DEPTH, chunk, eligible, seed, rows))
        seconds += spent
    ranked = Ranked(torch.cat(lists), seconds)
    return Ablated(ranked, torch.cat(before), torch.cat(shifts), torch.cat(elsewhere) if elsewhere else None)


def others(support: Support, categories: Tensor) -> Tensor:
    """(T, N) bool: the items whose category is known and is none of those of the support's items."""
    seen = torch.zeros(len(support), int(categories.max()) + 2, dtype=torch.bool)  # the last place is for -1
    rows, slots = support.mask.nonzero(as_tuple=True)
    seen[rows, categories[support.items[rows, slots]]] = True
    seen[:, -1] = True
    return ~seen[:, categories]


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


def _candidates(support: Support, n_items: int, eligible: Tensor | None) -> Tensor:
    """(T, N) bool: what may be in a list."""
    out = torch.ones(n_items, dtype=torch.bool) if eligible is None else eligible
    out = out.repeat(len(support), 1)
    out[support.mask.nonzero()[:, 0], support.items[support.mask]] = False
    return out
