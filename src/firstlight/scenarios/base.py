"""What every learner of scenarios is: settings that ``fit`` a prior, and ``logits`` that adapt it to a support."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from firstlight.scenarios.examples import Examples, Rows

Prior = Mapping[str, Tensor]


class ScenarioLearner(BaseModel, ABC):
    """Settings, frozen. ``logits`` is pure: the answer for a row depends on it and on its task's support alone.

    knots: of the curve by which a number is read; 0: a straight line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]
    summary: ClassVar[str]
    dials: ClassVar[Mapping[str, tuple[float, ...]]] = {}
    """Setting → values that tuning tries, one setting after another."""

    knots: int = Field(default=8, ge=0, le=100)

    @abstractmethod
    def fit(self, examples: Examples, seed: int = 0) -> dict[str, Tensor]:
        """What is learned from the scenarios, as tensors. Deterministic by seed."""

    @abstractmethod
    def logits(self, prior: Prior, support: Rows, query: Tensor) -> Tensor:
        """(T, Q) log odds of yes after seeing each task's support. query: (T, Q, F)."""
