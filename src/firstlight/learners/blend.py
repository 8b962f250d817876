"""How much each member of the engine says at each number of events: weights learned on people of validation.

A score is Σ_m w_m(k) · score_m / scale_m(k), k the number of liked events. The weights are chosen at a few numbers of
events, the anchors, so that NDCG@10 is highest, and are linear in log(1 + k) between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from firstlight.tasks import TaskBatch

ANCHORS = (0, 1, 3, 5, 10, 20, 50)
STEPS = (0.0, 0.03, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5)
SWEEPS = 3
BAGS = 8
"""Weights are chosen on so many random halves of the people and averaged: one choice on all would fit their noise."""
SHORTLIST = 60
DEPTH = 10
NOWHERE = -1e6
"""The score of a place in a shortlist that has no item."""


@dataclass(frozen=True)
class Shortlist:
    """The items that any member puts near the top, of each person.

    scores: member -> (T, W), divided by scale. relevant: (T, W) bool. ideal: (T,) the best possible DCG.
    """

    scores: Mapping[str, Tensor]
    scales: Mapping[str, float]
    relevant: Tensor
    ideal: Tensor


def shortlist(scores: Mapping[str, Tensor], batch: TaskBatch) -> Shortlist:
    """What choosing weights needs of the scores (T, N) of all members; the support is out of the running."""
    n_items = next(iter(scores.values())).shape[1]
    support = batch.support
    rows = torch.arange(len(batch))[:, None]
    truth = torch.zeros(len(batch), n_items, dtype=torch.bool)
    truth[rows.expand_as(batch.query)[batch.query_mask], batch.query[batch.query_mask]] = True
    seen = torch.zeros_like(truth)
    seen[rows.expand_as(support.items)[support.mask], support.items[support.mask]] = True
    wanted = torch.zeros_like(truth)
    for values in scores.values():
        best = values.masked_fill(seen, -torch.inf).topk(min(SHORTLIST, n_items)).indices
        wanted.scatter_(1, best, True)
    wanted &= ~seen
    width = max(1, int(wanted.sum(1).max()))
    found = wanted.float().topk(width)
    real = found.values > 0
    scales = {name: float(values.std(1).mean().clamp(min=1e-12)) for name, values in scores.items()}
    kept = {
        name: (values.gather(1, found.indices) / scales[name]).masked_fill(~real, NOWHERE)
        for name, values in scores.items()
    }
    discounts = 1 / torch.log2(torch.arange(2, DEPTH + 2).float())
    ideal = discounts.cumsum(0)[batch.query_mask.sum(1).clamp(1, DEPTH) - 1]
    return Shortlist(kept, scales, truth.gather(1, found.indices) & real, ideal)


def together(parts: Sequence[Shortlist]) -> Shortlist:
    """The people of several shortlists of the same members; the scales are their means."""
    width = max(part.relevant.shape[1] for part in parts)
    scores = {
        name: torch.cat([pad(part.scores[name], (0, width - part.relevant.shape[1]), value=NOWHERE) for part in parts])
        for name in parts[0].scores
    }
    scales = {name: sum(part.scales[name] for part in parts) / len(parts) for name in scores}
    relevant = torch.cat([pad(part.relevant, (0, width - part.relevant.shape[1])) for part in parts])
    return Shortlist(scores, scales, relevant, torch.cat([part.ideal for part in parts]))


def ndcg(scores: Tensor, relevant: Tensor, ideal: Tensor) -> Tensor:
    """(T,) NDCG@10 of scores (T, W) against relevant (T, W)."""
    hits = relevant.gather(1, scores.topk(min(DEPTH, scores.shape[1])).indices)
    return (hits / torch.log2(torch.arange(2, hits.shape[1] + 2).float())).sum(1) / ideal


def choose(listed: Shortlist, start: Mapping[str, float] | None, seed: int) -> dict[str, float]:
    """Weights of the members, summing to 1: the mean over random halves of the people of what is best there.

    start: weights to begin with (those of the anchor before); None: the best member alone.
    """
    chance = torch.Generator().manual_seed(seed)
    people = len(listed.ideal)
    total = dict.fromkeys(listed.scores, 0.0)
    for _ in range(BAGS):
        half = torch.randperm(people, generator=chance)[: max(1, people // 2)]
        for name, weight in _climb(listed, half, start).items():
            total[name] += weight / BAGS
    return total


def _climb(listed: Shortlist, people: Tensor, start: Mapping[str, float] | None) -> dict[str, float]:
    """Coordinate ascent: one weight at a time, to the best of `STEPS`."""
    scores = {name: values[people] for name, values in listed.scores.items()}
    relevant, ideal = listed.relevant[people], listed.ideal[people]

    def found(total: Tensor) -> float:
        return float(ndcg(total, relevant, ideal).mean())

    if start is None:
        best = max(scores, key=lambda name: found(scores[name]))
        start = {name: float(name == best) for name in scores}
    weights = {name: start.get(name, 0.0) for name in scores}
    total = sum(
        (weight * scores[name] for name, weight in weights.items()), torch.zeros_like(scores[next(iter(scores))])
    )
    value = found(total)
    for _ in range(SWEEPS):
        before = value
        for name in scores:
            rest = total - weights[name] * scores[name]
            alone = weights[name] > 0 and sum(weights.values()) == weights[name]
            steps = STEPS[alone:]  # somebody has to speak
            totals = rest + torch.tensor(steps)[:, None, None] * scores[name]
            tried = ndcg(totals.flatten(0, 1), relevant.repeat(len(steps), 1), ideal.repeat(len(steps)))
            for step, mean in zip(steps, tried.view(len(steps), -1).mean(1).tolist(), strict=True):
                if mean > value + 1e-5:
                    value, weights[name] = mean, step
            total = rest + weights[name] * scores[name]
        if value <= before:
            break
    whole = sum(weights.values())
    return {name: weight / whole for name, weight in weights.items()}


def interpolated(anchors: Sequence[int], values: Tensor, shots: Tensor) -> Tensor:
    """(T, members) from values (A, members) at the ``anchors``, linear in log(1 + k), for shots (T,)."""
    place = torch.tensor([float(anchor) for anchor in anchors]).log1p()
    at = shots.float().log1p().clamp(max=float(place[-1]))
    right = torch.searchsorted(place, at).clamp(1, len(place) - 1) if len(place) > 1 else torch.zeros_like(shots)
    left = (right - 1).clamp(min=0)
    share = ((at - place[left]) / (place[right] - place[left]).clamp(min=1e-9))[:, None]
    return values[left] * (1 - share) + values[right] * share
