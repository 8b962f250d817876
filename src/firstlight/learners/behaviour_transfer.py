"""Behaviour transfer: what somebody will want, from what they did, learned on all domains and used as it is.

y = g(history, h_j; φ): `feature-transfer` without its steps on the support. The person is their history in the space of
the content, never an id, so that the whole model means the same in a domain that was no part of its training.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

from pydantic import Field

from firstlight.learners.feature_transfer import FeatureTransfer


class BehaviourTransfer(FeatureTransfer):
    """The settings are those of `Finetune`; with ``inner_steps`` it is `feature-transfer`."""

    name: ClassVar[str] = "behaviour-transfer"
    summary: ClassVar[str] = "intent from the history in the space of the content, learned once, used everywhere"

    inner_steps: int = Field(default=0, ge=0)

    def variants(self) -> Sequence[Self]:
        """The settings that tuning tries, this one first."""
        grid: list[dict[str, float]] = [{"embedding_size": 32}, {"drop": 0.1}, {"drop": 0.6}, {"reg": 0.1}]
        return [self, *(other for update in grid if (other := self.model_copy(update=update)) != self)]
