"""Ranking metrics: pure functions from the hits of a ranked list to one number a task.

Every metric takes ``hits`` (T, K), true where the item at that rank is one the task went on to like, and ``relevant``
(T,), how many items it went on to like, in the list or not. It gives (T,) float32 in 0..1. A list shorter than ``k``
counts its missing ranks as misses; a task with nothing to find scores 0. Ranks start at 1.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

DEPTH = 20
"""How many ranks a list needs for all of METRICS."""


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
