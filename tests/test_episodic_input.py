"""Whatever learners of episodes are given: tiny corpora, grades that are no numbers, settings without sense."""

import math
from dataclasses import replace

import pytest
import torch
from conformance import cases, support, tiny, training
from kinds import LOSSES, each_kind, graded, quick
from torch import Tensor

from firstlight.errors import DataError, SettingsError
from firstlight.learners import make
from firstlight.learners.episodic import EpisodicLearner
from firstlight.meta.episodes import Episode
from firstlight.models.base import Ground
from firstlight.tasks import Corpus

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
