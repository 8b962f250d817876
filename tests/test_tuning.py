"""Settings are chosen on validation alone, and every learner has the same time for it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self

import pytest
import torch
from conformance import tiny
from stand_ins import ITEMS, Constant, Neighbours, Table, shown

from firstlight.budget import Budget, Progress, silent
from firstlight.evaluate import cold_user, evaluate
from firstlight.evaluate.ranking import rank
from firstlight.evaluate.tuning import measure, tune
from firstlight.learners.base import Prior
from firstlight.tasks import Corpus


def test_validation_alone_chooses() -> None:
    corpus = tiny([[0, 1, 2, 3, 4, 5, 6, 7, 8]] * 100, 60)
    protocol = cold_user(corpus, shots=(0, 3))
    items = corpus.tasks.items.clone().view(100, 9)
    items[protocol.validation] = torch.arange(20, 29)
    items[protocol.test] = torch.arange(40, 49)
    corpus = replace(corpus, tasks=replace(corpus.tasks, items=items.flatten()))
    for_validation, for_test = Table(liked=tuple(range(20, 29))), Table(liked=tuple(range(40, 49)))
    learner = Table(liked=(50,), others=(for_test, for_validation))
    row = evaluate(corpus, {"table": learner}, protocol).rows[0]
    for cell in row.cells:
        assert cell.settings["liked"] == list(for_validation.liked)
        assert cell.validation == pytest.approx(1)
        assert cell.metrics["ndcg@10"].mean < 0.2
    assert (row.tried, row.variants) == (3, 3)


def test_each_number_of_shots_gets_its_own_choice(corpus: Corpus) -> None:
    protocol = cold_user(corpus)
    chosen = tune(Neighbours(), protocol.cut(corpus).stages).choices
    best = {
        shots: max(
            float(measure(rank(v, v.fit(protocol.training(corpus)), b.support, ITEMS).lists, b)["ndcg@10"].mean())
            for v in Neighbours().variants()
        )
        for shots, b in ((s, protocol.cases(corpus, protocol.validation, s)) for s in protocol.shots)
    }
    assert [choice.validation for choice in chosen] == list(best.values())


def test_of_equally_good_settings_the_first_is_chosen(corpus: Corpus) -> None:
    learner = Table(liked=(3, 4), others=(Table(liked=(4, 3)),))
    assert {c.learner for c in tune(learner, cold_user(corpus).cut(corpus).stages).choices} == {learner}


class Greedy(Constant):
    """Remembers the seconds it was given, and uses up all of them where it is told to."""

    name: ClassVar[str] = "greedy"
    given: ClassVar[list[float]] = []
    count: int = 1

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        assert budget is not None
        self.given.append(budget.seconds)
        return super().fit(corpus)

    def variants(self) -> Sequence[Self]:
        return [self] * self.count


def test_every_learner_gets_the_same_seconds_and_its_variants_share_them(corpus: Corpus) -> None:
    Greedy.given.clear()
    evaluate(corpus, {"one": Greedy(), "four": Greedy(count=4)}, cold_user(corpus), budget=Budget(1000.0))
    assert Greedy.given[0] == pytest.approx(1000, rel=0.01)
    assert Greedy.given[1] == pytest.approx(250, rel=0.01)
    assert Greedy.given[4] == pytest.approx(1000, rel=0.01)  # nobody used any


def test_when_time_is_up_the_first_variant_stands_and_it_is_said(corpus: Corpus) -> None:
    found = evaluate(corpus, {"four": Greedy(count=4)}, cold_user(corpus), budget=Budget(0.0))
    assert (found.rows[0].tried, found.rows[0].variants) == (1, 4)
    assert "four: time allowed 1 of 4 settings" in shown(found)
