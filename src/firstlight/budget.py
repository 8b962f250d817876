"""What training may use, and how it tells how far it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from firstlight.errors import SettingsError

Progress = Callable[[str, float], None]
"""Called with what is being done and which share of all the work is done (0..1)."""


def silent(step: str, share: float) -> None:
    """The progress of a caller who does not want to see any."""


def progress_between(progress: Progress, start: float, end: float, step: str, share: float) -> None:
    """Tell ``progress`` of a part of the work, which reaches from ``start`` to ``end`` of all of it."""
    progress(step, start + (end - start) * share)


def device(name: str) -> str:
    """The device of that name; "auto" is a GPU where one is at hand. Raises SettingsError where there is none."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("The device is cuda, and no GPU is at hand here: take auto or cpu.")
    if name not in ("cpu", "cuda"):
        raise SettingsError(f"The device {name!r} is not known: take auto, cpu or cuda.")
    return name


@dataclass(frozen=True)
class Budget:
    """What training may use: ``seconds`` from ``start`` (time.monotonic), and a device.

    device: "auto", "cpu" or "cuda": where learners that descend do so. checkpoint: a file from which their training
    goes on where it was stopped, and in which it is kept while it runs; None: nowhere.
    """

    seconds: float = 240.0
    start: float = field(default_factory=time.monotonic)
    device: str = "cpu"
    checkpoint: Path | None = None

    def left(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.start + self.seconds - time.monotonic())

    def share(self, part: float) -> "Budget":
        """A budget of ``part`` (0..1) of what is left, from now, for one of several trainings: without a checkpoint."""
        return replace(self, seconds=self.left() * part, start=time.monotonic(), checkpoint=None)
