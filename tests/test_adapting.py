"""What adapting does: the same people, the same candidates, with their events and without."""

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self

import pytest
import torch
from rich.console import Console
from stand_ins import ITEMS, Broken, Neighbours, Scores, support_of

from firstlight import report
from firstlight.budget import Budget, Progress, silent
from firstlight.errors import ModelError
from firstlight.evaluate import Evaluation, cold_user, evaluate, top
from firstlight.evaluate.comparison import Interval, difference, intervals, resamples
from firstlight.evaluate.metrics import moved
from firstlight.evaluate.ranking import ablate, rank
from firstlight.evaluate.tuning import measure
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.popular import Popular
from firstlight.tasks import Corpus, Support


class Calls(Neighbours):
    """Neighbours that remember how many events each person had when they were asked."""

    name: ClassVar[str] = "calls"
    widths: ClassVar[list[int]] = []

    def adapt(self, prior: Prior, support: Support) -> Preference:
        self.widths.append(support.items.shape[1])
        return super().adapt(prior, support)

    def variants(self) -> Sequence[Self]:
        return [self]


class Contrary(Neighbours):
    """Popularity, until it knows something of a person: then the opposite of what their neighbours like."""

    name: ClassVar[str] = "contrary"

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        prior = super().fit(corpus)
        return self.prior({**prior.tensors, "counts": corpus.tasks.item_counts(corpus.n_items)})

    def adapt(self, prior: Prior, support: Support) -> Preference:
        if not support.mask.any():
            return Scores(prior.tensors["counts"].expand(len(support), -1))
        return Scores(-super().adapt(prior, support).scores())

    def variants(self) -> Sequence[Self]:
        return [self]


class Late(Neighbours):
    """Popularity below three events, no two items alike."""

    name: ClassVar[str] = "late"
    slightly: float = 0.0

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        prior = super().fit(corpus)
        return self.prior({**prior.tensors, "counts": corpus.tasks.item_counts(ITEMS) + torch.arange(ITEMS) / 100})

    def adapt(self, prior: Prior, support: Support) -> Preference:
        enough = 1.0 if support.items.shape[1] >= 3 else self.slightly
        return Scores(prior.tensors["counts"] + 1e6 * enough * super().adapt(prior, support).scores())

    def variants(self) -> Sequence[Self]:
        return [self]


def test_without_events_the_people_and_their_profiles_stay() -> None:
    known = support_of([[3, 4], [5, 6], [7, 8]])
    known = replace(known, profile=torch.eye(3))
    bare = known.without_events()
    assert len(bare) == 3 and bare.shots().tolist() == [0, 0, 0]
    assert bare.items.shape == bare.grades.shape == bare.mask.shape == (3, 0)
    assert (bare.items.dtype, bare.grades.dtype, bare.mask.dtype) == (torch.int64, torch.float32, torch.bool)
    assert torch.equal(bare.profile, known.profile) and known.items.shape == (3, 2)


def test_a_learner_that_ignores_the_support_gains_exactly_nothing(evaluation: Evaluation) -> None:
    for name in ("popular", "constant"):
        (row,) = [row for row in evaluation.rows if row.learner == name]
        for cell in row.cells:
            assert (cell.moved, cell.shift, cell.gain) == (0.0, 0.0, Interval(0.0, 0.0, 0.0))
            same = cell.metrics["ndcg@10"]
            assert cell.unadapted.mean == same.mean
            assert cell.unadapted.half == pytest.approx(same.half, rel=1e-5)


def test_what_is_known_to_help_gains(evaluation: Evaluation) -> None:
    first, *rest = evaluation.rows[3].cells
    assert (first.moved, first.shift, first.gain) == (0.0, 0.0, Interval(0.0, 0.0, 0.0))
    for cell in rest:
        assert cell.gain.low > 0.05 and cell.moved > 0.5
        assert cell.shift == pytest.approx(1)  # without events every item has the same score
        assert cell.gain.mean == pytest.approx(cell.metrics["ndcg@10"].mean - cell.unadapted.mean, abs=1e-6)


def test_what_adapting_replaces_is_counted() -> None:
    """Not adapted: 0, 1, 2, … without what the person has. Each event puts one of 20, 21, 22 in front."""

    class Swap(Popular):
        def adapt(self, prior: Prior, support: Support) -> Preference:
            scores = -torch.arange(40.0).expand(len(support), -1).clone()
            scores[:, 20 : 20 + support.items.shape[1]] = 100.0
            return Scores(scores)

    support = support_of([[0, 1, 2], [30, 31, 32]])
    found = ablate(Swap(), Prior("popular", {}, {}), support, 40)
    assert found.unadapted[:, :10].tolist() == [list(range(3, 13)), list(range(10))]
    assert [set(row[:3]) for row in found.adapted.lists.tolist()] == [{20, 21, 22}] * 2
    assert found.adapted.lists[:, 3:10].tolist() == [list(range(3, 10)), list(range(7))]
    assert moved(found.adapted.lists, found.unadapted).tolist() == pytest.approx([0.3, 0.3])
    before, after = -torch.arange(40.0), -torch.arange(40.0)
    after[20:23] = 100.0
    for row, had in enumerate(support.items):
        candidates = torch.isin(torch.arange(40), had, invert=True)
        r = torch.corrcoef(torch.stack([before[candidates], after[candidates]]))[0, 1].item()
        assert found.shift[row].item() == pytest.approx((2 - 2 * r) ** 0.5, abs=1e-5)


def test_the_gain_is_person_by_person_with_the_weights_of_every_other_interval(corpus: Corpus) -> None:
    protocol, learner = cold_user(corpus, (3,)), Contrary()
    cell = evaluate(corpus, {"contrary": learner}, protocol, seed=4).rows[0].cells[0]
    batch, prior = protocol.cases(corpus, protocol.test, 3), learner.fit(protocol.training(corpus))
    counts = prior.tensors["counts"].expand(len(batch), -1)
    without = measure(top(counts, 20, batch.support, seed=4), batch)["ndcg@10"]
    adapted = measure(rank(learner, prior, batch.support, ITEMS, 4).lists, batch)["ndcg@10"]
    weights = resamples(len(batch), 4)
    assert cell.gain == difference(adapted, without, weights)
    assert cell.unadapted == intervals(without.unsqueeze(1), weights)[0]


def test_at_no_events_nothing_is_done_twice_and_tuning_asks_once(corpus: Corpus) -> None:
    Calls.widths.clear()
    evaluate(corpus, {"calls": Calls()}, cold_user(corpus, (0, 3)))
    assert Calls.widths == [0, 3, 0, 3, 0]  # validation, then the test: adapted and not


def test_chunks_change_nothing_of_what_adapting_does(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol, learner = cold_user(corpus), Neighbours()
    prior, support = learner.fit(protocol.training(corpus)), protocol.cases(corpus, protocol.test, 3).support
    whole = ablate(learner, prior, support, ITEMS)
    monkeypatch.setattr("firstlight.ranking.CHUNK_TASKS", 7)
    parts = ablate(learner, prior, support, ITEMS)
    assert torch.equal(parts.adapted.lists, whole.adapted.lists) and torch.equal(parts.unadapted, whole.unadapted)
    assert torch.allclose(parts.shift, whole.shift)
    assert torch.equal(whole.adapted.lists, rank(learner, prior, support, ITEMS).lists)


def test_only_the_adapted_pass_is_timed(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("firstlight.evaluate.ranking.time.perf_counter", lambda: float(next(clock)))
    learner, support = Popular(), support_of([[0], [1]])
    prior = learner.fit(corpus)
    assert ablate(learner, prior, support, ITEMS).adapted.seconds == 1 == rank(learner, prior, support, ITEMS).seconds


def test_not_adapted_scores_that_are_not_finite_are_refused() -> None:
    class Blind(Popular):
        def adapt(self, prior: Prior, support: Support) -> Preference:
            known = support.mask.any(1, keepdim=True)
            return Scores(torch.where(known, 1.0, torch.nan).expand(-1, ITEMS))

    with pytest.raises(ModelError, match="120 scores that are not finite"):
        ablate(Blind(), Prior("popular", {}, {}), support_of([[0], [1]]), ITEMS)


@pytest.fixture(scope="module")
def ablation(corpus: Corpus) -> Evaluation:
    learners: dict[str, Learner] = {
        "popular": Popular(),
        "broken": Broken(),
        "neighbours": Neighbours(),
        "contrary": Contrary(),
        "late": Late(),
        "timid": Late(slightly=1e-9),
    }
    return evaluate(corpus, learners, cold_user(corpus))


def adapting(evaluation: Evaluation, width: int = 110) -> list[str]:
    """The lines of the table of what adapting does."""
    out = io.StringIO()
    Console(file=out, width=width).print(report.table(evaluation))
    return out.getvalue().partition("What adapting does")[2].splitlines()


def test_the_table_of_adapting_says_who_gains_who_loses_and_who_does_nothing(ablation: Evaluation) -> None:
    lines = adapting(ablation)
    rows = {line.split()[0]: line for line in lines if line.startswith(" ") and line.split()}
    assert list(rows)[-5:] == ["popular", "neighbours", "contrary", "late", "timid"]
    assert rows["popular"].count("+.000 ±.000    0%") == 4 and rows["popular"].split()[-1] == "0"
    assert rows["neighbours"].count("▲") == 4 and "▼" not in rows["neighbours"]
    assert rows["contrary"].count("▼") == 4 and rows["contrary"].count(" -.") == 4
    assert rows["late"].count("▲") == 3 and rows["late"].count("+.000 ±.000    0%") == 1
    for cell in ablation.rows[2].cells[1:]:
        assert (
            f"+{cell.gain.mean:.3f} ±{cell.gain.half:.3f}▲ {cell.moved:>4.0%}".replace("0.", ".") in rows["neighbours"]
        )


def test_who_does_nothing_is_named_and_where(ablation: Evaluation) -> None:
    said = [line.strip() for line in adapting(ablation) if "nothing" in line]
    assert said == [
        "popular: adapting changes nothing",
        "late: adapting changes nothing at 1 event",
        "timid: adapting changes nothing at 1 event",
    ]
    late, timid = ablation.rows[4].cells[1], ablation.rows[5].cells[1]
    assert late.shift == 0 < timid.shift < 0.01  # scores that move, and no list that does


def test_the_table_of_adapting_is_narrow_enough(ablation: Evaluation) -> None:
    assert max(map(len, map(str.rstrip, adapting(ablation)))) <= 110
    narrow = adapting(ablation, 80)
    assert max(map(len, map(str.rstrip, narrow))) <= 80 and not any("…" in line for line in narrow)


def test_without_events_there_is_no_table_of_adapting(corpus: Corpus) -> None:
    assert adapting(evaluate(corpus, {"popular": Popular()}, cold_user(corpus, (0,)))) == []
    assert adapting(evaluate(corpus, {"broken": Broken()}, cold_user(corpus))) == []
