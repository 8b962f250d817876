"""The learners of the MAML family and Reptile: conformance, and what their steps do to a person."""

import pytest
import torch
from conformance import Conformance, cases, training
from gradients import chance, gradients
from kinds import LOSSES, each_inner, graded, quick
from tiny_problem import EMPTY, beginning, episode, ground, objective

from firstlight.errors import SettingsError
from firstlight.learners import make
from firstlight.learners.anil import Anil
from firstlight.learners.fomaml import Fomaml
from firstlight.learners.inner_loop import InnerLoop
from firstlight.learners.maml import Maml
from firstlight.learners.meta_sgd import MetaSgd
from firstlight.learners.reptile import Reptile
from firstlight.meta.episodes import Task


class TestMaml(Conformance):
    learner = Maml(embedding_size=16, steps=30, batch=64)
    floor = 1.8
    exact = False


class TestFomaml(Conformance):
    learner = Fomaml(embedding_size=16, steps=30, batch=64)
    floor = 1.8
    exact = False


class TestAnil(Conformance):
    learner = Anil(embedding_size=16, steps=30, batch=64)
    floor = 1.8
    exact = False


class TestMetaSgd(Conformance):
    learner = MetaSgd(embedding_size=16, steps=30, batch=64)
    floor = 1.8
    exact = False


class TestReptile(Conformance):
    learner = Reptile(embedding_size=16, steps=30, batch=64)
    floor = 1.8
    exact = False


def rows(task: Task, index: slice) -> Task:
    return Task(*(part[index] for part in task))


@each_inner
@pytest.mark.parametrize("loss", LOSSES)
def test_a_task_adapts_as_it_would_alone(kind: type[InnerLoop], loss: str) -> None:
    learner = quick(kind, loss=loss)
    assert isinstance(learner, InnerLoop)
    settled = learner.settled({**EMPTY, **beginning(learner)}, ground())
    together = learner.logits(settled, episode().task)
    alone = [learner.logits(settled, rows(episode().task, slice(n, n + 1))) for n in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))
    # The same without the slots that are masked.
    short = episode().task._replace(columns=torch.tensor([[0, 3]]), grades=torch.ones(1, 2).double())
    short = short._replace(profile=short.profile[:1], keep=short.keep[:1])
    torch.testing.assert_close(together[:1], learner.logits(settled, short))


@each_inner
def test_the_steps_go_downhill_and_none_is_made_without_events(kind: type[InnerLoop]) -> None:
    learner = quick(kind, inner_lr=0.01)
    assert isinstance(learner, InnerLoop)
    weights = {name: value.double() for name, value in learner.start(ground(torch.float32), chance(2)).items()}
    settled = learner.settled(weights, ground())
    start, fast = learner.beginnings(settled, episode().task), learner.fast_weights(settled, episode().task)
    base = learner.base
    names = base.head if kind is Anil else (*base.head, *base.body)
    assert set(fast) == set(names) - {"offset"}  # a softmax does not see it
    for name, value in fast.items():
        assert torch.equal(value[1], start[name][1])
    assert bool((fast["taste"] != start["taste"])[[0, 2]].any(1).all())
    task, liked = rows(episode().task, slice(0, 1)), torch.tensor([0, 3])
    still = quick(kind, inner_steps=0)
    before, after = (torch.softmax(one.logits(settled, task), 1)[0, liked].sum() for one in (still, learner))
    assert float(after) > float(before)


@pytest.mark.parametrize("loss", LOSSES)
@each_inner
def test_without_a_step_or_a_rate_it_is_the_model_that_was_not_adapted(kind: type[InnerLoop], loss: str) -> None:
    known, corpus = cases(5).support, graded(training())
    settings = {"loss": loss, "steps": 3, "embedding_size": 8}
    still = [quick(kind, **settings, inner_steps=0)]
    if kind is not MetaSgd:
        still.append(quick(kind, **settings, inner_lr=0.0))
    for learner in still:
        assert isinstance(learner, InnerLoop)
        prior = learner.fit(corpus, seed=0)
        task, none = (learner.adapt(prior, part).task() for part in (known, known.without_events()))
        assert bool((task.grades != 0).any())
        torch.testing.assert_close(learner.logits(prior.tensors, task), learner.logits(prior.tensors, none))
        moved = learner.model_copy(update={"inner_steps": 3, "inner_lr": 0.3})
        assert not torch.allclose(moved.logits(prior.tensors, task), learner.logits(prior.tensors, none))


def test_reptile_moves_the_start_to_the_mean_of_the_ends() -> None:
    learner = quick(Reptile, inner_steps=4)
    assert isinstance(learner, Reptile)
    at = beginning(learner)
    settled = learner.settled({**EMPTY, **at}, ground())
    ends = learner.fast_weights(settled, episode().whole())
    found = gradients(lambda w: objective(learner, w), at)
    assert {"taste", "mix"} == set(ends)
    for name, value in ends.items():
        torch.testing.assert_close(found[name], at[name] - value.mean(0))
    assert float(found["taste"].norm()) > 0.01
    assert float(found["vectors"].abs().max() + found["readout"].abs().max()) > 0


def test_reptile_descends_on_all_examples_of_a_task() -> None:
    task = episode().whole()
    for row, (columns, grades) in enumerate(zip(task.columns, task.grades, strict=True)):
        given = episode()
        expected = {
            *zip(given.task.columns[row].tolist(), given.task.grades[row].tolist(), strict=True),
            *zip(given.query[row].tolist(), given.query_grades[row].tolist(), strict=True),
        }
        assert set(zip(columns.tolist(), grades.tolist(), strict=True)) == expected


def test_a_candidate_for_every_item_is_the_whole_softmax() -> None:
    every, enough = quick(Maml), quick(Maml, candidates=6)
    at = beginning(every)
    torch.testing.assert_close(objective(every, at), objective(enough, at))
    few = quick(Maml, candidates=2)
    assert not torch.allclose(objective(every, at), objective(few, at))
    assert bool(objective(few, at).isfinite())


def test_every_item_is_a_negative_or_stands_for_itself() -> None:
    settled = [quick(Maml, negatives=n).settled(beginning(quick(Maml)) | EMPTY, ground()) for n in (0, 6, 4)]
    assert torch.equal(settled[0]["negatives"], torch.arange(6))
    assert torch.equal(settled[1]["negatives"], torch.arange(6))
    assert torch.equal(settled[1]["log_weight"], ground().log_popularity)
    assert len(set(settled[2]["negatives"].tolist())) == 4


def test_meta_sgd_learns_a_rate_for_each_parameter() -> None:
    prior = MetaSgd(embedding_size=8, steps=40, batch=64, inner_lr=0.2, patience=0).fit(training(), seed=0)
    for name in ("taste", "mix"):
        rates = prior.tensors[f"log_rate.{name}"].exp()
        assert rates.shape == prior.tensors[name].shape
        assert bool((rates > 0).all())
        assert float((rates - 0.2).abs().max()) > 1e-3
    assert prior.tensors["log_rate.mix"].std() > 0


def test_adaptable_names_what_moves() -> None:
    learner = quick(Maml, adaptable=("mix",))
    assert isinstance(learner, Maml)
    settled = learner.settled({**EMPTY, **beginning(learner)}, ground())
    assert set(learner.fast_weights(settled, episode().task)) == {"mix"}


def test_meta_sgd_has_no_rate_of_0() -> None:
    with pytest.raises(SettingsError, match="inner_lr"):
        make("meta-sgd", {"inner_lr": 0.0})
