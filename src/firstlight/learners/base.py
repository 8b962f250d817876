"""What every learner is: settings that can ``fit`` a prior from many tasks and ``adapt`` it to a support.

``adapt`` is a pure function of the prior and the support. It keeps nothing, changes nothing, and the answer for one
task does not depend on who else is in the batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.tasks import Corpus, NewItems, Support


@dataclass(frozen=True)
class Prior:
    """What a learner has learned. Nothing of any one person is in it.

    learner: the learner's name. settings: its settings. tensors: name -> tensor, what ``adapt`` needs.
    facts: small JSON values ``adapt`` needs or a reader wants to know (chosen weights, validation figures).
    """

    learner: str
    settings: dict[str, Any]
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Preference(ABC):
    """What a prior says after seeing a support of ``T`` tasks."""

    @abstractmethod
    def scores(self) -> Tensor:
        """(T, N) float32: higher is better; comparable within a row only. Always finite."""

    def contributions(self, items: Tensor) -> Tensor | None:
        """(T, S, n): how much each support example added to the scores of ``items`` (T, n); None if not exact."""
        return None

    def deviations(self) -> Tensor | None:
        """(T, N): how uncertain each score is, in standard deviations; None where the learner does not know."""
        return None


class Learner(BaseModel, ABC):
    """Settings, frozen. Two abstract verbs; nothing else is to be overridden but ``variants`` and ``with_items``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]
    summary: ClassVar[str]
    resumable: ClassVar[bool] = False
    """Whether training can go on from a checkpoint."""

    @abstractmethod
    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        """Learn a prior from the corpus. Deterministic by seed where the budget does not cut it short."""

    @abstractmethod
    def adapt(self, prior: Prior, support: Support) -> Preference:
        """What the prior says after seeing the support."""

    def with_items(self, prior: Prior, new: NewItems) -> Prior:
        """The prior with ``new`` after the items that it knows; what it says of those stays the same.

        What nothing but likes can tell is then unknown: such a learner puts new items where it puts unliked ones.
        """
        return replace(prior, tensors={name: _grown(name, value, new.n) for name, value in prior.tensors.items()})

    def variants(self) -> Sequence[Self]:
        """The settings that tuning tries, this one first."""
        return [self]

    def prior(self, tensors: Mapping[str, Tensor], **facts: Any) -> Prior:
        """A prior of this learner's name and settings."""
        return Prior(self.name, self.model_dump(mode="json"), tensors, facts)


def _grown(name: str, value: Tensor, n: int) -> Tensor:
    """A tensor of a prior with ``n`` more items, as its name says: nobody likes them, no row of a matrix is theirs."""
    if name in ("counts", "base", "popularity"):
        return torch.cat([value, value.new_zeros(n)])
    if name == "place":
        return torch.cat([value, value.new_full((n,), -1)])
    if name == "pointers":
        return torch.cat([value, value[-1:].expand(n)])
    return value
