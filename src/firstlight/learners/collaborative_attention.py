"""Collaborative attention: attention both ways between a person's events and the items, adapted by MAML.

What a person did is weighed anew for each item, what an item is anew for each person, and what is learned of the task
comes from its events, its items' content and its profile, so that a new one needs no id (Bahdanau, Cho and Bengio,
ICLR 2015, for the attention; Finn, Abbeel and Levine, ICML 2017, for the training):

    min over θ:  Σ_i L(θ_i; query_i),      θ_i = θ − α ∇_θ L(θ; support_i)

The fast weights θ_i are the taste and the two vectors that attention asks with. Differs from published attention over
histories (Zhou et al., Deep Interest Network, KDD 2018): shares add up to 1 over the events of one person, masked;
dislikes count against; the rarer an event's item, the more it counts at the start.
"""

from typing import ClassVar, Literal

from pydantic import Field

from firstlight.learners.inner_loop import InnerLoop


class CollaborativeAttention(InnerLoop):
    """The settings are those of `InnerLoop`."""

    name: ClassVar[str] = "collaborative-attention"
    summary: ClassVar[str] = "attention between events and items both ways, adapted by MAML"

    network: Literal["collaborative-attention"] = "collaborative-attention"
    inner_steps: int = Field(default=1, ge=0)
    inner_lr: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    negatives: int = Field(default=256, ge=0)
    candidates: int = Field(default=800, ge=0)
    learning_rate: float = Field(default=3e-3, gt=0, allow_inf_nan=False)
    steps: int = Field(default=200, ge=0)
    batch: int = Field(default=128, ge=1)
    most: int = Field(default=12, ge=1)
