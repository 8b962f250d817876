"""The outer loop: Adam on what the objective says after adapting, read from top to bottom.

One loop trains everything here that is trained by gradient; whether that is pretraining, MAML or Reptile is a matter
of the objective.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from firstlight.budget import Budget, Progress
from firstlight.errors import SettingsError
from firstlight.meta.checkpoint import Snapshot, read_snapshot, write_snapshot

AVERAGE = 0.99
WARM_UP = 30
LEAST_RATE = 0.05
WRITE_EVERY = 50
"""Steps between two checkpoints."""
PATIENT_WITH_NAN = 20

Weights = Mapping[str, Tensor]
Objective = Callable[[Weights, int], tuple[Tensor, Weights]]
"""Of the weights and the number of the step: the loss, and weights that are written rather than descended."""


@dataclass(frozen=True)
class Outer:
    """steps: at most. learning_rate: at its highest, after a warm-up and before a cosine decay. clip: the largest norm
    of the gradient. reg: AdamW's decay.
    patience: training stops when so many looks at the validation tasks in a row, ``every`` steps
    apart, were no better than the best, and gives the weights of the best; 0: it never looks.
    """

    steps: int
    learning_rate: float
    clip: float = 10.0
    reg: float = 0.0
    patience: int = 0
    every: int = 25


def learn(
    weights: Weights,
    objective: Objective,
    outer: Outer,
    *,
    budget: Budget,
    progress: Progress,
    name: str,
    validate: Callable[[Weights], float] | None = None,
    key: str = "",
) -> dict[str, Tensor]:
    """The weights after training: their running average over the steps, on the CPU.

    validate: the loss on tasks that are not trained on. key: says which training a checkpoint belongs to. Training
    that was stopped goes on from the budget's checkpoint and ends with the same weights as one that was not.
    A step whose gradient is not finite is left out. Stops early when the budget's seconds are over.
    Raises SettingsError for 20 such steps in a row, and for a checkpoint of another training.
    """
    found = read_snapshot(budget.checkpoint, key) if budget.checkpoint else None
    state = found or Snapshot.begin(weights)
    current = {name: value.to(budget.device).requires_grad_() for name, value in state.weights.items()}
    average = {name: value.to(budget.device) for name, value in state.average.items()}
    optimiser = torch.optim.AdamW(
        list(current.values()), lr=outer.learning_rate, betas=(0.9, 0.99), weight_decay=outer.reg, fused=True
    )
    state.restore(optimiser, current)
    best, best_loss, bad, looked, lost = state.best, state.best_loss, state.bad, state.looked, 0
    for step in count(state.step):
        if outer.patience and validate is not None and step % outer.every == 0 and step > looked:
            reached, looked = validate(average), step
            better = reached < best_loss
            bad = 0 if better else bad + 1
            if better:
                best, best_loss = {name: value.clone() for name, value in average.items()}, reached
        over = step >= outer.steps or not budget.left() or (outer.patience and bad >= outer.patience)
        if budget.checkpoint and (over or step % WRITE_EVERY == 0):
            looks = {"best": best, "best_loss": best_loss, "bad": bad, "looked": looked}
            write_snapshot(budget.checkpoint, key, Snapshot.of(step, current, average, optimiser, **looks))
        if over:
            break
        optimiser.param_groups[0]["lr"] = outer.learning_rate * _rate(step, outer.steps)
        optimiser.zero_grad()
        loss, written = objective(current, step)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip_grad_norm_([value for value in current.values() if value.grad is not None], outer.clip)
        lost = 0 if bool(norm.isfinite()) else lost + 1
        if lost >= PATIENT_WITH_NAN:
            raise SettingsError(f"{name}: the loss was no number for {lost} steps in a row: lower its learning rates.")
        if not lost:
            optimiser.step()
            _write(current, written)
            _follow(average, current, step)
        progress(f"{name}: step {step + 1:,} of {outer.steps:,}", (step + 1) / outer.steps)
    learned = {name: value.detach().cpu() for name, value in (best or average).items()}
    if not all(bool(value.isfinite().all()) for value in learned.values()):
        raise SettingsError(f"{name}: some weights are no numbers after training: lower its learning rates.")
    return learned


def _rate(step: int, steps: int) -> float:
    decay = LEAST_RATE + (1 - LEAST_RATE) * 0.5 * (1 + math.cos(math.pi * step / steps))
    return decay * min(1.0, (step + 1) / WARM_UP)


@torch.no_grad()
def _write(current: Weights, written: Weights) -> None:
    for name, value in written.items():
        if bool(value.isfinite().all()):
            current[name].copy_(value)


@torch.no_grad()
def _follow(average: Weights, current: Weights, step: int) -> None:
    """Nearer to the current weights: their mean at first, then with a memory of a hundred steps."""
    for name, value in current.items():
        average[name].lerp_(value, 1 - min(AVERAGE, (step + 1) / (step + 10)))
