"""Losses: of a query after adapting (batched), and of a support to adapt on (one task)."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

from firstlight.meta.episodes import Episode, Task

OUT = -1e4
"""Added to the logit of an item that is out of the running."""


def softmax_loss(logits: Tensor, episode: Episode) -> Tensor:
    """Cross-entropy of the liked query under a softmax over all items but the support; a scalar.

    logits: (T, M). A task counts with the square root of the number of its query items: those of many tell more.
    """
    logits = _in_the_running(logits, episode)
    liked = episode.query_grades.clamp(min=0).to(logits.dtype)
    left = torch.zeros_like(logits).scatter_add(1, episode.query, liked)
    return _of_tasks(-(log_softmax(logits, 1) * left).sum(1), liked.sum(1))


def squared_loss(predicted: Tensor, episode: Episode) -> Tensor:
    """Mean squared error of the grades of the query; a scalar. predicted: (T, M)."""
    known = (episode.query_grades != 0).to(predicted.dtype)
    errors = (predicted.gather(1, episode.query) - episode.query_grades.to(predicted.dtype)).square() * known
    return _of_tasks(errors.sum(1), known.sum(1))


def ndcg(logits: Tensor, episode: Episode, depth: int = 10) -> Tensor:
    """Mean NDCG over the tasks that have a query, among the items that `softmax_loss` compares. logits: (T, M)."""
    logits = _in_the_running(logits, episode)
    liked = episode.query_grades > 0
    truth = torch.zeros_like(logits).scatter_add(1, episode.query, liked.to(logits.dtype)).clamp(max=1)
    hits = truth.gather(1, logits.topk(min(depth, logits.shape[1])).indices)
    discounts = 1 / torch.arange(2, hits.shape[1] + 2, device=hits.device).log2()
    ideal = discounts.cumsum(0)[liked.sum(1).clamp(1, hits.shape[1]) - 1]
    return ((hits @ discounts) / ideal)[liked.any(1)].sum() / liked.any(1).sum().clamp(min=1)


def _in_the_running(logits: Tensor, episode: Episode) -> Tensor:
    """(T, M) logits with the support, and what is not in the task's pool, far below all others."""
    logits = logits.scatter_add(1, episode.task.columns, OUT * (episode.task.grades != 0).to(logits.dtype))
    return logits if episode.pool is None else logits.masked_fill(~episode.pool, OUT)


def _of_tasks(total: Tensor, count: Tensor) -> Tensor:
    """From sums (T,) over examples to a mean in which a task weighs the square root of its count; 0 without any."""
    count = count.clamp(min=1e-9)
    return (total / count.sqrt()).sum() / count.sqrt().sum().clamp(min=1.0)


def support_softmax(of_support: Tensor, taste: Tensor, of_negatives: Tensor, task: Task, whole: bool) -> Tensor:
    """What one task's inner loop descends on with likes and dislikes; a scalar, 0 for an empty support.

    of_support: (S,) logits of the support; taste: (S,) the same without popularity; of_negatives: (n,) logits of the
    items it is compared with, which are all there are where ``whole``.
    A like costs its cross-entropy against the negatives, a dislike softplus(taste). The sum is divided by the root of
    one more than the number of examples: the more there are, the further they lead, but not in proportion.
    """
    rest = torch.logsumexp(of_negatives, 0)
    against = rest if whole else torch.logsumexp(torch.stack([rest.expand_as(of_support), of_support]), 0)
    cost = task.grades.clamp(min=0) * (against - of_support) - task.grades.clamp(max=0) * softplus(taste)
    return cost.sum() / (task.grades.abs().sum() + 1).sqrt()


def support_squared(predicted: Tensor, task: Task) -> Tensor:
    """Mean squared error of the grades of one task's support (S,); 0 for an empty one."""
    known = (task.grades != 0).to(predicted.dtype)
    return ((predicted - task.grades).square() * known).sum() / known.sum().clamp(min=1)
