"""What the learners trained on episodes share: one fit, one adapt; they differ in weights and logits."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal

import polars as pl
import torch
from pydantic import Field
from torch import Tensor

from firstlight.budget import Budget, Progress, device, silent
from firstlight.cooccurrence import most_liked
from firstlight.errors import DataError
from firstlight.learners.base import Learner, Prior
from firstlight.learners.covered import Covered, coverage
from firstlight.meta.episodes import Episode, Episodes, Task, cut
from firstlight.meta.losses import OUT, ndcg, softmax_loss, squared_loss
from firstlight.meta.outer import Outer, learn
from firstlight.meta.sampled import sampled
from firstlight.models.base import Ground, Weights
from firstlight.models.starts import content_vectors
from firstlight.tasks import Corpus, Support

VALIDATION_SHARE, VALIDATION_MOST = 0.1, 512
VALIDATION_STEPS = (-1, -2)
"""The numbers of the episodes that early stopping looks at, which no step of training has."""


class EpisodicLearner(Learner):
    """Weights trained on episodes, so that they are good after adapting.

    loss: "softmax" scores by the probability that the person likes the item, a softmax over all items times the usual
    number of likes; "stars" by the grade that the person is expected to give.
    embedding_size: of the item vectors. drop: dropout on the person. steps, batch, learning_rate: of training; most:
    the largest support trained on. clip: the largest norm of the gradient. reg: AdamW's decay of the weights.
    patience: looks at validation tasks, a tenth of all, without progress before training stops; 0: it learns from all
    tasks and never stops early.
    graded: whether supports hold dislikes too, and grades count, in training as well; always with stars.
    max_items: how many of the most liked items are covered; the others are scored by popularity alone.
    """

    resumable: ClassVar[bool] = True

    loss: Literal["softmax", "stars"] = "softmax"
    embedding_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0, allow_inf_nan=False)
    steps: int = Field(default=400, ge=0)
    drop: float = Field(default=0.3, ge=0, lt=1)
    batch: int = Field(default=256, ge=1)
    most: int = Field(default=20, ge=1)
    clip: float = Field(default=10.0, gt=0)
    reg: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    patience: int = Field(default=0, ge=0)
    graded: bool = False
    max_items: int = Field(default=8_000, ge=1)

    @abstractmethod
    def start(self, ground: Ground, chance: torch.Generator) -> dict[str, Tensor]:
        """The weights to begin with."""

    @abstractmethod
    def logits(self, tensors: Weights, task: Task) -> Tensor:
        """(T, M), to which the level of each item will be added.

        tensors: what ``settled`` returned. task: batched; with dropout in ``keep`` while training.
        """

    def level(self, ground: Ground) -> Tensor:
        """(M,) where each item stands with people of whom nothing is known: its log-popularity, or its mean grade."""
        return ground.mean_grade if self.loss == "stars" else ground.log_popularity

    def settled(self, weights: Weights, ground: Ground) -> Weights:
        """What ``logits`` needs of the weights: here the weights themselves."""
        return weights

    def covers_all(self) -> bool:
        """Whether items without likes have vectors too, from their content: not unless a learner says so."""
        return False

    def objective(self, weights: Weights, episode: Episode, ground: Ground) -> tuple[Tensor, Weights]:
        """The loss of a batch, and weights that are written rather than descended: here none."""
        return self.query_loss(self.logits(self.settled(weights, ground), episode.task), episode, ground), {}

    def query_loss(self, logits: Tensor, episode: Episode, ground: Ground) -> Tensor:
        """The loss of (T, M) logits on the query."""
        return (squared_loss if self.loss == "stars" else softmax_loss)(logits + self.level(ground), episode)

    def sampled_loss(
        self, logits: Callable[[Task, Tensor], Tensor], episode: Episode, ground: Ground, size: int
    ) -> Tensor:
        """The same on a sample of about ``size`` items. logits: of the tasks and the columns (n,) sampled, (T, n)."""
        sample = sampled(episode, len(ground.chosen), size)
        found = logits(episode.task, sample.columns) + self.level(ground)[sample.columns]
        if self.loss == "stars":
            return squared_loss(found, sample.episode)
        return softmax_loss(found - sample.log_chance[sample.columns], sample.episode)

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        budget = budget or Budget()
        place = device(budget.device)
        learned, aside = held_out(corpus, seed) if self.patience else (corpus, corpus)
        chosen = most_liked(learned.tasks, corpus.n_items, self.max_items)
        if not len(chosen):
            raise DataError(f"{self.name} learns from likes, and nobody likes anything: bring events that do.")
        content = content_vectors(corpus, seed=seed)
        ground = Ground(learned, chosen, content[chosen])
        training = self._episodes(learned, chosen, seed, self.batch, self.drop)
        validation = self._episodes(aside, chosen, seed, VALIDATION_MOST, 0.0)
        weights = self.start(ground, torch.Generator().manual_seed(seed))
        there = ground.to(place)
        if len(training):
            weights = learn(
                weights,
                lambda w, step: self.objective(w, training.batch(step).to(place), there),
                Outer(self.steps, self.learning_rate, self.clip, self.reg, self.patience),
                budget=replace(budget, device=place),
                progress=progress,
                name=self.name,
                validate=lambda w: self._validate(w, validation, there, place),
                key=f"{self.name} {self.model_dump_json()} seed {seed}, data {fingerprint(corpus)}",
            )
        if self.covers_all():
            chosen = torch.arange(corpus.n_items)
            ground = Ground(learned, chosen, content)
        with torch.no_grad():
            settled = self.settled(weights, ground)
        likes = corpus.tasks.item_counts(corpus.n_items).sum().reshape(1) / max(len(corpus.tasks), 1)
        known = {**coverage(corpus, chosen), "level": self.level(ground), "usual_likes": likes}
        if self.loss == "stars":  # what is not covered stands below what is
            known["popularity"] = known["popularity"] + known["level"].min() - 1
        return self.prior({**known, **settled})

    def adapt(self, prior: Prior, support: Support) -> "EpisodicPreference":
        return EpisodicPreference(prior, support, lambda task: self.logits(prior.tensors, task), self.loss == "stars")

    def _episodes(self, corpus: Corpus, chosen: Tensor, seed: int, size: int, drop: float) -> Episodes:
        return cut(
            corpus,
            chosen,
            size=size,
            most=self.most,
            seed=seed,
            graded=self.graded or self.loss == "stars",
            dimensions=self.embedding_size,
            drop=drop,
        )

    @torch.no_grad()
    def _validate(self, weights: Weights, episodes: Episodes, ground: Ground, device: str) -> float:
        settled = self.settled(weights, ground)
        found = []
        for step in VALIDATION_STEPS:
            episode = episodes.batch(step).to(device)
            logits = self.logits(settled, episode.task)
            stars = self.loss == "stars"
            found.append(
                self.query_loss(logits, episode, ground) if stars else -ndcg(logits + self.level(ground), episode)
            )
        return float(torch.stack(found).mean())


def held_out(corpus: Corpus, seed: int) -> tuple[Corpus, Corpus]:
    """The tasks to learn from, and those of a tenth of the people to stop by; all for both where there are too few.

    Nothing of the latter is in what training begins with: what is counted of them would flatter the beginning.
    """
    person = torch.from_numpy(corpus.tasks.names.rank("dense").cast(pl.Int64).to_numpy() - 1)
    people = int(person.max()) + 1 if len(person) else 0
    size = min(VALIDATION_MOST, int(people * VALIDATION_SHARE))
    if not size:
        return corpus, corpus
    aside = torch.zeros(people, dtype=torch.bool)
    aside[torch.randperm(people, generator=torch.Generator().manual_seed(seed))[:size]] = True
    rest, few = ((aside[person] == there).nonzero()[:, 0] for there in (False, True))
    return corpus.select(rest), corpus.select(few)


def fingerprint(corpus: Corpus) -> str:
    """Of who did what in it, to tell one corpus from another."""
    parts = (corpus.tasks.indptr, corpus.tasks.items, corpus.tasks.grades, corpus.tasks.profile)
    found = hashlib.sha256(str(corpus.n_items).encode())
    for part in parts:
        found.update(part.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


class EpisodicPreference(Covered):
    """logits: of a batch of tasks, (T, M), without the level. stars: whether they are grades, not logits."""

    def __init__(self, prior: Prior, support: Support, logits: Callable[[Task], Tensor], stars: bool) -> None:
        super().__init__(prior, support)
        self._logits, self._stars = logits, stars

    def task(self) -> Task:
        """The support as training knows it."""
        ones = torch.ones(len(self.support), 1)
        return Task(self.column, self.weight, self.support.profile, ones)

    @torch.no_grad()
    def covered(self) -> Tensor:
        """(T, M): expected grades, or a softmax over the items not in the support, times the usual number of likes."""
        if not len(self.support):
            return torch.zeros(0, len(self.tensors["chosen"]))
        logits = self._logits(self.task()).add_(self.tensors["level"])
        if self._stars:
            return logits
        logits.scatter_add_(1, self.column, (self.weight != 0) * OUT)
        return torch.softmax(logits, 1).mul_(self.tensors["usual_likes"])
