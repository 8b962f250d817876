"""FOMAML: MAML whose outer gradient takes the inner one for a constant.

Finn, Abbeel and Levine, ICML 2017, section 5.2; Nichol, Achiam and Schulman, arXiv 1803.02999. It costs about half of
MAML and forgets how the start changes the steps, which matters with several of them. Differs from the papers as MAML
here does.
"""

from typing import ClassVar

from firstlight.learners.inner_loop import InnerLoop


class Fomaml(InnerLoop):
    """The settings are those of `InnerLoop`."""

    name: ClassVar[str] = "fomaml"
    summary: ClassVar[str] = "MAML of first order: cheaper, blind to how the start changes the steps"
    first_order: ClassVar[bool] = True
