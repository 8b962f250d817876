"""Pure functions of tensors that give one number a task: ranking metrics, and how far two answers lie apart.

A metric of METRICS takes ``hits`` (T, K), true where the item at that rank is one the task went on to like, and
``relevant`` (T,), how many items it went on to like, in the list or not. It gives (T,) float32 in 0..1. A list shorter
than ``k`` counts its missing ranks as misses; a task with nothing to find scores 0. Ranks start at 1.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

DEPTH = 20
"""How many ranks a list needs for all of METRICS."""
ROUNDING = 1e-6
"""Scores whose deviation is no larger a share of the largest of them are equal."""


def match(lists: Tensor, query: Tensor, mask: Tensor) -> Tensor:
    """(T, n) bool: which items of ``lists`` (T, n; -1 where there is none) are in ``query`` (T, Q) where ``mask``."""
    width = int(max(lists.max(), query.max())) + 1 if lists.numel() and query.numel() else 1
    offset = torch.arange(len(lists)).unsqueeze(1) * width
    return torch.isin(lists + offset, (query + offset)[mask]) & (lists >= 0)


def ndcg(hits: Tensor, relevant: Tensor, k: int = 10) -> Tensor:
    """Sum of 1 / log2(rank + 1) over the hits, divided by what the best list reaches (Järvelin and Kekäläinen 2002)."""
    discount = 1 / torch.arange(2, k + 2).log2()
    best = torch.cat([torch.ones(1), discount.cumsum(0)])[relevant.clamp(max=k)]
    found = hits[:, :k].float()
    return found @ discount[: found.shape[1]] / best


def recall(hits: Tensor, relevant: Tensor, k: int = 20) -> Tensor:
    """Hits divided by how many there can be in ``k`` ranks: min(k, relevant)."""
    return hits[:, :k].float().sum(1) / relevant.clamp(min=1, max=k)


def precision(hits: Tensor, relevant: Tensor, k: int = 10) -> Tensor:
    """Hits divided by ``k``."""
    return hits[:, :k].float().sum(1) / k


def hit_rate(hits: Tensor, relevant: Tensor, k: int = 10) -> Tensor:
    """1 where there is a hit at all."""
    return hits[:, :k].bool().any(1).float()


def mrr(hits: Tensor, relevant: Tensor, k: int = 10) -> Tensor:
    """1 / rank of the first hit."""
    ranks = torch.arange(1, k + 1)[: hits.shape[1]]
    return (hits[:, :k].float() / ranks).amax(1)


def coverage(lists: Tensor, eligible: int, k: int = 10) -> float:
    """Share of the ``eligible`` items that are in anyone's first ``k`` of ``lists`` (T, n; -1 where there is none)."""
    shown = lists[:, :k]
    return int(shown[shown >= 0].bincount().count_nonzero()) / max(eligible, 1)


def moved(lists: Tensor, before: Tensor, k: int = 10) -> Tensor:
    """(T,) in 0..1: the share of the first ``k`` of ``lists`` (T, n) that is not in the first ``k`` of ``before``.

    The order does not matter. -1 where there is no item; a list of none has moved by 0.
    """
    shown, was = lists[:, :k], before[:, :k]
    there = shown >= 0
    new = there & ~match(shown, was, was >= 0)
    return new.sum(1) / there.sum(1).clamp(min=1)


def shift(scores: Tensor, before: Tensor, candidates: Tensor) -> Tensor:
    """(T,) in 0..2: the root mean square difference of two rows of scores (T, N), each `standardised`.

    candidates: (T, N) bool, the items that count. Scores that are only scaled or raised have shifted by 0, those in
    reverse by 2. It is √(2 - 2r), r the correlation of the rows.
    """
    apart = standardised(scores, candidates) - standardised(before, candidates)
    return (apart.square_().sum(1) / candidates.sum(1).clamp(min=1)).sqrt()


def standardised(scores: Tensor, candidates: Tensor) -> Tensor:
    """Rows (T, N) of mean 0 and deviation 1 over their ``candidates`` (T, N; bool), 0 elsewhere.

    A row whose candidates differ by no more than rounding is all 0.
    """
    kept = scores.masked_fill(~candidates, 0.0)
    largest = kept.abs().amax(1, keepdim=True)
    kept /= torch.where(largest > 0, largest, 1.0)
    count = candidates.sum(1, keepdim=True).clamp(min=1)
    kept = (kept - kept.sum(1, keepdim=True) / count).masked_fill_(~candidates, 0.0)
    deviation = (kept.square().sum(1, keepdim=True) / count).sqrt()
    return kept.div_(deviation.clamp(min=ROUNDING)).masked_fill_(deviation <= ROUNDING, 0.0)


MAIN = "ndcg@10"
"""The metric that tunes, compares and heads the table."""

METRICS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    MAIN: ndcg,
    "recall@20": recall,
    "precision@10": precision,
    "hit_rate@10": hit_rate,
    "mrr@10": mrr,
}
"""Name -> metric at the depth the name says."""
