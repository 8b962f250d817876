"""What a network is: weights in, logits out. One network a file; which learner trains it is no concern of its.

A network is two functions. ``items`` makes of the weights what is the same for every task, once a batch. ``logits``
scores items for one task and is mapped over tasks by `torch.func.vmap`; the weights it names in ``head`` and ``body``
may differ from task to task, which is how the inner loop reaches them. Tables of items stay out of its reach: an
adaptable table costs four times the memory and ninety times the time.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn.functional import linear

from firstlight.meta.episodes import Task
from firstlight.models.starts import leading_tastes, leading_vectors
from firstlight.tasks import Corpus

Weights = Mapping[str, Tensor]
Items = Mapping[str, Tensor]
"""What a network knows of M items: name -> (M, ...)."""

SHRINK = 2.0
STARS = 0.3


@dataclass(frozen=True)
class Ground:
    """What is known of the items before training. corpus: the tasks. chosen: (M,) int64 the items.

    content: (M, F) float32, what the catalogue says of each; F is 0 where it says nothing.
    """

    corpus: Corpus
    chosen: Tensor
    content: Tensor

    @cached_property
    def log_popularity(self) -> Tensor:
        """(M,) the logarithm of the share of people who like an item."""
        counts = self.corpus.tasks.item_counts(self.corpus.n_items)[self.chosen]
        return torch.log((counts + 0.5) / max(len(self.corpus.tasks), 1))

    @cached_property
    def mean_grade(self) -> Tensor:
        """(M,) the mean grade of each item, as if two more people had given it the mean of all."""
        tasks = self.corpus.tasks
        count, total = torch.zeros(2, self.corpus.n_items).unbind()
        real = tasks.grades.isfinite()
        count = count.index_add(0, tasks.items[real], torch.ones_like(tasks.grades[real]))
        total = total.index_add(0, tasks.items[real], tasks.grades[real])
        usual = total.sum() / count.sum().clamp(min=1)
        return ((total + SHRINK * usual) / (count + SHRINK))[self.chosen]

    def to(self, device: str) -> "Ground":
        """The same with its tensors of items on a device."""
        moved = Ground(self.corpus, self.chosen, self.content.to(device))
        vars(moved).update(log_popularity=self.log_popularity.to(device), mean_grade=self.mean_grade.to(device))
        return moved

    @property
    def terms(self) -> int:
        """P: how many profile terms there are."""
        return self.corpus.tasks.profile.shape[1]


class Network(BaseModel, ABC):
    """Settings, frozen.

    ids: whether items have vectors of their own beside their content; else an item never seen is an ordinary one.
    stars: whether what is predicted are grades, which differ by less than logits do.
    head: the last layer's weights, which ANIL adapts; body: more of what belongs to a person. tables: weights that
    only ``items`` needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]
    head: ClassVar[tuple[str, ...]]
    body: ClassVar[tuple[str, ...]]
    tables: ClassVar[tuple[str, ...]]

    embedding_size: int = 64
    ids: bool = True
    stars: bool = False

    @property
    def scale(self) -> float:
        """The usual length of an item's vector at the start."""
        return STARS if self.stars else 1.0

    def first_vectors(self, ground: Ground, chance: torch.Generator) -> Tensor:
        """(M, D) vectors of the items to begin with: what is liked together, or rated alike."""
        known = (ground.corpus, ground.chosen)
        if self.stars:
            return STARS * leading_tastes(*known, ground.mean_grade, self.embedding_size, chance)
        return leading_vectors(*known, self.embedding_size, chance)

    @abstractmethod
    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        """The weights to begin with."""

    @abstractmethod
    def items(self, weights: Weights, ground: Ground) -> Items:
        """What is known of the items of ``ground``, each tensor (M, ...)."""

    @abstractmethod
    def logits(self, weights: Weights, items: Items, support: Items, task: Task) -> Tensor:
        """(n,) of n items for one task, to which the level of each will be added: log-popularity or mean grade.

        items: the rows of the n items. support: the rows of the S items of the task's support; the ``grades`` of
        ``task`` say which are real.
        """

    def inner_logits(self, weights: Weights, items: Items, support: Items, task: Task) -> Tensor:
        """(n,) that the inner loop descends on: the logits themselves unless a network learns it a loss of its own."""
        return self.logits(weights, items, support, task)


class LinearHead(Network):
    """A network whose logits are linear in the head: in ``taste``, and where that is fast, in ``offset``.

    Its three parts take one task or a batch alike, so that a batch of tasks needs no ``vmap`` as long as nothing but
    the head is fast.
    """

    head: ClassVar[tuple[str, ...]] = ("taste", "offset")

    @abstractmethod
    def vector(self, weights: Weights, task: Task) -> Tensor:
        """(..., D) of the person: ``taste`` and what does not change in the inner loop, times ``keep``."""

    @abstractmethod
    def features(self, weights: Weights, vectors: Tensor) -> Tensor:
        """(..., n, D) what the inner loop's logits are linear in. vectors: ``vector`` of the items."""

    @abstractmethod
    def read_out(self, weights: Weights, person: Tensor) -> Tensor:
        """(..., D) what meets ``readout`` of the items. person: of ``vector``."""

    def logits(self, weights: Weights, items: Items, support: Items, task: Task) -> Tensor:
        person = self.read_out(weights, self.vector(weights, task))
        return linear(person, items["readout"]) + items["bias"] + self.scale * weights["offset"]

    def inner_logits(self, weights: Weights, items: Items, support: Items, task: Task) -> Tensor:
        """Through the vectors that events are known by, which are not those that items are read out through."""
        features = self.features(weights, items["vector"])
        return linear(self.vector(weights, task), features) + items["bias"] + self.scale * weights["offset"]
