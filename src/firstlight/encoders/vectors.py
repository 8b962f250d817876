"""What makes dense vectors of texts: the one form that every text encoder has."""

from collections.abc import Callable
from typing import Any, Protocol

import polars as pl
from torch import Tensor

Report = Callable[[str, float], None]
"""Called with what is being done and which share of it is done (0..1)."""


def quiet(step: str, share: float) -> None:
    """The report of a caller who does not want to see any."""


class TextVectors(Protocol):
    """A fixed map from texts to ``D`` dimensions."""

    @property
    def size(self) -> int:
        """D."""

    def encode(self, texts: pl.Series, report: Report = quiet) -> Tensor:
        """(n, D) float32: a row of length 1 for each text, zeros where nothing of it is understood."""

    def state(self) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
        """What is to be saved: a JSON document, in which ``encoder`` names the kind, and tables."""
