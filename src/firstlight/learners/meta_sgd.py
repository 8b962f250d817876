"""Meta-SGD: MAML that also learns how far to go, with a rate of its own for each parameter.

Li, Zhou, Chen and Li, "Meta-SGD: Learning to Learn Quickly for Few-Shot Learning", arXiv 1707.09835:

    θ_i = θ − α ∘ ∇_θ L(θ; support_i),      θ and α learned.

Differs: rates are kept positive (α = exp of what is learned), several steps are allowed, and as MAML here does.
"""

from typing import ClassVar

from pydantic import Field

from firstlight.learners.inner_loop import InnerLoop


class MetaSgd(InnerLoop):
    """inner_lr: what all rates begin with. The other settings are those of `InnerLoop`."""

    name: ClassVar[str] = "meta-sgd"
    summary: ClassVar[str] = "MAML with a learned rate for each parameter"
    learns_rates: ClassVar[bool] = True

    inner_lr: float = Field(default=0.3, gt=0, allow_inf_nan=False)
