"""The metrics against ir-measures and against their definitions."""

import ir_measures
import pytest
import torch
from ir_measures import RR, P, Qrel, ScoredDoc, Success, nDCG

from firstlight.evaluate.metrics import DEPTH, METRICS, coverage, match, moved, ndcg, recall, shift, standardised

TASKS, ITEMS = 60, 80
ORACLES = {nDCG @ 10: "ndcg@10", P @ 10: "precision@10", Success @ 10: "hit_rate@10", RR @ 10: "mrr@10"}


@pytest.fixture(scope="module")
def lists():
    """Random lists; each second task gets only 7 items."""
    chance = torch.Generator().manual_seed(0)
    found = torch.rand(TASKS, ITEMS, generator=chance).argsort(1)[:, :DEPTH]
    found[::2, 7:] = -1
    return found


@pytest.fixture(scope="module")
def truth():
    """1 to 40 relevant items a task: (TASKS, 40) positions, mask."""
    chance = torch.Generator().manual_seed(1)
    query = torch.rand(TASKS, ITEMS, generator=chance).argsort(1)[:, :40]
    return query, torch.arange(40) < torch.randint(1, 41, (TASKS, 1), generator=chance)


@pytest.fixture(scope="module")
def oracle(lists, truth):
    """(measure, task) -> value."""
    query, mask = truth
    qrels = [Qrel(str(t), str(int(i)), 1) for t in range(TASKS) for i in query[t][mask[t]]]
    run = [
        ScoredDoc(str(t), str(int(i)), float(-rank))
        for t in range(TASKS)
        for rank, i in enumerate(lists[t][lists[t] >= 0])
    ]
    return {(m.measure, int(m.query_id)): m.value for m in ir_measures.iter_calc(list(ORACLES), qrels, run)}


@pytest.mark.parametrize("measure", list(ORACLES), ids=ORACLES.values())
def test_against_ir_measures(measure, lists, truth, oracle):
    query, mask = truth
    ours = METRICS[ORACLES[measure]](match(lists, query, mask), mask.sum(1))
    theirs = torch.tensor([oracle[measure, task] for task in range(TASKS)])
    assert 0 < theirs.mean() < 1
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_recall_by_sets(lists, truth):
    query, mask = truth
    ours = recall(match(lists, query, mask), mask.sum(1))
    for task in range(TASKS):
        wanted, got = set(query[task][mask[task]].tolist()), set(lists[task].tolist())
        assert ours[task] == pytest.approx(len(wanted & got) / min(20, len(wanted)))


def test_the_best_list_scores_one_and_the_empty_list_zero():
    relevant = torch.tensor([1, 3, 50])
    best = torch.arange(DEPTH) < relevant.unsqueeze(1)
    for name, metric in METRICS.items():
        assert metric(best, relevant)[2] == pytest.approx(1), name
        assert metric(torch.zeros(3, DEPTH), relevant).tolist() == [0, 0, 0], name
    assert ndcg(best, relevant).tolist() == pytest.approx([1, 1, 1])
    assert recall(best, relevant).tolist() == pytest.approx([1, 1, 1])


def test_nothing_to_find_scores_zero():
    hits, relevant = torch.zeros(1, DEPTH, dtype=torch.bool), torch.tensor([0])
    assert [float(metric(hits, relevant)) for metric in METRICS.values()] == [0] * len(METRICS)


def test_a_short_list_counts_its_missing_ranks_as_misses():
    hits, relevant = torch.tensor([[False, True, True]]), torch.tensor([4])
    padded = torch.nn.functional.pad(hits, (0, DEPTH - 3))
    for metric in METRICS.values():
        assert metric(hits, relevant) == metric(padded, relevant)


def test_match_keeps_tasks_apart_and_ignores_padding():
    lists = torch.tensor([[0, 1, -1], [2, 0, 1]])
    query, mask = torch.tensor([[1, 2], [2, 0]]), torch.tensor([[True, True], [True, False]])
    assert match(lists, query, mask).tolist() == [[False, True, False], [True, False, False]]


def test_match_with_an_empty_query_finds_nothing():
    lists, query = torch.tensor([[0, 1]]), torch.zeros(1, 0, dtype=torch.int64)
    assert not match(lists, query, query.bool()).any()


def test_coverage_counts_each_item_once_and_only_the_first_ranks():
    lists = torch.tensor([[0, 1, 7], [1, 2, -1]])
    assert coverage(lists, eligible=10, k=2) == pytest.approx(0.3)
    assert coverage(torch.full((3, 10), -1), eligible=10) == 0


# --- how far two answers lie apart


def test_moved_is_the_share_of_the_first_ranks_that_is_new():
    lists = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3], [5, 6, -1, -1], [-1, -1, -1, -1]])
    before = torch.tensor([[3, 2, 1, 0], [7, 1, 2, 9], [4, 5, 6, 7], [6, 7, -1, -1], [-1, -1, -1, -1]])
    assert moved(lists, before, k=4).tolist() == [0, 0.5, 1, 0.5, 0]


def test_moved_looks_at_the_first_ranks_only():
    lists, before = torch.tensor([[0, 1, 2, 3]]), torch.tensor([[0, 3, 2, 1]])
    assert [moved(lists, before, k).item() for k in (1, 2, 3, 4)] == pytest.approx([0, 1 / 2, 1 / 3, 0])


def test_standardised_rows_by_hand():
    scores = torch.tensor([[1.0, 2.0, 3.0, 9.0], [4.0, 4.0, 4.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    candidates = torch.tensor([[True, True, True, False]]).expand(3, -1)
    side = 1.5**0.5  # mean 2, deviation sqrt(2/3)
    assert torch.allclose(
        standardised(scores, candidates), torch.tensor([[-side, 0.0, side, 0.0], [0.0] * 4, [0.0] * 4]), atol=1e-6
    )
    assert scores[0, 3] == 9


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_standardised_does_not_depend_on_the_scale(scale):
    row = torch.rand(5, 40, generator=torch.Generator().manual_seed(0))
    everything = torch.ones(5, 40, dtype=torch.bool)
    found = standardised(row * scale, everything)
    assert torch.allclose(found, standardised(row, everything), atol=1e-5)
    assert torch.allclose(found.mean(1), torch.zeros(5), atol=1e-6)
    assert torch.allclose(found.std(1, correction=0), torch.ones(5), atol=1e-5)


def test_a_row_that_differs_by_rounding_only_is_constant():
    row = torch.full((1, 1_000), 0.1)
    row[0, ::2] = torch.nextafter(row[0, 0], torch.tensor(1.0))
    assert not standardised(row, torch.ones(1, 1_000, dtype=torch.bool)).any()


def test_shift_by_hand():
    scores = torch.tensor([[1.0, 2.0, 3.0, 0.0], [1.0, 2.0, 3.0, 0.0], [1.0, 2.0, 3.0, 50.0], [5.0, 5.0, 5.0, 1.0]])
    before = torch.tensor([[10.0, 20.0, 30.0, 7.0], [3.0, 2.0, 1.0, 0.0], [8.0, 8.0, 8.0, 1.0], [2.0, 2.0, 2.0, 9.0]])
    candidates = torch.tensor([[True, True, True, False]]).expand(4, -1)
    # Scaled: as it was. In reverse: 2. From a constant row: 1. A constant row to another: 0.
    assert shift(scores, before, candidates).tolist() == pytest.approx([0, 2, 1, 0], abs=1e-6)


def test_shift_is_the_correlation_told_as_a_distance():
    chance = torch.Generator().manual_seed(0)
    scores, before = torch.randn(6, 50, generator=chance), torch.randn(6, 50, generator=chance)
    candidates = torch.rand(6, 50, generator=chance) < 0.7
    for task, found in enumerate(shift(scores, before, candidates)):
        kept = candidates[task]
        r = torch.corrcoef(torch.stack([scores[task, kept], before[task, kept]]))[0, 1]
        assert found == pytest.approx((2 - 2 * r.item()) ** 0.5, abs=1e-5)
    assert shift(scores, scores, candidates).tolist() == [0] * 6


def test_without_a_candidate_nothing_shifts():
    scores = torch.rand(2, 5)
    assert shift(scores, 1 - scores, torch.zeros(2, 5, dtype=torch.bool)).tolist() == [0, 0]
