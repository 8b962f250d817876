"""MeLU and MAMO: the conformance suite, the memories, and stars."""

import pytest
import torch
from conformance import Conformance, cases, simulated, training
from torch import Tensor

from firstlight.evaluate.comparison import difference, resamples
from firstlight.evaluate.ranking import ablate
from firstlight.evaluate.tuning import measure
from firstlight.learners.base import Learner
from firstlight.learners.mamo import PROFILES, Mamo
from firstlight.learners.melu import Melu
from firstlight.meta.episodes import Task
from firstlight.tasks import Corpus, TaskSet

MELU = Melu(steps=60, embedding_size=16, hidden=16, candidates=80)
MAMO = Mamo(steps=60, batch=64, embedding_size=16, rows=3)


class TestMelu(Conformance):
    learner = MELU
    floor = 1.2
    exact = False


class TestMamo(Conformance):
    learner = MAMO
    floor = 1.5
    exact = False


@pytest.mark.parametrize("learner", [MELU, MAMO], ids=["melu", "mamo"])
def test_it_beats_itself_not_adapted(learner: Learner) -> None:
    corpus, _ = simulated()
    batch = cases(5)
    found = ablate(learner, learner.fit(training(), seed=1), batch.support, corpus.n_items)
    adapted, before = (measure(lists, batch)["ndcg@10"] for lists in (found.adapted.lists, found.unadapted))
    assert difference(adapted, before, resamples(len(batch))).low > 0


def task(profile: Tensor) -> Task:
    count = len(profile)
    return Task(torch.zeros(count, 2, dtype=torch.int64), torch.zeros(count, 2), profile, torch.ones(count, 1))


def test_attention_is_even_for_strangers_and_looks_at_the_like_profile() -> None:
    tensors = {PROFILES: torch.eye(3)}
    looks = MAMO.attention(tensors, task(torch.tensor([[0.0, 0, 0], [0, 1, 0]])))
    assert torch.allclose(looks[0], torch.full((3,), 1 / 3))
    assert looks[1, 1] > 0.99


def test_memories_are_written_in_proportion_to_the_attention() -> None:
    """Row k moves by the write rate to the weighted mean of what the people who look at it became."""
    learner = MAMO.model_copy(update={"adaptable": ("taste",)})
    memory = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    tensors = {PROFILES: torch.eye(3), "taste": torch.tensor([1.0, 0.0]), "memory.taste": memory}
    became = torch.tensor([[0.0, 0.0], [5.0, 0.0]])
    people = task(torch.tensor([[1.0, 0, 0], [0, 1, 0]]))
    attention = learner.attention(tensors, people)
    written = learner.written(tensors, {"taste": became}, people)
    rate = learner.write_rate
    for row in range(3):
        share = attention[:, row] / attention[:, row].sum()
        mean = (share[:, None] * (tensors["taste"] - became)).sum(0)
        assert torch.allclose(written["memory.taste"][row], (1 - rate) * memory[row] + rate * mean, atol=1e-5)
    assert written[PROFILES].shape == (3, 3)


def test_people_of_another_profile_begin_elsewhere() -> None:
    """A memory row that only one kind of person looks at moves the start of that kind alone."""
    learner = MAMO.model_copy(update={"adaptable": ("taste",)})
    tensors = {PROFILES: torch.eye(3), "taste": torch.zeros(2), "memory.taste": torch.zeros(3, 2)}
    tensors["memory.taste"][1] = torch.tensor([4.0, 0.0])
    begun = learner.beginnings(tensors, task(torch.eye(3)))["taste"]
    assert torch.allclose(begun[1], torch.tensor([-learner.tau * 4.0, 0.0]), atol=1e-2)
    assert begun[[0, 2]].abs().max() < 1e-2


def rated(people: int = 400, items: int = 40, seed: int = 0) -> Corpus:
    """Stars of a known truth: how good an item is, and two kinds of people who like opposite halves."""
    chance = torch.Generator().manual_seed(seed)
    kind = torch.randint(2, (people, 1), generator=chance) * 2 - 1
    side = (torch.arange(items) < items // 2).float() * 2 - 1
    good = 0.3 * torch.randn(items, generator=chance)
    grades = good + 0.5 * kind * side + 0.05 * torch.randn(people, items, generator=chance)
    chosen = torch.stack([torch.randperm(items, generator=chance)[:20] for _ in range(people)])
    names = training().tasks.names[:1].new_from_index(0, people)
    indptr = torch.arange(people + 1) * 20
    tasks = TaskSet(names, indptr, chosen.flatten(), grades.gather(1, chosen).flatten(), torch.zeros(people, 0))
    return Corpus(tasks, items)


@pytest.mark.parametrize(
    "learner",
    [
        Mamo(loss="stars", steps=150, batch=64, embedding_size=4),
        Melu(loss="stars", steps=300, embedding_size=8, hidden=16, candidates=0, learning_rate=1e-2),
    ],
    ids=["mamo", "melu"],
)
def test_stars_are_foreseen_better_than_by_the_mean_of_the_item(learner: Learner) -> None:
    corpus = rated()
    prior = learner.fit(corpus.select(torch.arange(300)), seed=0)
    people = corpus.tasks.select(torch.arange(300, 400))
    batch = people.split(10)
    predicted = learner.adapt(prior, batch.support).scores()
    alone = learner.adapt(prior, batch.support.without_events()).scores()
    rest = torch.arange(20) >= 10
    items, grades = people.items.view(100, 20)[:, rest], people.grades.view(100, 20)[:, rest]
    error, before = ((scores.gather(1, items) - grades).square().mean() for scores in (predicted, alone))
    assert error < 0.5 * before
