"""What all that learn from episodes share: adapting helps, dislikes count, training stops and goes on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conformance import Conformance, same, simulated, support, tiny, training
from gradients import chance
from kinds import INNER, each_kind, quick
from torch import Tensor

from firstlight.budget import Budget
from firstlight.errors import SettingsError
from firstlight.evaluate.comparison import difference, resamples
from firstlight.evaluate.metrics import MAIN
from firstlight.evaluate.tuning import measure
from firstlight.learners.anil import Anil
from firstlight.learners.base import Learner
from firstlight.learners.episodic import EpisodicLearner, held_out
from firstlight.learners.inner_loop import InnerLoop
from firstlight.learners.maml import Maml
from firstlight.learners.reptile import Reptile
from firstlight.learners.ridge import Ridge
from firstlight.learners.set_encoder import SetEncoder
from firstlight.ranking import top
from firstlight.tasks import Support, TaskBatch


class TestSetEncoder(Conformance):
    learner = SetEncoder(embedding_size=32, steps=120, batch=128)
    floor = 1.6
    exact = False


@pytest.mark.parametrize(
    "learner",
    [
        *(kind(embedding_size=16, steps=60, batch=64) for kind in INNER),
        Ridge(embedding_size=16, steps=60, batch=64),
        SetEncoder(embedding_size=32, steps=300, batch=128),
    ],
    ids=lambda learner: learner.name,
)
def test_it_is_better_than_itself_not_adapted(learner: Learner) -> None:
    corpus, people = simulated()
    everybody = torch.cat([people.validation, people.test])
    prior = learner.fit(training(), seed=0)
    batch = people.cases(corpus, everybody, 5)

    def found(known: Support, batch: TaskBatch) -> Tensor:
        """NDCG@10 of each person; what the person knows is out of both lists."""
        return measure(top(learner.adapt(prior, known).scores(), 20, batch.support), batch)[MAIN]

    ours, theirs = found(batch.support, batch), found(batch.support.without_events(), batch)
    assert difference(ours, theirs, resamples(len(batch))).low > 0


@each_kind
def test_what_is_disliked_falls_and_takes_what_is_like_it_along(kind: type[EpisodicLearner]) -> None:
    # Two kinds of items that are never liked by the same person.
    drawn = chance()
    people = [(torch.randperm(10, generator=drawn)[:5] + 10 * (n % 2)).tolist() for n in range(120)]
    learner = kind.model_validate({"embedding_size": 8, "steps": 60, "batch": 64, "drop": 0.0})
    prior = learner.fit(tiny(people, 20), seed=0)

    def logits(rows: list[tuple[int, float]]) -> Tensor:
        preference = learner.adapt(prior, support([rows], 0, width=1))
        return torch.log_softmax(learner.logits(prior.tensors, preference.task()), 1)[0]

    nothing, liked, disliked = logits([]), logits([(3, 1.0)]), logits([(3, -1.0)])
    assert liked[3] > nothing[3] > disliked[3]
    assert liked[:10].exp().sum() > nothing[:10].exp().sum() > disliked[:10].exp().sum()


class Killed(Exception):
    """Stands for whatever ends a run at once."""


@pytest.mark.parametrize(("kind", "patience"), [(Maml, 9), (Reptile, 0), (Ridge, 9), (SetEncoder, 0)])
def test_a_killed_training_goes_on_to_the_same_prior(
    kind: type[EpisodicLearner], patience: int, tmp_path: Path
) -> None:
    learner = quick(kind, steps=75, patience=patience, **({"inner_steps": 1} if issubclass(kind, InnerLoop) else {}))
    budget = Budget(checkpoint=tmp_path / "state")

    def die(step: str, share: float) -> None:
        if share > 0.7:
            raise Killed

    with pytest.raises(Killed):
        learner.fit(training(), seed=3, budget=budget, progress=die)
    steps = []
    resumed = learner.fit(training(), seed=3, budget=budget, progress=lambda step, _: steps.append(step))
    assert steps[0].endswith("step 51 of 75")
    assert same(resumed.tensors, learner.fit(training(), seed=3).tensors)


def test_the_checkpoint_of_another_learner_seed_or_corpus_is_refused(tmp_path: Path) -> None:
    budget, learner = Budget(checkpoint=tmp_path / "state"), quick(Maml)
    learner.fit(training(), seed=0, budget=budget)
    with pytest.raises(SettingsError, match="belongs to another training"):
        learner.fit(training(), seed=1, budget=budget)
    with pytest.raises(SettingsError, match="belongs to another training"):
        quick(Anil).fit(training(), seed=0, budget=budget)
    with pytest.raises(SettingsError, match="belongs to another training"):
        quick(Maml, inner_lr=0.1).fit(training(), seed=0, budget=budget)
    with pytest.raises(SettingsError, match="belongs to another training"):
        learner.fit(training().select(torch.arange(50)), seed=0, budget=budget)


def test_early_stopping_learns_from_the_others_and_ends_sooner() -> None:
    steps = []
    learner = quick(Ridge, steps=2_000, patience=2, batch=32, learning_rate=0.05)
    prior = learner.fit(training(), seed=0, progress=lambda step, _: steps.append(step))
    assert len(steps) < 2_000
    assert all(bool(value.isfinite().all()) for value in prior.tensors.values())


def test_nobody_is_learned_from_and_stopped_by() -> None:
    """All tasks of a person are on one side, also where a person has one for each category."""
    corpus = training().with_pools(torch.arange(training().n_items) % 3)
    rest, aside = held_out(corpus, seed=0)
    assert len(rest.tasks) + len(aside.tasks) == len(corpus.tasks)
    assert not set(rest.tasks.names) & set(aside.tasks.names)
    people = corpus.tasks.names.n_unique()
    assert aside.tasks.names.n_unique() == people // 10
    assert rest.pool is not None
    assert len(rest.pool) == len(rest.tasks)


def test_training_begins_with_nothing_of_those_it_is_stopped_by() -> None:
    """Where training is stopped at once, what only they did is not in the prior."""
    learner = quick(Ridge, steps=0, patience=2)
    rest, aside = held_out(training(), seed=0)
    other = replace(aside.tasks, items=(aside.tasks.items + 7) % training().n_items)
    changed = [replace(training(), tasks=rest.tasks.and_also(tasks)) for tasks in (aside.tasks, other)]
    assert [held_out(corpus, seed=0)[1].tasks.names.to_list() for corpus in changed] == [
        aside.tasks.names.to_list()
    ] * 2
    first, second = (learner.fit(corpus, seed=0).tensors for corpus in changed)
    for name in ("vectors", "readout", "level", "chosen"):
        assert torch.equal(first[name], second[name])


def test_the_checkpoint_of_another_corpus_of_as_many_people_is_refused(tmp_path: Path) -> None:
    budget, learner = Budget(checkpoint=tmp_path / "state"), quick(Maml)
    learner.fit(tiny([[0, 1, 2], [2, 1, 3]], 5), budget=budget)
    for other in (tiny([[0, 1, 2], [2, 1, 0]], 5), tiny([[0, 1, 2], [2, 1, 4]], 5)):
        with pytest.raises(SettingsError, match="belongs to another training"):
            learner.fit(other, budget=budget)
