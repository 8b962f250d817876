"""The inner loop of a linear head, its gradient written out: the same steps as `inner.descend`, many times faster.

Where logits are z = F·(keep ∘ u) + s·o + rest in the person's vector u and the offset o, the gradient of the support's
loss is

    ∂L/∂u = keep ∘ Fᵀ ∂L/∂z,      ∂L/∂o = s Σ ∂L/∂z,

with ∂L/∂z in closed form. It is a plain function of tensors, so the outer gradient through it is of second order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from firstlight.meta.episodes import Task

Weights = Mapping[str, Tensor]
Slopes = Callable[[Tensor, Tensor], tuple[Tensor | None, Tensor]]
"""Of the logits of negatives (T, n) and support (T, S): the slopes of the loss by them; None where they are all 0."""


@dataclass(frozen=True)
class Head:
    """Logits as a task's head begins, and what they are linear in. T tasks, S support examples, n negatives.

    negatives: (T, n), with the level and the weight of each; features: (n, D). support: (T, S), with the level (T, S);
    its features: (T, S, D). scale: s. whole: whether the negatives are all items there are.
    """

    negatives: Tensor
    features: Tensor
    support: Tensor
    support_features: Tensor
    level: Tensor
    scale: float
    whole: bool


def descend_head(
    start: Weights,
    rates: Mapping[str, Tensor | float],
    head: Head,
    task: Task,
    *,
    steps: int,
    stars: bool,
    first_order: bool,
    clip: float,
) -> dict[str, Tensor]:
    """``taste`` (T, D) and, where it is in ``start``, ``offset`` (T,) after ``steps`` steps.

    rates, steps, first_order, clip: as in `inner.descend`. stars: squared errors in place of the softmax.
    """
    slopes = by_stars(head, task) if stars else by_likes(head, task)
    moved: dict[str, Tensor] = {}
    for _ in range(steps):
        by_negative, by_support = slopes(*_moved(head, moved, task)) if moved else slopes(head.negatives, head.support)
        slope = _shortened(_by_head(by_negative, by_support, head, task, "offset" in start), clip)
        if first_order:
            slope = {name: value.detach() for name, value in slope.items()}
        steps_made = {name: rates[name] * value for name, value in slope.items()}
        moved = {name: moved[name] - made if moved else -made for name, made in steps_made.items()}
    return {name: value + moved[name] if moved else value for name, value in start.items()}


def _moved(head: Head, moved: Weights, task: Task) -> tuple[Tensor, Tensor]:
    """The logits of negatives and support after the head has moved by so much."""
    person = moved["taste"] * task.keep
    support = torch.baddbmm(head.support[..., None], head.support_features, person[..., None])[..., 0]
    negatives = torch.addmm(head.negatives, person, head.features.T)
    if "offset" not in moved:
        return negatives, support
    shift = head.scale * moved["offset"][:, None]
    return negatives + shift, support + shift


def by_likes(head: Head, task: Task) -> Slopes:
    """The slopes of `losses.support_softmax`."""
    graded = task.grades * (task.grades.abs().sum(1, keepdim=True) + 1).rsqrt()
    disliked = graded.clamp(max=0) if bool((graded < 0).any()) else None
    liked = graded if disliked is None else graded.clamp(min=0)

    def slopes(negatives: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        theirs = liked
        shares = torch.log_softmax(negatives, 1)
        if not head.whole:  # how much of the softmax of a like the negatives have; the like itself has the rest
            theirs = liked * torch.sigmoid(negatives[:, :1] - shares[:, :1] - support)
        own = -theirs if disliked is None else -theirs - disliked * torch.sigmoid(support - head.level)
        return shares.exp() * theirs.sum(1, keepdim=True), own

    return slopes


def by_stars(head: Head, task: Task) -> Slopes:
    """The slopes of `losses.support_squared`, in which negatives have no say."""
    known = (task.grades != 0).to(head.support.dtype)
    share = 2 * known / known.sum(1, keepdim=True).clamp(min=1)
    return lambda _, predicted: (None, share * (predicted - task.grades))


def _by_head(by_negative: Tensor | None, by_support: Tensor, head: Head, task: Task, offset: bool) -> dict[str, Tensor]:
    taste = torch.bmm(by_support[:, None], head.support_features)[:, 0]
    if by_negative is not None:
        taste = torch.addmm(taste, by_negative, head.features)
    if not offset:
        return {"taste": taste * task.keep}
    total = by_support.sum(1) if by_negative is None else by_support.sum(1) + by_negative.sum(1)
    return {"taste": taste * task.keep, "offset": head.scale * total}


def _shortened(slope: Weights, longest: float) -> dict[str, Tensor]:
    """As `inner.shortened`, for each task of a batch."""
    both = torch.cat([slope["taste"], slope["offset"][:, None]], 1) if "offset" in slope else slope["taste"]
    excess = torch.linalg.vector_norm(both, dim=1, keepdim=True).clamp(min=longest) / longest
    return {name: value / (excess if value.ndim > 1 else excess[:, 0]) for name, value in slope.items()}
