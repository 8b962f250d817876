"""The metrics against ir-measures and against their definitions."""

import ir_measures
import pytest
import torch
from ir_measures import RR, P, Qrel, ScoredDoc, Success, nDCG

from firstlight.evaluate.metrics import DEPTH, METRICS, coverage, match, ndcg, recall

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
