"""ANIL: MAML that adapts the last layer alone.

Raghu, Raghu, Bengio and Vinyals, "Rapid Learning or Feature Reuse?", ICLR 2020: the features learned by MAML hardly
move in its inner loop, the head does. Here the head is the person's vector, a linear read-out of the items' vectors.
Differs from the paper as MAML here does.
"""

from typing import ClassVar

from pydantic import Field

from firstlight.learners.inner_loop import InnerLoop


class Anil(InnerLoop):
    """The settings are those of `InnerLoop`."""

    name: ClassVar[str] = "anil"
    summary: ClassVar[str] = "MAML that adapts the last layer alone, the person's vector"
    adapts_body: ClassVar[bool] = False

    steps: int = Field(default=600, ge=0)
    batch: int = Field(default=512, ge=1)
    learning_rate: float = Field(default=6e-3, gt=0, allow_inf_nan=False)
    drop: float = Field(default=0.4, ge=0, lt=1)
    inner_steps: int = Field(default=2, ge=0)
    inner_lr: float = Field(default=0.6, ge=0, allow_inf_nan=False)
