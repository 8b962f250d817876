"""MeLU: a network on embeddings of the person and the item, whose decision layers are adapted to each person.

Lee, Im, Jang, Cho and Chung, "MeLU: Meta-Learned User Preference Estimator for Cold-Start Recommendation", KDD 2019:

    prediction = w₃ᵀ relu(W₂ relu(W₁ [e_user; e_item] + b₁) + b₂) + b₃

W, b and w₃ descend on the support; the embeddings only on the query. e_user is the sum of the embeddings of what the
profile says, no id; e_item a vector of the item and one of its content.

Differs: the meta-gradient is of the second order (the public code cuts it); the published rate of 5e-6, which changes
no list, is replaced by one that does; items start from the eigenvectors of the co-occurrence and from their level.
Where there are likes alone, the inner loop takes a like for 1 and a sample of other items, the same for everybody,
for 0, and what is predicted is added to log-popularity in a softmax; with stars it is added to the item's mean grade.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from firstlight.learners.episodic import EpisodicLearner
from firstlight.meta.episodes import Episode, Task
from firstlight.models import decision
from firstlight.models.base import Ground, Weights
from firstlight.models.starts import leading_tastes, leading_vectors

SHRUNK = 0.2
"""With stars, how much of what the layers say counts at first: they begin by knowing nothing."""


class Melu(EpisodicLearner):
    """inner_steps, inner_lr: of the descent of the decision layers. hidden: their width. negatives: how many items
    stand against the likes of the support. candidates: how many items the outer loop compares with; 0: all.
    embedding_size: of a person's vector and of an item's. The other settings are those of `EpisodicLearner`.
    """

    name: ClassVar[str] = "melu"
    summary: ClassVar[str] = "a network on person and item, its decision layers adapted to each person"

    inner_steps: int = Field(default=2, ge=0)
    inner_lr: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    hidden: int = Field(default=64, ge=1)
    negatives: int = Field(default=48, ge=0)
    candidates: int = Field(default=400, ge=0)
    batch: int = Field(default=64, ge=1)

    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        size = self.embedding_size
        layers = decision.start(2 * size, self.hidden, chance)
        known = (ground.corpus, ground.chosen)
        stars = self.loss == "stars"
        return {
            "vectors": leading_tastes(*known, ground.mean_grade, size, chance)
            if stars
            else leading_vectors(*known, size, chance),
            "side": torch.zeros(ground.content.shape[1], size),
            "profile": 0.1 * torch.randn(ground.terms, size, generator=chance),
            "bias": torch.zeros(len(ground.chosen)),
            "scale": torch.tensor(SHRUNK if stars else 1.0),
            **{f"layer.{name}": value for name, value in layers.items()},
        }

    def settled(self, weights: Weights, ground: Ground) -> Weights:
        """The weights, with one vector for each item, and the items that stand against the likes of a support."""
        kept = {name: value for name, value in weights.items() if name not in ("vectors", "side")}
        share = torch.softmax(0.5 * ground.log_popularity, 0).cpu()
        size = min(self.negatives, len(share)) if self.loss == "softmax" else 0
        drawn = torch.multinomial(share, max(size, 1), generator=torch.Generator().manual_seed(0))[:size].sort().values
        items = weights["vectors"] + ground.content @ weights["side"]
        return {**kept, "items": items, "negatives": drawn.to(items.device), "inner_level": self.level(ground)}

    def objective(self, weights: Weights, episode: Episode, ground: Ground) -> tuple[Tensor, Weights]:
        """The loss after adapting, on all items or on a sample of them."""
        settled = self.settled(weights, ground)
        if not 0 < self.candidates < len(ground.chosen):
            return self.query_loss(self.logits(settled, episode.task), episode, ground), {}

        def logits(task: Task, columns: Tensor) -> Tensor:
            # The support is one of all items, the query one of those sampled.
            return self._ranked(settled, episode.task, columns)

        return self.sampled_loss(logits, episode, ground, self.candidates), {}

    def logits(self, tensors: Weights, task: Task) -> Tensor:
        return self._ranked(tensors, task, torch.arange(len(tensors["items"]), device=tensors["items"].device))

    def _ranked(self, tensors: Weights, task: Task, columns: Tensor) -> Tensor:
        """(T, n) of the items at ``columns``."""
        layers = {name.removeprefix("layer."): value for name, value in tensors.items() if name.startswith("layer.")}
        person = (task.profile @ tensors["profile"]) * task.keep
        found = decision.rank_all(layers, self._fast(layers, tensors, task, person), person, tensors["items"][columns])
        return tensors["scale"] * found + tensors["bias"][columns]

    def _fast(self, layers: Weights, tensors: Weights, task: Task, person: Tensor) -> decision.Fast | None:
        if not self.inner_steps:
            return None
        against = tensors["negatives"].expand(len(person), -1)
        columns = torch.cat([task.columns, against], 1)
        known, size = task.grades.abs(), max(against.shape[1], 1)
        known = (known > 0).to(known.dtype) if self.loss == "stars" else known
        # The negatives of a task weigh together as much as its examples, so that an empty support moves nothing.
        weight = torch.cat([known, known.sum(1, keepdim=True).expand_as(against) / size], 1)
        if self.loss == "stars":
            target = task.grades - tensors["inner_level"][task.columns] - tensors["bias"][task.columns]
        else:
            target = torch.cat([task.grades.sign(), torch.zeros_like(against, dtype=known.dtype)], 1)
        return decision.adapt(
            layers,
            tensors["items"][columns],
            target,
            weight,
            rate=self.inner_lr,
            steps=self.inner_steps,
            person=person,
        )
