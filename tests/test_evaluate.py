"""The whole evaluation: who is better, against whom, and the same again with the same seed."""

from dataclasses import replace

import torch
from conformance import tiny
from stand_ins import Constant, Neighbours, Table

from firstlight.evaluate import Evaluation, cold_user, evaluate
from firstlight.learners.base import Learner
from firstlight.learners.popular import Popular
from firstlight.tasks import Corpus


def test_what_is_known_to_be_better_comes_out_better(evaluation: Evaluation) -> None:
    popular, _, constant, neighbours = evaluation.rows
    for shots, label, cell in zip(evaluation.shots, evaluation.labels, neighbours.cells, strict=True):
        assert cell.shots == shots == cell.known and cell.label == label and cell.people == 80
        assert 0 <= cell.metrics["ndcg@10"].low <= cell.metrics["ndcg@10"].mean <= cell.metrics["ndcg@10"].high <= 1
        if shots >= 3:
            assert (cell.against, cell.verdict) == ("popular", "better")
    assert [cell.verdict for cell in constant.cells] == ["worse"] * 5
    assert [cell.verdict for cell in popular.cells[2:]] == ["worse"] * 3
    assert constant.cells[0].coverage == 1.0


def test_a_learner_that_fails_says_why_and_the_others_go_on(evaluation: Evaluation) -> None:
    broken = evaluation.rows[1]
    assert broken.error and "bring an items file" in broken.error and not broken.cells
    assert [len(row.cells) for row in evaluation.rows] == [5, 0, 5, 5]


def test_the_opponent_is_chosen_on_validation() -> None:
    corpus = tiny([[0, 1, 2, 3, 4, 5, 6, 7, 8]] * 100, 60)
    protocol = cold_user(corpus, shots=(0,))
    items = corpus.tasks.items.clone().view(100, 9)
    items[protocol.validation], items[protocol.test] = torch.arange(20, 29), torch.arange(40, 49)
    corpus = replace(corpus, tasks=replace(corpus.tasks, items=items.flatten()))
    on_validation, on_test = Table(liked=tuple(range(20, 29))), Table(liked=tuple(range(40, 49)))
    rows = evaluate(corpus, {"ours": Constant(), "v": on_validation, "t": on_test}, protocol).rows
    assert rows[0].cells[0].against == "v"  # though "t" is far better on the people of test
    assert rows[2].cells[0].verdict == "better"


def test_the_same_seed_gives_the_same_numbers(corpus: Corpus, evaluation: Evaluation) -> None:
    learners: dict[str, Learner] = {"neighbours": Neighbours(), "popular": Popular()}
    again = evaluate(corpus, learners, cold_user(corpus), seed=0)
    was = {row.learner: row for row in evaluation.rows}
    for row in again.rows:
        for cell, before in zip(row.cells, was[row.learner].cells, strict=True):
            assert cell.metrics == before.metrics and cell.settings == before.settings


def test_progress_goes_from_nothing_to_all(corpus: Corpus) -> None:
    shares: list[float] = []
    learners: dict[str, Learner] = {"popular": Popular(), "neighbours": Neighbours()}
    evaluate(corpus, learners, cold_user(corpus), progress=lambda step, share: shares.append(share))
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
