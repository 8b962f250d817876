"""Calibration of logits on scenarios that were held out: Platt's slope and offset, where they help."""

from typing import NamedTuple

import torch
from torch import Tensor

from firstlight.scenarios.logistic import Gaussian, posterior
from firstlight.scenarios.validation import FOLDS, Said, surely_above_zero

CERTAINTY = 20.0
"""Precision of the calibration around leaving everything as it is."""


class Calibration(NamedTuple):
    """Logits become ``offset + slope * logits`` (Platt 1999)."""

    offset: float = 0.0
    slope: float = 1.0

    def __call__(self, logits: Tensor) -> Tensor:
        """The calibrated logits, of the same shape."""
        return self.offset + self.slope * logits


def calibrate(said: Said) -> Calibration:
    """The slope and offset that fit what was said to what happened, or none.

    They are kept where, learned from other scenarios, they make the log-loss of a scenario smaller by more than one
    standard error: an offset shared by few scenarios is chance, and a further one would not have it.
    """
    scenarios = int(said.scenario.max()) + 1
    if scenarios < 3:
        return Calibration()
    after = torch.zeros(scenarios, dtype=torch.float64)
    for fold in range(min(FOLDS, scenarios)):
        held = said.scenario % FOLDS == fold
        found, asked = platt(said.select(~held)), said.select(held)
        losses = asked._replace(logits=found(asked.logits)).losses()
        after[: len(losses)] += losses
    return platt(said) if surely_above_zero(said.losses() - after) else Calibration()


def platt(said: Said) -> Calibration:
    """The slope and offset of highest likelihood, held a little toward 1 and 0; the slope is at least 0."""
    design = torch.stack([torch.ones_like(said.logits), said.logits], 1)
    prior = Gaussian(torch.tensor([0.0, 1.0], dtype=torch.float64), CERTAINTY * torch.eye(2, dtype=torch.float64))
    offset, slope = posterior(design[None], said.labels[None], prior).mean[0].tolist()
    return Calibration(offset, max(slope, 0.0))
