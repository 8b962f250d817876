"""MAML: weights from which a few steps of descent on a support lead to a good model of its task.

Finn, Abbeel and Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", ICML 2017:

    min over θ:  Σ_i L(θ_i; query_i),      θ_i = θ − α ∇_θ L(θ; support_i), several times

with the exact second-order gradient. Differs: only what belongs to a person is fast, not the tables of items; the
weights are Adam's running average; the support's loss grows with the root of its size.
"""

from typing import ClassVar

from firstlight.learners.inner_loop import InnerLoop


class Maml(InnerLoop):
    """The settings are those of `InnerLoop`."""

    name: ClassVar[str] = "maml"
    summary: ClassVar[str] = "MAML: a start from which a few steps on the support lead to the person"
