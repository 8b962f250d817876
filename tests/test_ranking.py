"""Ranked lists: the best first, nothing that is known already, and ties drawn evenly."""

from dataclasses import replace

import pytest
import torch
from stand_ins import ITEMS, Constant, support_of

from firstlight.errors import ModelError
from firstlight.evaluate import cold_user, top
from firstlight.evaluate.ranking import rank
from firstlight.evaluate.tuning import measure
from firstlight.learners.base import Prior
from firstlight.learners.popular import Popular
from firstlight.ranking import keys_of, largest
from firstlight.tasks import Corpus


def test_top_agrees_with_a_full_sort() -> None:
    scores = torch.rand(50, 300, generator=torch.Generator().manual_seed(0))
    assert torch.equal(top(scores, 20), scores.argsort(1, descending=True)[:, :20])


def test_top_leaves_out_the_support_and_what_is_not_eligible() -> None:
    scores = torch.arange(6.0).expand(2, -1)
    eligible = torch.tensor([True, True, True, True, False, True])
    lists = top(scores, 4, support_of([[5], [0]]), eligible)
    assert lists.tolist() == [[3, 2, 1, 0], [5, 3, 2, 1]]


def test_masked_support_excludes_nothing() -> None:
    support = support_of([[0, 0]])
    support = replace(support, mask=torch.zeros_like(support.mask))
    assert top(torch.tensor([[2.0, 1.0]]), 2, support).tolist() == [[0, 1]]


@pytest.mark.parametrize("kinds", [10**6, 300, 4])
def test_what_is_left_out_of_a_long_catalogue_is_as_good_as_not_there(kinds: int) -> None:
    chance = torch.Generator().manual_seed(kinds)
    scores = torch.randint(0, kinds, (8, 9_000), generator=chance).float()
    known = scores.topk(6).indices[:, ::2]  # every other of the best
    support = support_of(known.tolist())
    assert torch.equal(top(scores, 5, support, seed=1), top(scores.scatter(1, known, -torch.inf), 5, seed=1))


@pytest.mark.parametrize("n_items", [3, 5])
def test_top_fills_up_with_minus_one(n_items: int) -> None:
    scores = torch.arange(float(n_items)).unsqueeze(0)
    eligible = torch.arange(n_items) < 3
    assert top(scores, 5, support_of([[0]]), eligible).tolist() == [[2, 1, -1, -1, -1]]


def test_top_does_not_change_the_scores() -> None:
    scores = torch.ones(3, 9)
    top(scores, 4, support_of([[1], [2], [3]]))
    assert torch.equal(scores, torch.ones(3, 9))


def test_ties_are_drawn_anew_for_every_task_and_evenly() -> None:
    shown = top(torch.zeros(4000, 40), 10, seed=3)
    assert all(len(set(row)) == 10 for row in shown.tolist())
    first, any_rank = shown[:, 0].bincount(minlength=40), shown.flatten().bincount(minlength=40)
    assert first.min() > 60 and first.max() < 145  # 100 expected, 10 the deviation
    assert any_rank.min() > 870 and any_rank.max() < 1130  # 1,000 expected, 27 the deviation


def test_a_tie_at_the_edge_is_drawn_and_the_better_items_stay_first() -> None:
    scores = torch.zeros(3000, 30)
    scores[:, 29], scores[:, 28], scores[:, 27] = 2.0, 1.0, 1.0
    shown = top(scores, 5)
    assert (shown[:, 0] == 29).all()
    assert (shown[:, 1:3].sort(1).values == torch.tensor([27, 28])).all()
    assert abs((shown[:, 1] == 28).float().mean() - 0.5) < 0.05
    drawn = shown[:, 3:].flatten().bincount(minlength=30)
    assert drawn[27:].sum() == 0 and drawn[:27].min() > 150 and drawn[:27].max() < 300  # 222 expected


def test_the_same_seed_gives_the_same_ties() -> None:
    scores = torch.zeros(5, 100)
    assert torch.equal(top(scores, 10, seed=1), top(scores, 10, seed=1))
    assert not torch.equal(top(scores, 10, seed=1), top(scores, 10, seed=2))


def test_a_constant_score_scores_like_chance(corpus: Corpus) -> None:
    protocol = cold_user(corpus)
    batch = protocol.cases(corpus, protocol.test, 3)
    learner = Constant()
    prior = learner.fit(corpus)
    found = [
        measure(rank(learner, prior, batch.support, ITEMS, seed).lists, batch)["precision@10"].mean()
        for seed in range(20)
    ]
    expected = (batch.query_mask.sum(1) / (ITEMS - 3)).mean()
    assert float(torch.stack(found).mean()) == pytest.approx(float(expected), abs=0.01)


def test_scores_that_are_not_finite_are_refused(corpus: Corpus) -> None:
    learner = Constant(score=float("nan"))
    with pytest.raises(ModelError, match=r"constant gave 120 scores that are not finite"):
        rank(learner, learner.fit(corpus), support_of([[0], [1]]), ITEMS)


def test_chunks_change_no_list_and_do_not_repeat_their_ties(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    support, learner = support_of([[0]] * 100), Popular()
    prior = Prior("popular", {}, {"counts": torch.arange(float(ITEMS))})
    whole = rank(learner, prior, support, ITEMS).lists
    monkeypatch.setattr("firstlight.ranking.CHUNK_TASKS", 7)
    assert torch.equal(rank(learner, prior, support, ITEMS).lists, whole)
    ties = rank(Constant(), Prior("constant", {}, {"size": torch.zeros(ITEMS)}), support, ITEMS).lists
    assert len({tuple(row) for row in ties.tolist()}) == 100


@pytest.mark.parametrize("width", [40, 640, 5_000, 6_413])
@pytest.mark.parametrize("kinds", [3, 10**6], ids=["ties", "no ties"])
def test_the_largest_of_a_row_are_those_that_sorting_finds(width: int, kinds: int) -> None:
    chance = torch.Generator().manual_seed(width)
    scores = torch.randint(kinds, (7, width), generator=chance).float()
    scores[0, 5:] = -torch.inf
    values, items = largest(scores, 12)
    assert torch.equal(values, scores.sort(1, descending=True).values[:, :12])
    assert torch.equal(scores.gather(1, items), values)
    assert all(len(row.unique()) == 12 for row in items)


def test_the_number_of_a_name_is_the_same_on_every_machine() -> None:
    digests = [-6488803333072012659, -5426141060434712860, 2023616655886891503]  # as `b2sum -l 64` finds them
    assert keys_of(["ann", "", "ćma"]).tolist() == digests
    assert keys_of([]).shape == (0,)
