"""MAMO: MAML whose start depends on the person, through memories that attention reads and writes.

Dong, Yuan, Yao, Xu and Zhu, "MAMO: Memory-Augmented Meta-Optimization for Cold-start Recommendation", KDD 2020. With
the profile p of a person and K memory rows:

    a = softmax of the cosine of p and the profile memory M_P        (K,)
    θ_u = φ − τ aᵀM_U              M_U: the user-embedding memory, which bias each kind of person wants
    M_u = φ_M − τ aᵀM_UI           M_UI: the memory cube of matrices between people and items

then θ_u and M_u descend on the support, φ and the rest on the query, and the memories are written with what the tasks
became: at a rate β row k moves to the mean, weighted by attention, of p, of φ − θ_u and of φ_M − M_u after descent.

Differs: the base is matrix factorisation by default, with a dot product, so that θ is the person's vector; the cube
holds departures from a common matrix; memories are written a batch at a time, in proportion to the attention; all fast
weights of a task belong to that task (the public code restores only some of them between people). Where nothing is
known of people the attention is even, and MAMO is MAML with a learned shift.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

from firstlight.learners.inner_loop import InnerLoop
from firstlight.meta.episodes import Task
from firstlight.models.base import Ground, Weights

PROFILES = "memory.profile"
SHARPNESS = 10.0
"""What cosines are multiplied by before the softmax, which else would hardly tell them apart."""


class Mamo(InnerLoop):
    """rows: K. tau: how far the memory moves the start. write_rate: β. The other settings are those of `InnerLoop`."""

    name: ClassVar[str] = "mamo"
    summary: ClassVar[str] = "MAML that starts from memories of people with a like profile"

    rows: int = Field(default=8, ge=1)
    tau: float = Field(default=0.5, ge=0, le=1)
    write_rate: float = Field(default=0.1, ge=0, le=1)

    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        weights = self.base.start(ground, chance)
        fast = {f"memory.{name}": torch.zeros(self.rows, *weights[name].shape) for name in self.fast_names()}
        return weights | fast | {PROFILES: torch.randn(self.rows, ground.terms, generator=chance)}

    def beginnings(self, tensors: Weights, task: Task) -> dict[str, Tensor]:
        """name -> (T, ...): where the inner loop of each task begins, by its profile."""
        attention = self.attention(tensors, task)
        return {
            name: tensors[name] - self.tau * torch.tensordot(attention, tensors[f"memory.{name}"].detach(), 1)
            for name in self.fast_names()
        }

    def attention(self, tensors: Weights, task: Task) -> Tensor:
        """(T, K): which rows of the memory speak for each person; even for people of whom nothing is known."""
        alike = normalize(task.profile, dim=1) @ normalize(tensors[PROFILES].detach(), dim=1).T
        return torch.softmax(SHARPNESS * alike, 1)

    @torch.no_grad()
    def written(self, tensors: Weights, fast: Weights, task: Task) -> dict[str, Tensor]:
        """The memories after a batch: each row nearer to what the people who look at it have become."""
        attention = self.attention(tensors, task)
        became = {f"memory.{name}": tensors[name] - value for name, value in fast.items()}
        share = self.write_rate * attention / attention.sum(0).clamp(min=1e-9)
        values = became | {PROFILES: task.profile}
        return {
            name: tensors[name] * (1 - self.write_rate) + torch.tensordot(share.T, value, 1)
            for name, value in values.items()
        }
