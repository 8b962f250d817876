"""How good probabilities of yes are: log-loss, Brier, AUC, ECE, and the rows of a reliability diagram.

``weights`` may be (R,), or (B, R) for B resamples at once; what is given has their leading shape.
"""

from typing import NamedTuple

import torch
from torch import Tensor

BINS = 10


class Reliability(NamedTuple):
    """Per bin of predictions: how many rows, the mean prediction, the share of yes; each (bins,)."""

    rows: Tensor
    predicted: Tensor
    observed: Tensor


def log_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """(R,): -log of the probability given to what happened."""
    return torch.nn.functional.softplus(logits) - labels * logits


def brier_scores(logits: Tensor, labels: Tensor) -> Tensor:
    """(R,): the squared difference of the probability and what happened (Brier 1950)."""
    return (torch.sigmoid(logits) - labels).square()


def mean(values: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean of ``values`` (R,)."""
    total: Tensor = weights @ values
    return total / weights.sum(-1)


def auc(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """The chance that a yes has a higher score than a no, ties half (Hanley and McNeil 1982); nan for one class."""
    weights = torch.ones_like(logits) if weights is None else weights
    order = torch.argsort(logits)
    groups = torch.unique_consecutive(logits[order], return_inverse=True)[1]
    yes, no = (weights * labels)[..., order], (weights * (1 - labels))[..., order]
    size = int(groups.max()) + 1 if len(groups) else 0
    of_group = torch.zeros(*no.shape[:-1], size, dtype=no.dtype).index_add_(-1, groups, no)
    below = of_group.cumsum(-1) - of_group / 2
    above: Tensor = (yes * below[..., groups]).sum(-1)
    return above / (yes.sum(-1) * no.sum(-1))


def reliability(logits: Tensor, labels: Tensor, bins: int = BINS) -> Reliability:
    """Rows in ``bins`` of about the same number of rows, by rising prediction."""
    place = bin_of(logits, bins)
    rows, said, seen = (
        torch.zeros(bins, dtype=torch.float64).index_add_(0, place, values.double())
        for values in (torch.ones_like(logits), torch.sigmoid(logits), labels)
    )
    return Reliability(rows, said / rows.clamp(min=1), seen / rows.clamp(min=1))


def ece(logits: Tensor, labels: Tensor, weights: Tensor | None = None, bins: int = BINS) -> Tensor:
    """Expected calibration error: the mean distance of prediction and share of yes over bins of as many rows each."""
    weights = torch.ones_like(logits) if weights is None else weights
    apart = weights * (torch.sigmoid(logits) - labels)
    sums = torch.zeros(*apart.shape[:-1], bins, dtype=apart.dtype).index_add_(-1, bin_of(logits, bins), apart)
    found: Tensor = sums.abs().sum(-1) / weights.sum(-1)
    return found


def bin_of(logits: Tensor, bins: int) -> Tensor:
    """(R,) int64: the bin of each row; rows of one prediction are in one bin."""
    groups, counts = torch.unique(logits, return_inverse=True, return_counts=True)[1:]
    first = counts.cumsum(0) - counts
    place: Tensor = first[groups] * bins // max(len(logits), 1)
    return place.clamp(max=bins - 1)


def figures(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """log_loss, brier, auc (left out for one class) and ece of rows."""
    even = torch.ones_like(logits)
    found = {
        "log_loss": mean(log_losses(logits, labels), even),
        "brier": mean(brier_scores(logits, labels), even),
        "auc": auc(logits, labels),
        "ece": ece(logits, labels),
    }
    return {name: float(value) for name, value in found.items() if value.isfinite()}
