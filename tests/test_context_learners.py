"""Learners whose adaptation is a context computed from the support: prototypes and the neural process."""

import functools

import numpy as np
import polars as pl
import pytest
import torch
from conformance import Conformance, simulated, training
from torch import Tensor

from firstlight.evaluate.comparison import difference, resamples
from firstlight.evaluate.metrics import MAIN
from firstlight.evaluate.tuning import measure
from firstlight.learners.base import Prior
from firstlight.learners.episodic import EpisodicLearner
from firstlight.learners.neural_process import (
    NeuralProcess,
    attended,
    divergence,
    encoded,
    latent_of,
)
from firstlight.learners.prototypes import Prototypes
from firstlight.meta.episodes import Episode, Task
from firstlight.models.base import Ground
from firstlight.ranking import top
from firstlight.tasks import Corpus, TaskSet

SMALL = (
    Prototypes(embedding_size=16, steps=120, batch=64, learning_rate=1e-2),
    NeuralProcess(embedding_size=16, latent_size=8, attention_size=8, hidden=24, steps=120, batch=64),
)
BOTH = pytest.mark.parametrize("learner", SMALL, ids=lambda learner: learner.name)


class TestPrototypes(Conformance):
    learner = SMALL[0]
    floor = 2.0
    exact = False


class TestNeuralProcess(Conformance):
    learner = SMALL[1]
    floor = 2.0
    exact = False


@functools.cache
def fitted(learner: EpisodicLearner) -> Prior:
    return learner.fit(training(), seed=1)


def random_weights(learner: EpisodicLearner, seed: int = 0) -> tuple[dict[str, Tensor], Task]:
    """Weights of no meaning in float64 as ``logits`` takes them, for 11 items with 3 features; and a task batch."""
    chance = torch.Generator().manual_seed(seed)
    corpus = graded_world(people=20, items=11, seed=1)
    ground = Ground(corpus, torch.arange(11), torch.randn(11, 3, generator=chance))
    weights = {
        name: 0.5 * torch.randn(value.shape, generator=chance) for name, value in learner.start(ground, chance).items()
    }
    tensors = {name: value.double() for name, value in learner.settled(weights, ground).items()}
    columns = torch.tensor([[3, 5, 3], [7, 0, 0], [0, 0, 0]])
    grades = torch.tensor([[1.0, -0.5, 2.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    profile = torch.randn(3, 2, generator=chance).double()
    return tensors, Task(columns, grades, profile, torch.ones(3, 1, dtype=torch.float64))


def graded_world(people: int = 300, items: int = 30, seed: int = 0) -> Corpus:
    """Everybody grades all items, in a random order: the item's mean and a product of a taste and a kind, of rank 2."""
    chance = torch.Generator().manual_seed(seed)
    tastes, kinds = torch.randn(people, 2, generator=chance), torch.randn(items, 2, generator=chance)
    grades = 0.3 * torch.randn(items, generator=chance) + 0.5 * tastes @ kinds.T
    order = torch.rand(people, items, generator=chance).argsort(1)
    names = pl.Series([str(n) for n in range(people)])
    indptr = torch.arange(people + 1) * items
    profile = torch.zeros(people, 2)
    return Corpus(TaskSet(names, indptr, order.flatten(), grades.gather(1, order).flatten(), profile), items)


def test_prototypes_are_the_formula() -> None:
    tensors, task = random_weights(SMALL[0])
    found = SMALL[0].logits(tensors, task)
    own = {name: value.numpy() for name, value in tensors.items()}
    for t in range(3):
        total, weight = np.exp(own["log_count"]) * (own["mean"] + task.profile[t].numpy() @ own["profile"]), 0.0
        for column, grade in zip(task.columns[t].tolist(), task.grades[t].tolist(), strict=True):
            total, weight = total + grade * own["events"][column], weight + abs(grade)
        prototype = total / (np.exp(own["log_count"]) + weight)
        first, slope = own["log_temperature"]
        for j, candidate in enumerate(own["candidates"]):
            distance = ((prototype - candidate) ** 2).sum()
            offset = own["bias"][j] + np.exp(first) * (candidate**2).sum()
            expected = offset - np.exp(first + slope * np.log1p(weight)) * distance
            assert float(found[t, j]) == pytest.approx(float(expected), rel=1e-9, abs=1e-9)


def test_the_attention_of_the_neural_process_is_the_formula() -> None:
    tensors, task = random_weights(SMALL[1])
    found = attended(tensors, task)
    own = {name: value.numpy() for name, value in tensors.items()}
    for t in range(3):
        events = [pair for pair in zip(task.columns[t].tolist(), task.grades[t].tolist(), strict=True) if pair[1] != 0]
        for j in range(11):
            near = [np.exp(own["query"][j] @ own["key"][column]) for column, _ in events]
            says = [grade * own["readout"][j] @ own["value"][column] for column, grade in events]
            expected = sum(a * b for a, b in zip(near, says, strict=True)) / (1 + sum(near))
            assert float(found[t, j]) == pytest.approx(float(expected), rel=1e-9, abs=1e-9)


@BOTH
def test_masked_examples_have_no_influence(learner: EpisodicLearner) -> None:
    tensors, task = random_weights(learner)
    padded = task._replace(
        columns=torch.cat([torch.full((3, 2), 9), task.columns], 1),
        grades=torch.cat([torch.zeros(3, 2, dtype=torch.float64), task.grades], 1),
    )
    assert torch.allclose(learner.logits(tensors, padded), learner.logits(tensors, task), rtol=1e-9)


@BOTH
def test_the_order_of_events_does_not_matter_and_a_dislike_is_no_like(learner: EpisodicLearner) -> None:
    tensors, task = random_weights(learner)
    turned = task._replace(columns=task.columns.flip(1), grades=task.grades.flip(1))
    assert torch.allclose(learner.logits(tensors, turned), learner.logits(tensors, task), rtol=1e-9)
    other = learner.logits(tensors, task._replace(grades=task.grades.abs()))
    assert not torch.allclose(other[:2], learner.logits(tensors, task)[:2])


def test_the_divergence_is_nought_when_the_support_is_all_there_is() -> None:
    tensors, task = random_weights(SMALL[1])
    nothing = Episode(task, torch.zeros(3, 4, dtype=torch.int64), torch.zeros(3, 4, dtype=torch.float64))
    something = Episode(task, torch.tensor([[1], [2], [4]]), torch.ones(3, 1, dtype=torch.float64))
    prior, same, other = (latent_of(tensors, encoded(tensors, t)) for t in (task, nothing.whole(), something.whole()))
    assert torch.allclose(divergence(same, prior), torch.zeros(3, dtype=torch.float64), atol=1e-12)
    assert bool((divergence(other, prior) > 1e-3).all())
    left, right = (torch.distributions.Normal(*pair) for pair in (other, prior))
    known = torch.distributions.kl_divergence(left, right).sum(1)
    assert torch.allclose(divergence(other, prior), known, rtol=1e-9)


@BOTH
def test_stars_are_foreseen_better_than_by_the_mean(learner: EpisodicLearner) -> None:
    corpus = graded_world()
    stars = learner.model_copy(update={"loss": "stars", "steps": 150, "learning_rate": 2e-2, "most": 15})
    prior = stars.fit(corpus.select(torch.arange(240)), seed=0)
    people = corpus.tasks.select(torch.arange(240, 300))
    support = people.split(10).support
    foreseen = stars.adapt(prior, support).scores()
    truth = torch.zeros(60, 30).scatter_(1, people.items.view(60, 30), people.grades.view(60, 30))
    rest = torch.ones(60, 30).scatter_(1, support.items, 0.0).bool()
    learned = corpus.tasks.items.view(300, 30)[:240]
    mean = torch.zeros(240, 30).scatter_(1, learned, corpus.tasks.grades.view(300, 30)[:240]).mean(0)
    errors = (foreseen - truth)[rest].square().mean()
    assert float(errors) < 0.5 * float((mean - truth)[rest].square().mean())


@BOTH
def test_it_ranks_better_adapted_than_not(learner: EpisodicLearner) -> None:
    corpus, people = simulated()
    batch = people.cases(corpus, torch.cat([people.validation, people.test]), 5)
    prior = fitted(learner)
    known, nothing = batch.support, batch.support.without_events()
    adapted, ablated = (
        measure(top(learner.adapt(prior, support).scores(), 20, known), batch)[MAIN] for support in (known, nothing)
    )
    assert difference(adapted, ablated, resamples(len(batch))).low > 0


def test_the_neural_process_draws_the_same_for_the_same_episode() -> None:
    learner = SMALL[1]
    task = random_weights(learner)[1]
    corpus = graded_world(people=20, items=11, seed=1)
    ground = Ground(corpus, torch.arange(11), torch.zeros(11, 0))
    weights = learner.start(ground, torch.Generator().manual_seed(0))
    single = Task(task.columns, task.grades.float(), task.profile.float(), torch.ones(3, 1))
    first, second = (Episode(single, torch.tensor([[1], [2], [n]]), torch.ones(3, 1)) for n in (4, 6))
    losses = [float(learner.objective(weights, episode, ground)[0]) for episode in (first, first, second)]
    assert losses[0] == losses[1] != losses[2]
