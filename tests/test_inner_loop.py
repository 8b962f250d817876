"""The learners of the MAML family, Reptile, ridge and the set encoder: conformance, their formulas, and bad input."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conformance import Conformance, cases, same, simulated, support, tiny, training
from torch import Tensor

from firstlight.budget import Budget
from firstlight.errors import DataError, SettingsError
from firstlight.evaluate.comparison import difference, resamples
from firstlight.evaluate.metrics import MAIN
from firstlight.evaluate.tuning import measure
from firstlight.learners import make, ridge
from firstlight.learners.anil import Anil
from firstlight.learners.base import Learner, Prior
from firstlight.learners.episodic import EpisodicLearner, held_out
from firstlight.learners.fomaml import Fomaml
from firstlight.learners.inner_loop import InnerLoop
from firstlight.learners.maml import Maml
from firstlight.learners.meta_sgd import MetaSgd
from firstlight.learners.reptile import Reptile
from firstlight.learners.ridge import Ridge
from firstlight.learners.set_encoder import SetEncoder
from firstlight.meta.episodes import Episode, Task
from firstlight.meta.head import Head, descend_head
from firstlight.meta.inner import descend
from firstlight.meta.losses import support_softmax, support_squared
from firstlight.models.base import Ground
from firstlight.ranking import top
from firstlight.tasks import Corpus, Support, TaskBatch

Weights = Mapping[str, Tensor]


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


class TestRidge(Conformance):
    learner = Ridge(embedding_size=32, steps=40, batch=128)
    floor = 1.8
    exact = False


class TestSetEncoder(Conformance):
    learner = SetEncoder(embedding_size=32, steps=120, batch=128)
    floor = 1.6
    exact = False


QUICK = {"embedding_size": 3, "steps": 5, "batch": 4}
INNER: list[type[InnerLoop]] = [Maml, Fomaml, Anil, MetaSgd, Reptile]
KINDS: list[type[EpisodicLearner]] = [*INNER, Ridge, SetEncoder]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
each_inner = pytest.mark.parametrize("kind", INNER, ids=[kind.name for kind in INNER])
LOSSES = ["softmax", "stars"]


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def quick(kind: type[EpisodicLearner], **settings: object) -> EpisodicLearner:
    return kind.model_validate({**QUICK, **settings})


# What adapting brings.


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


def graded(corpus: Corpus) -> Corpus:
    """The same with grades that differ, a part of them dislikes."""
    grades = torch.randint(-2, 3, corpus.tasks.grades.shape, generator=chance(8)) + 0.5
    return replace(corpus, tasks=replace(corpus.tasks, grades=grades))


# A tiny problem in float64.


def ground(kind: torch.dtype = torch.float64) -> Ground:
    """Six items with content, popularity and grades."""
    corpus = tiny([[0, 1, 2, 5], [1, 2, 4], [0, 3, 4], [2, 3, 5]], 6)
    made = Ground(corpus, torch.arange(6), torch.randn(6, 2, generator=chance(3)).to(kind))
    for name in ("log_popularity", "mean_grade"):
        vars(made)[name] = torch.randn(6, generator=chance(4)).to(kind)
    return made


def episode() -> Episode:
    """Ragged supports, one of them empty, one with a dislike."""
    grades = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, -1.0, 0.5]]).double()
    keep = torch.tensor([[1.0, 2.0, 0.0], [1.0, 1.0, 1.0], [0.5, 1.0, 1.0]]).double()
    task = Task(torch.tensor([[0, 3, 0], [0, 0, 0], [4, 1, 2]]), grades, torch.zeros(3, 0).double(), keep)
    query_grades = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [2.0, 0.0, 0.0]]).double()
    return Episode(task, torch.tensor([[1, 5, 0], [2, 3, 0], [5, 0, 0]]), query_grades)


def beginning(learner: EpisodicLearner) -> dict[str, Tensor]:
    """Weights away from where training begins, where some gradients are 0."""
    start = learner.start(ground(torch.float32), chance(2))
    start = {name: value.double() for name, value in start.items() if value.numel()}
    return {name: value + 0.3 * torch.randn(value.shape, generator=chance(7)).double() for name, value in start.items()}


def objective(learner: EpisodicLearner, weights: Weights, tasks: Episode | None = None) -> Tensor:
    empty = {"profile": torch.zeros(0, 3).double()}
    return learner.objective({**empty, **weights}, tasks or episode(), ground())[0]


def gradients(function: Callable[[Weights], Tensor], at: Weights) -> dict[str, Tensor]:
    leaves = {name: value.detach().clone().requires_grad_() for name, value in at.items()}
    found = torch.autograd.grad(function(leaves), list(leaves.values()), materialize_grads=True)
    return dict(zip(leaves, found, strict=True))


def differences(function: Callable[[Weights], Tensor], at: Weights, width: float = 1e-5) -> dict[str, Tensor]:
    found = {name: torch.zeros_like(value) for name, value in at.items()}
    for name, value in at.items():
        for place in range(value.numel()):
            moved = torch.zeros_like(value)
            moved.view(-1)[place] = width
            up, down = (float(function({**at, name: value + sign * moved})) for sign in (1, -1))
            found[name].view(-1)[place] = (up - down) / (2 * width)
    return found


def apart(left: Weights, right: Weights) -> float:
    one, other = (torch.cat([part[name].flatten() for name in left]) for part in (left, right))
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize(("kind", "loss"), [(Maml, "softmax"), (Maml, "stars"), (Anil, "stars"), (MetaSgd, "softmax")])
def test_the_meta_gradient_is_that_of_finite_differences(kind: type[InnerLoop], steps: int, loss: str) -> None:
    learner = quick(kind, inner_steps=steps, loss=loss, inner_lr=0.2, negatives=4)
    at = beginning(learner)
    exact = gradients(lambda w: objective(learner, w), at)
    assert apart(exact, differences(lambda w: objective(learner, w), at)) < 1e-6
    # The start alone, which is a small part of all weights.
    assert (
        apart({"taste": exact["taste"]}, differences(lambda w: objective(learner, {**at, **w}), {"taste": at["taste"]}))
        < 1e-6
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("steps", [1, 5])
def test_first_order_is_maml_with_the_inner_gradient_held_constant(steps: int, loss: str) -> None:
    settings = {"inner_steps": steps, "loss": loss, "inner_lr": 0.2}
    maml, first = quick(Maml, **settings), quick(Fomaml, **settings)
    assert isinstance(maml, Maml)
    at = beginning(maml)
    empty = {"profile": torch.zeros(0, 3).double()}
    fast = maml.fast_weights(maml.settled({**empty, **at}, ground()), episode().task)
    way = {name: at[name] - value for name, value in fast.items()}

    class Constant(Maml):
        def fast_weights(self, tensors: Weights, task: Task) -> dict[str, Tensor]:
            return {name: tensors[name] - value for name, value in way.items()}

    constant = quick(Constant, **settings)
    found = gradients(lambda w: objective(first, w), at)
    torch.testing.assert_close(objective(first, at), objective(maml, at))
    assert apart(found, differences(lambda w: objective(constant, w), at)) < 1e-6
    assert apart(found, gradients(lambda w: objective(maml, w), at)) > 1e-3


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", [Ridge, SetEncoder])
def test_the_gradient_through_the_solve_and_the_encoder_is_right(kind: type[EpisodicLearner], loss: str) -> None:
    learner = quick(kind, loss=loss)
    at = beginning(learner)
    exact = gradients(lambda w: objective(learner, w), at)
    assert apart(exact, differences(lambda w: objective(learner, w), at)) < 1e-6


def rows(task: Task, index: slice) -> Task:
    return Task(*(part[index] for part in task))


@each_inner
@pytest.mark.parametrize("loss", LOSSES)
def test_a_task_adapts_as_it_would_alone(kind: type[InnerLoop], loss: str) -> None:
    learner = quick(kind, loss=loss)
    assert isinstance(learner, InnerLoop)
    settled = learner.settled({"profile": torch.zeros(0, 3).double(), **beginning(learner)}, ground())
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
    base = learner.base()
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
    settled = learner.settled({"profile": torch.zeros(0, 3).double(), **at}, ground())
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
    settled = [
        quick(Maml, negatives=n).settled(beginning(quick(Maml)) | {"profile": torch.zeros(0, 3).double()}, ground())
        for n in (0, 6, 4)
    ]
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
    settled = learner.settled({"profile": torch.zeros(0, 3).double(), **beginning(learner)}, ground())
    assert set(learner.fast_weights(settled, episode().task)) == {"mix"}


# Dislikes.


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


# Ridge.


def solved() -> tuple[dict[str, Tensor], Tensor, Tensor]:
    names = {"vectors": (7, 3), "readout": (7, 3), "bias": (7,)}
    weights = {name: torch.randn(size, generator=chance(1)) for name, size in names.items()}
    weights |= {"log_noise": torch.tensor(0.3), "log_gain": torch.tensor(0.4), "profile": torch.zeros(0, 3)}
    weights["log_unseen"] = torch.tensor([-1.0, 0.5])
    return (
        weights,
        torch.tensor([[1, 4, 0], [2, 0, 0], [0, 0, 0]]),
        torch.tensor([[1.0, -1.0, 0.0], [2.0, 0, 0], [0, 0, 0]]),
    )


def test_ridge_is_its_closed_form_with_its_deviations() -> None:
    weights, columns, grades = solved()
    weights = {**weights, "usual": weights["vectors"].T @ weights["vectors"] / 7}
    popular, everything = torch.rand(7, generator=chance(5)), torch.arange(7)
    extra = {"chosen": everything, "place": everything.int(), "popularity": popular, "log_popularity": popular.log()}
    prior = Prior("ridge", {}, {**weights, **extra, "usual_likes": torch.ones(1)})
    preference = Ridge().adapt(prior, Support(columns, grades, grades != 0, torch.zeros(3, 0)))
    tastes = ridge.solve(weights, columns, grades)
    v, w, noise, gain = weights["vectors"].double(), weights["readout"].double(), math.exp(0.3), math.exp(0.4)
    for row in range(3):
        count = float(grades[row].abs().sum())
        precision = math.exp(-1 + 0.5 * math.log1p(count)) * v.T @ v / 7 + noise * torch.eye(3).double()
        target = torch.zeros(3).double()
        for column, grade in zip(columns[row].tolist(), grades[row].tolist(), strict=True):
            precision = precision + abs(grade) * torch.outer(v[column], v[column])
            target = target + grade * v[column]
        torch.testing.assert_close(
            tastes[row].double(), gain * torch.linalg.solve(precision, target), rtol=1e-4, atol=1e-5
        )
        inverse = torch.linalg.inv(precision)
        deviations = torch.stack([gain * (noise * item @ inverse @ item).sqrt() for item in w])
        torch.testing.assert_close(preference.deviations()[row].double(), deviations, rtol=1e-4, atol=1e-5)


def test_deviations_fall_with_events() -> None:
    prior = TestRidge.learner.fit(training(), seed=0)
    found = []
    for shots in (0, 1, 3, 5):
        known = cases(5).support
        part = Support(known.items[:, :shots], known.grades[:, :shots], known.mask[:, :shots], known.profile)
        deviations = TestRidge.learner.adapt(prior, part).deviations()
        assert deviations is not None
        assert deviations.shape == (len(known), training().n_items)
        found.append(deviations[:, prior.tensors["chosen"]])
    for more, less in zip(found[1:], found, strict=False):
        assert bool((more <= less * (1 + 1e-5)).all())
        assert float(more.mean()) < 0.99 * float(less.mean())
    assert float(found[0].min()) > 0


# Training that was stopped.


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


# Bad input.


CORPORA = {
    "one like": tiny([[0]], 4),
    "one each": tiny([[0], [1], [2]], 4),
    "one item": tiny([[0], [0], [0]], 1),
    "somebody without": tiny([[], [0, 1, 2], []], 4),
    "two each": tiny([[0, 1], [1, 2]], 4),
    "twice": tiny([[0, 0, 0, 0], [1, 1, 2, 2]], 4),
    "everything": tiny([[0, 1, 2, 3], [3, 2, 1, 0]], 4),
    "one who dislikes": replace(
        tiny([[0, 1, 2], [1, 2, 3]], 4),
        tasks=replace(tiny([[0, 1, 2], [1, 2, 3]], 4).tasks, grades=torch.tensor([-1.0, -1.0, -1.0, 1.0, 0.5, 2.0])),
    ),
}


@each_kind
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)
def test_no_corpus_brings_what_is_no_number(kind: type[EpisodicLearner], loss: str, corpus: Corpus) -> None:
    learner = quick(kind, loss=loss)
    prior = learner.fit(corpus, seed=0)
    assert all(bool(value.isfinite().all()) for value in prior.tensors.values())
    supports: list[list[list[tuple[int, float]]]] = [[[(0, 1.0)], [(0, -1.0)], []], [[(0, 1.0), (0, 1.0)]], [[]]]
    for rows in supports:
        scores = learner.adapt(prior, support(rows, 0)).scores()
        assert scores.shape == (len(rows), corpus.n_items)
        assert bool(scores.isfinite().all())


@each_kind
@pytest.mark.parametrize("batch", [1, 2])
def test_a_batch_may_be_one_task(kind: type[EpisodicLearner], batch: int) -> None:
    prior = quick(kind, batch=batch).fit(training(), seed=0)
    assert all(bool(value.isfinite().all()) for value in prior.tensors.values())


@each_kind
@pytest.mark.parametrize("loss", LOSSES)
def test_grades_that_are_no_numbers_are_as_good_as_none(kind: type[EpisodicLearner], loss: str) -> None:
    learner = quick(kind, loss=loss)
    prior = learner.fit(graded(training()), seed=0)
    known = cases(5).support
    for bad in (math.nan, math.inf, -math.inf):
        with_bad, without = (replace(known, **{k: getattr(known, k).clone() for k in ("grades", "mask")}) for _ in "ab")
        with_bad.grades[:, 2], without.grades[:, 2], without.mask[:, 2] = bad, 0.0, False
        torch.testing.assert_close(learner.adapt(prior, with_bad).scores(), learner.adapt(prior, without).scores())


@each_kind
def test_a_loss_that_is_never_a_number_is_told_by_name(kind: type[EpisodicLearner]) -> None:
    class Broken(kind):  # type: ignore[misc, valid-type]
        def query_loss(self, logits: Tensor, episode: Episode, ground: Ground) -> Tensor:
            return logits.sum() * math.nan

    with pytest.raises(SettingsError, match=f"^{kind.name}: the loss was no number for 20 steps in a row"):
        quick(Broken, steps=30).fit(training(), seed=0)


@each_kind
@pytest.mark.parametrize("rows", [[], [[], []]], ids=["no people", "nobody likes"])
def test_nothing_to_learn_from_is_refused_in_words(kind: type[EpisodicLearner], rows: list[list[int]]) -> None:
    with pytest.raises(DataError, match=kind.name):
        quick(kind).fit(tiny(rows, 4))


@each_kind
def test_a_grade_in_the_corpus_that_is_no_number_reaches_no_weight(kind: type[EpisodicLearner]) -> None:
    corpus = graded(training())
    corpus.tasks.grades[::7] = math.nan
    prior = quick(kind, loss="stars").fit(corpus, seed=0)
    assert all(bool(value.isfinite().all()) for value in prior.tensors.values())


@pytest.mark.parametrize(
    "setting",
    [
        {"batch": 0},
        {"most": 0},
        {"embedding_size": 0},
        {"steps": -1},
        {"drop": 1.0},
        {"clip": 0.0},
        {"patience": -1},
        {"learning_rate": -1.0},
        {"learning_rate": math.inf},
        {"inner_steps": -1},
        {"inner_lr": -1.0},
        {"inner_lr": math.nan},
        {"negatives": -1},
        {"candidates": -1},
        {"max_items": 0},
        {"adaptable": ("nothing",)},
        {"adaptable": ("vectors",)},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused_in_words(setting: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(setting))):
        make("maml", setting)


def test_meta_sgd_has_no_rate_of_0() -> None:
    with pytest.raises(SettingsError, match="inner_lr"):
        make("meta-sgd", {"inner_lr": 0.0})


def test_the_checkpoint_of_another_corpus_of_as_many_people_is_refused(tmp_path: Path) -> None:
    budget, learner = Budget(checkpoint=tmp_path / "state"), quick(Maml)
    learner.fit(tiny([[0, 1, 2], [2, 1, 3]], 5), budget=budget)
    for other in (tiny([[0, 1, 2], [2, 1, 0]], 5), tiny([[0, 1, 2], [2, 1, 4]], 5)):
        with pytest.raises(SettingsError, match="belongs to another training"):
            learner.fit(other, budget=budget)


# The head, whose inner gradient is written out.


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("stars", [False, True])
def test_the_written_out_gradient_is_that_of_the_losses(stars: bool, whole: bool, first_order: bool) -> None:
    """Steps and meta-gradients of `descend_head` equal those of `descend` on the losses, one task at a time."""
    chance = torch.Generator().manual_seed(0)
    tasks, shown, items, size = 4, 3, 7, 5

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=chance, dtype=torch.float64)

    leaves = [drawn(items, size), drawn(tasks, shown, size), drawn(tasks, items), drawn(tasks, shown)]
    leaves += [drawn(tasks, size), drawn(tasks)]
    grades = torch.tensor([[1.0, 0.5, -1.0], [1.0, 0.0, 0.0], [-0.3, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    keep = torch.tensor([[1.0, 0.0, 2.0, 1.0, 1.0]], dtype=torch.float64).expand(tasks, size)
    level = drawn(tasks, shown)
    columns, profile = torch.zeros(tasks, shown, dtype=torch.int64), torch.zeros(tasks, 0, dtype=torch.float64)
    task = Task(columns, grades, profile, keep)
    rates = {"taste": 0.3, "offset": 0.2}
    how = {"steps": 3, "first_order": first_order, "clip": 0.7}

    def written_out(parts: list[Tensor]) -> Tensor:
        features, own, others, support, taste, offset = parts
        head = Head(others, features, support, own, level, 0.5, whole)
        fast = descend_head({"taste": taste, "offset": offset}, rates, head, task, stars=stars, **how)
        return torch.cat([fast["taste"], fast["offset"][:, None]], 1)

    def one_at_a_time(parts: list[Tensor]) -> Tensor:
        features, own, others, support, taste, offset = parts
        ends = []
        for row in range(tasks):
            one = Task(*(part[row] for part in task))

            def loss(fast: Mapping[str, Tensor], row: int = row, one: Task = one) -> Tensor:
                person, shift = (fast["taste"] - taste[row].detach()) * one.keep, fast["offset"] - offset[row].detach()
                known = support[row] + own[row] @ person + 0.5 * shift
                if stars:
                    return support_squared(known + level[row], one)
                among = others[row] + features @ person + 0.5 * shift
                return support_softmax(known + level[row], known, among, one, whole)

            fast = descend(loss, {"taste": taste[row], "offset": offset[row]}, rates, **how)
            ends.append(torch.cat([fast["taste"], fast["offset"][None]]))
        return torch.stack(ends)

    weight = drawn(tasks, size + 1)
    found = []
    for function in (written_out, one_at_a_time):
        parts = [leaf.clone().requires_grad_() for leaf in leaves]
        ends = function(parts)
        slopes = torch.autograd.grad((ends * weight).sum(), parts, allow_unused=True)
        found.append((ends, [torch.zeros(()) if slope is None else slope for slope in slopes]))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-9, atol=1e-10)
    for ours, theirs in zip(found[0][1][:4], found[1][1][:4], strict=True):
        torch.testing.assert_close(ours, theirs.expand_as(ours).to(ours), rtol=1e-7, atol=1e-9)
