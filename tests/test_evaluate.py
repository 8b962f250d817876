"""Ranking, protocol, tuning, comparison and report: each pitfall of published numbers is a test here."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import polars as pl
import pytest
import torch
from rich.console import Console

from firstlight import report
from firstlight.budget import Budget
from firstlight.errors import DataError, ModelError, SettingsError
from firstlight.evaluate import cold_user, evaluate, top
from firstlight.evaluate.comparison import Interval, difference, intervals, resamples, verdict
from firstlight.evaluate.metrics import METRICS, moved
from firstlight.evaluate.ranking import ablate, rank
from firstlight.evaluate.tuning import measure, tune
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.popular import Popular
from firstlight.tasks import Corpus, Support, TaskSet

PEOPLE, ITEMS = 400, 60


def corpus_of(rows: Sequence[Sequence[int]], n_items: int) -> Corpus:
    """Person number n likes the items of row n, in that order."""
    indptr = torch.tensor([0, *(len(row) for row in rows)]).cumsum(0)
    items = torch.tensor([item for row in rows for item in row], dtype=torch.int64)
    names = pl.Series([f"p{n}" for n in range(len(rows))], dtype=pl.String)
    return Corpus(TaskSet(names, indptr, items, torch.ones(len(items)), torch.zeros(len(rows), 0)), n_items)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Three tastes of 20 items each; a person of one taste likes 17 items, four in five of that taste."""
    chance = torch.Generator().manual_seed(0)
    taste = torch.randint(3, (PEOPLE, 1), generator=chance)
    odds = torch.where(torch.arange(ITEMS) // 20 == taste, 4.0, 0.5) / (1 + torch.arange(ITEMS) % 20)
    return corpus_of(torch.multinomial(odds, 17, generator=chance).tolist(), ITEMS)


class Scores(Preference):
    def __init__(self, values):
        self.values = values

    def scores(self):
        return self.values


class Neighbours(Learner):
    """Items liked by the same people."""

    name: ClassVar[str] = "neighbours"
    summary: ClassVar[str] = "for tests"
    shrink: float = 5.0

    def fit(self, corpus, *, seed=0, budget=None, progress=None):
        likes = torch.zeros(len(corpus.tasks), corpus.n_items)
        likes[corpus.tasks.owner, corpus.tasks.items] = 1
        both = likes.T @ likes
        count = both.diagonal()
        return self.prior({"cosine": both / ((count.outer(count)).sqrt() + self.shrink)})

    def adapt(self, prior, support):
        picked = prior.tensors["cosine"][support.items] * support.mask.unsqueeze(2)
        return Scores(picked.sum(1))

    def variants(self):
        return [self, self.model_copy(update={"shrink": 1e6})]


class Constant(Learner):
    """The same score for everything."""

    name: ClassVar[str] = "constant"
    summary: ClassVar[str] = "for tests"
    score: float = 0.0

    def fit(self, corpus, *, seed=0, budget=None, progress=None):
        return self.prior({"size": torch.zeros(corpus.n_items)})

    def adapt(self, prior, support):
        return Scores((prior.tensors["size"] + self.score).expand(len(support), -1))


class Table(Learner):
    """Scores out of a table made in advance: what an oracle or a spy knows."""

    name: ClassVar[str] = "table"
    summary: ClassVar[str] = "for tests"
    liked: tuple[int, ...] = ()
    others: tuple["Table", ...] = ()

    def fit(self, corpus, *, seed=0, budget=None, progress=None):
        scores = torch.zeros(corpus.n_items)
        scores[list(self.liked)] = 1.0
        return self.prior({"scores": scores})

    def adapt(self, prior, support):
        return Scores(prior.tensors["scores"].expand(len(support), -1))

    def variants(self):
        return [self, *self.others]


class Spy(Popular):
    """Popularity that remembers everything it was given."""

    name: ClassVar[str] = "spy"
    seen: ClassVar[list[Corpus]] = []

    def fit(self, corpus, *, seed=0, budget=None, progress=None):
        self.seen.append(corpus)
        return super().fit(corpus)


class Broken(Popular):
    name: ClassVar[str] = "broken"

    def fit(self, corpus, *, seed=0, budget=None, progress=None):
        raise DataError("broken needs content, and the catalogue has none; bring an items file")


def support_of(items: Sequence[Sequence[int]]) -> Support:
    found = torch.tensor(items)
    return Support(
        found, torch.ones(found.shape), torch.ones(found.shape, dtype=torch.bool), torch.zeros(len(found), 0)
    )


# --- ranking


def test_top_agrees_with_a_full_sort():
    scores = torch.rand(50, 300, generator=torch.Generator().manual_seed(0))
    assert torch.equal(top(scores, 20), scores.argsort(1, descending=True)[:, :20])


def test_top_leaves_out_the_support_and_what_is_not_eligible():
    scores = torch.arange(6.0).expand(2, -1)
    eligible = torch.tensor([True, True, True, True, False, True])
    lists = top(scores, 4, support_of([[5], [0]]), eligible)
    assert lists.tolist() == [[3, 2, 1, 0], [5, 3, 2, 1]]


def test_masked_support_excludes_nothing():
    support = support_of([[0, 0]])
    support = replace(support, mask=torch.zeros_like(support.mask))
    assert top(torch.tensor([[2.0, 1.0]]), 2, support).tolist() == [[0, 1]]


@pytest.mark.parametrize("n_items", [3, 5])
def test_top_fills_up_with_minus_one(n_items):
    scores = torch.arange(float(n_items)).unsqueeze(0)
    eligible = torch.arange(n_items) < 3
    assert top(scores, 5, support_of([[0]]), eligible).tolist() == [[2, 1, -1, -1, -1]]


def test_top_does_not_change_the_scores():
    scores = torch.ones(3, 9)
    top(scores, 4, support_of([[1], [2], [3]]))
    assert torch.equal(scores, torch.ones(3, 9))


def test_ties_are_drawn_anew_for_every_task_and_evenly():
    shown = top(torch.zeros(4000, 40), 10, seed=3)
    assert all(len(set(row)) == 10 for row in shown.tolist())
    first, any_rank = shown[:, 0].bincount(minlength=40), shown.flatten().bincount(minlength=40)
    assert first.min() > 60 and first.max() < 145  # 100 expected, 10 the deviation
    assert any_rank.min() > 870 and any_rank.max() < 1130  # 1,000 expected, 27 the deviation


def test_a_tie_at_the_edge_is_drawn_and_the_better_items_stay_first():
    scores = torch.zeros(3000, 30)
    scores[:, 29], scores[:, 28], scores[:, 27] = 2.0, 1.0, 1.0
    shown = top(scores, 5)
    assert (shown[:, 0] == 29).all()
    assert (shown[:, 1:3].sort(1).values == torch.tensor([27, 28])).all()
    assert abs((shown[:, 1] == 28).float().mean() - 0.5) < 0.05
    drawn = shown[:, 3:].flatten().bincount(minlength=30)
    assert drawn[27:].sum() == 0 and drawn[:27].min() > 150 and drawn[:27].max() < 300  # 222 expected


def test_the_same_seed_gives_the_same_ties():
    scores = torch.zeros(5, 100)
    assert torch.equal(top(scores, 10, seed=1), top(scores, 10, seed=1))
    assert not torch.equal(top(scores, 10, seed=1), top(scores, 10, seed=2))


def test_a_constant_score_scores_like_chance(corpus):
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


def test_scores_that_are_not_finite_are_refused(corpus):
    learner = Constant(score=float("nan"))
    with pytest.raises(ModelError, match=r"constant gave 120 scores that are not finite"):
        rank(learner, learner.fit(corpus), support_of([[0], [1]]), ITEMS)


def test_chunks_change_no_list_and_do_not_repeat_their_ties(corpus, monkeypatch):
    support, learner = support_of([[0]] * 100), Popular()
    prior = Prior("popular", {}, {"counts": torch.arange(float(ITEMS))})
    whole = rank(learner, prior, support, ITEMS).lists
    monkeypatch.setattr("firstlight.ranking.CHUNK_TASKS", 7)
    assert torch.equal(rank(learner, prior, support, ITEMS).lists, whole)
    ties = rank(Constant(), Prior("constant", {}, {"size": torch.zeros(ITEMS)}), support, ITEMS).lists
    assert len({tuple(row) for row in ties.tolist()}) == 100


# --- protocol


def test_people_are_disjoint_and_as_many_as_said(corpus):
    protocol = cold_user(corpus)
    parts = [protocol.train, protocol.validation, protocol.test]
    assert [len(part) for part in parts] == [280, 40, 80]
    assert torch.cat(parts).sort().values.equal(torch.arange(PEOPLE))


def test_the_same_people_at_every_number_of_shots_with_exactly_so_many(corpus):
    protocol = cold_user(corpus)
    rows = corpus.tasks.items.view(PEOPLE, 17)[protocol.test]
    for shots in protocol.shots:
        batch = protocol.cases(corpus, protocol.test, shots)
        assert len(batch) == len(protocol.test)
        assert torch.equal(batch.support.items, rows[:, :shots])  # in the order of the rows
        assert batch.support.shots().tolist() == [shots] * len(batch)
        assert torch.equal(batch.query, rows[:, shots:]) and batch.query_mask.all()


def test_dislikes_are_neither_support_nor_query():
    corpus = corpus_of([list(range(12))] * 30, 12)
    grades = corpus.tasks.grades.clone().view(30, 12)
    grades[:, 1] = -0.5
    corpus = replace(corpus, tasks=replace(corpus.tasks, grades=grades.flatten()))
    protocol = cold_user(corpus, shots=(0, 3))
    batch = protocol.cases(corpus, protocol.test, 3)
    assert batch.support.items[0].tolist() == [0, 2, 3]
    assert batch.query_mask.sum(1).tolist() == [8] * len(batch)


def test_the_seed_draws_the_people(corpus):
    first, again, other = cold_user(corpus, seed=1), cold_user(corpus, seed=1), cold_user(corpus, seed=2)
    assert torch.equal(first.test, again.test) and torch.equal(first.validation, again.validation)
    assert not torch.equal(first.test, other.test)


def test_sparse_data_are_judged_at_fewer_shots_and_it_is_said():
    rows = [list(range(9))] * 40 + [list(range(4))] * 60 + [list(range(20))] * 5
    protocol = cold_user(corpus_of(rows, 20))
    assert protocol.shots == (0, 1, 3, 5)
    assert protocol.note == "not judged at 10 events: only 5 of 105 people have 13 likes"
    assert (protocol.test < 40).sum() + (protocol.test >= 100).sum() == len(protocol.test) == 9


def test_a_few_long_histories_do_not_stand_for_everybody():
    rows = [list(range(20))] * 100 + [list(range(8))] * 900
    assert cold_user(corpus_of(rows, 20)).shots == (0, 1, 3, 5)
    assert cold_user(corpus_of(rows[:200], 20)).shots == (0, 1, 3, 5, 10)


def test_very_sparse_data_still_give_a_figure():
    rows = [[0, 1, 2, 3]] * 30 + [[0]] * 300
    protocol = cold_user(corpus_of(rows, 20))
    assert protocol.shots == (0, 1) and len(protocol.test) == 6 and len(protocol.validation) == 12


def test_too_few_people_is_one_clear_sentence():
    with pytest.raises(DataError, match=r"7 of 12 people have the 3 likes that judging at 0 events needs, and 25 such"):
        cold_user(corpus_of([[0, 1, 2]] * 7 + [[0]] * 5, 5))


@pytest.mark.parametrize("shots", [(), (-1, 3)])
def test_impossible_shots_are_refused(corpus, shots):
    with pytest.raises(SettingsError, match="such as 0,1,3,5,10"):
        cold_user(corpus, shots)


# --- nothing of the people who are judged is learned from


def test_no_event_of_test_or_validation_reaches_training(corpus):
    Spy.seen.clear()
    protocol = cold_user(corpus)
    held = torch.cat([protocol.test, protocol.validation])
    tasks = corpus.tasks
    poison = ITEMS + torch.isin(tasks.owner, held).long() * 20  # an item that only people held back ever liked
    items = torch.where(torch.isin(tasks.owner, held), tasks.items + 20, tasks.items)
    poisoned = Corpus(replace(tasks, items=items.minimum(poison)), ITEMS + 21)
    marked = set(tasks.names[held.numpy()])
    evaluate(poisoned, {"spy": Spy()}, protocol)
    assert len(Spy.seen) == 1
    for given in Spy.seen:
        assert not marked & set(given.tasks.names)
        assert given.tasks.items.max() < ITEMS
        assert len(given.tasks) == len(protocol.train)


def test_items_nobody_liked_in_training_count_as_misses():
    rows = [[0, 1, 2, 3, 4, 5]] * 60
    corpus = corpus_of(rows, 30)
    protocol = cold_user(corpus, shots=(0,))
    items = corpus.tasks.items.clone().view(60, 6)
    items[protocol.test, 3:] = torch.tensor([20, 21, 22])  # half of what they like is new to everybody
    corpus = replace(corpus, tasks=replace(corpus.tasks, items=items.flatten()))
    found = evaluate(corpus, {"popular": Popular()}, protocol).rows[0].cells[0]
    ideal = (1 / torch.arange(2, 8).log2()).sum()
    least = (1 / torch.arange(2, 5).log2()).sum()
    assert found.metrics["mrr@10"].mean > 0.3
    assert float(least / ideal) > found.metrics["ndcg@10"].mean > 0.2
    assert protocol.cases(corpus, protocol.test, 0).query_mask.sum(1).tolist() == [6] * 12


def test_the_support_is_never_recommended(corpus):
    protocol, learner = cold_user(corpus), Neighbours()
    prior = learner.fit(protocol.training(corpus))
    for shots in protocol.shots:
        support = protocol.cases(corpus, protocol.test, shots).support
        lists = rank(learner, prior, support, ITEMS).lists
        assert not (lists.unsqueeze(2) == support.items.unsqueeze(1)).any()
        assert all(len(set(row)) == 20 for row in lists.tolist())


# --- comparison


def test_resamples_are_means_over_people():
    weights = resamples(50, seed=0, count=200)
    assert weights.shape == (200, 50)
    assert torch.allclose(weights.sum(1), torch.ones(200), atol=1e-5)
    assert torch.allclose(weights.mean(0), torch.full((50,), 0.02), atol=0.005)


def test_intervals_hold_the_truth_as_often_as_they_say():
    chance, people, truth = torch.Generator().manual_seed(0), 200, 0.6 * 0.5
    hit = torch.rand(people, 400, generator=chance) < 0.6  # zeros and a skewed rest, like NDCG
    values = hit * torch.rand(people, 400, generator=chance)
    found = intervals(values, resamples(people, seed=1))
    inside = sum(each.low <= truth <= each.high for each in found) / len(found)
    assert 0.92 <= inside <= 0.975
    widths = torch.tensor([each.half for each in found]) / (1.96 * values.std(0) / people**0.5)
    assert widths.min() > 0.9 and widths.max() < 1.1


def test_a_paired_difference_is_narrower_than_two_intervals():
    chance = torch.Generator().manual_seed(0)
    person = torch.rand(300, generator=chance)
    ours = person + 0.02 + 0.02 * torch.randn(300, generator=chance)
    theirs = person + 0.02 * torch.randn(300, generator=chance)
    weights = resamples(300)
    paired, (mine, yours) = difference(ours, theirs, weights), intervals(torch.stack([ours, theirs], 1), weights)
    assert paired.half < 0.2 * mine.half
    assert mine.low < yours.high  # apart they overlap,
    assert verdict(paired) == "better"  # person by person they do not
    assert paired.mean == pytest.approx(mine.mean - yours.mean, abs=1e-6)


def test_verdicts():
    assert verdict(Interval(0.1, 0.01, 0.2)) == "better"
    assert verdict(Interval(0.1, -0.01, 0.2)) == "level"
    assert verdict(Interval(0.0, 0.0, 0.0)) == "level"
    assert verdict(Interval(-0.1, -0.2, -0.01)) == "worse"


# --- tuning


def test_validation_alone_chooses():
    corpus = corpus_of([[0, 1, 2, 3, 4, 5, 6, 7, 8]] * 100, 60)
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


def test_each_number_of_shots_gets_its_own_choice(corpus):
    protocol = cold_user(corpus)
    chosen = tune(Neighbours(), corpus, protocol).choices
    assert tuple(chosen) == protocol.shots
    best = {
        shots: max(
            float(measure(rank(v, v.fit(protocol.training(corpus)), b.support, ITEMS).lists, b)["ndcg@10"].mean())
            for v in Neighbours().variants()
        )
        for shots, b in ((s, protocol.cases(corpus, protocol.validation, s)) for s in protocol.shots)
    }
    assert {shots: choice.validation for shots, choice in chosen.items()} == best


def test_of_equally_good_settings_the_first_is_chosen(corpus):
    learner = Table(liked=(3, 4), others=(Table(liked=(4, 3)),))
    assert {c.learner for c in tune(learner, corpus, cold_user(corpus)).choices.values()} == {learner}


class Greedy(Constant):
    """Remembers the seconds it was given, and uses up all of them where it is told to."""

    name: ClassVar[str] = "greedy"
    given: ClassVar[list[float]] = []
    count: int = 1

    def fit(self, corpus, *, seed=0, budget=None, progress=None):
        self.given.append(budget.seconds)
        return super().fit(corpus)

    def variants(self):
        return [self] * self.count


def test_every_learner_gets_the_same_seconds_and_its_variants_share_them(corpus):
    Greedy.given.clear()
    evaluate(corpus, {"one": Greedy(), "four": Greedy(count=4)}, cold_user(corpus), budget=Budget(1000.0))
    assert Greedy.given[0] == pytest.approx(1000, rel=0.01)
    assert Greedy.given[1] == pytest.approx(250, rel=0.01)
    assert Greedy.given[4] == pytest.approx(1000, rel=0.01)  # nobody used any


def test_when_time_is_up_the_first_variant_stands_and_it_is_said(corpus):
    found = evaluate(corpus, {"four": Greedy(count=4)}, cold_user(corpus), budget=Budget(0.0))
    assert (found.rows[0].tried, found.rows[0].variants) == (1, 4)
    assert "four: time allowed 1 of 4 settings" in text(found)


# --- what adapting does


class Calls(Neighbours):
    """Neighbours that remember how many events each person had when they were asked."""

    name: ClassVar[str] = "calls"
    widths: ClassVar[list[int]] = []

    def adapt(self, prior, support):
        self.widths.append(support.items.shape[1])
        return super().adapt(prior, support)

    def variants(self):
        return [self]


class Contrary(Neighbours):
    """Popularity, until it knows something of a person: then the opposite of what their neighbours like."""

    name: ClassVar[str] = "contrary"

    def fit(self, corpus, *, seed=0, budget=None, progress=None):
        prior = super().fit(corpus)
        return self.prior({**prior.tensors, "counts": corpus.tasks.item_counts(corpus.n_items)})

    def adapt(self, prior, support):
        if not support.mask.any():
            return Scores(prior.tensors["counts"].expand(len(support), -1))
        return Scores(-super().adapt(prior, support).scores())

    def variants(self):
        return [self]


class Late(Neighbours):
    """Popularity below three events, no two items alike."""

    name: ClassVar[str] = "late"
    slightly: float = 0.0

    def fit(self, corpus, *, seed=0, budget=None, progress=None):
        prior = super().fit(corpus)
        return self.prior({**prior.tensors, "counts": corpus.tasks.item_counts(ITEMS) + torch.arange(ITEMS) / 100})

    def adapt(self, prior, support):
        enough = 1.0 if support.items.shape[1] >= 3 else self.slightly
        return Scores(prior.tensors["counts"] + 1e6 * enough * super().adapt(prior, support).scores())

    def variants(self):
        return [self]


def test_without_events_the_people_and_their_profiles_stay():
    known = support_of([[3, 4], [5, 6], [7, 8]])
    known = replace(known, profile=torch.eye(3))
    bare = known.without_events()
    assert len(bare) == 3 and bare.shots().tolist() == [0, 0, 0]
    assert bare.items.shape == bare.grades.shape == bare.mask.shape == (3, 0)
    assert (bare.items.dtype, bare.grades.dtype, bare.mask.dtype) == (torch.int64, torch.float32, torch.bool)
    assert torch.equal(bare.profile, known.profile) and known.items.shape == (3, 2)


def test_a_learner_that_ignores_the_support_gains_exactly_nothing(evaluation):
    for name in ("popular", "constant"):
        (row,) = [row for row in evaluation.rows if row.learner == name]
        for cell in row.cells:
            assert (cell.moved, cell.shift, cell.gain) == (0.0, 0.0, Interval(0.0, 0.0, 0.0))
            same = cell.metrics["ndcg@10"]
            assert cell.unadapted.mean == same.mean
            assert cell.unadapted.half == pytest.approx(same.half, rel=1e-5)


def test_what_is_known_to_help_gains(evaluation):
    first, *rest = evaluation.rows[3].cells
    assert (first.moved, first.shift, first.gain) == (0.0, 0.0, Interval(0.0, 0.0, 0.0))
    for cell in rest:
        assert cell.gain.low > 0.05 and cell.moved > 0.5
        assert cell.shift == pytest.approx(1)  # without events every item has the same score
        assert cell.gain.mean == pytest.approx(cell.metrics["ndcg@10"].mean - cell.unadapted.mean, abs=1e-6)


def test_what_adapting_replaces_is_counted():
    """Not adapted: 0, 1, 2, … without what the person has. Each event puts one of 20, 21, 22 in front."""

    class Swap(Popular):
        def adapt(self, prior, support):
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


def test_the_gain_is_person_by_person_with_the_weights_of_every_other_interval(corpus):
    protocol, learner = cold_user(corpus, (3,)), Contrary()
    cell = evaluate(corpus, {"contrary": learner}, protocol, seed=4).rows[0].cells[0]
    batch, prior = protocol.cases(corpus, protocol.test, 3), learner.fit(protocol.training(corpus))
    counts = prior.tensors["counts"].expand(len(batch), -1)
    without = measure(top(counts, 20, batch.support, seed=4), batch)["ndcg@10"]
    adapted = measure(rank(learner, prior, batch.support, ITEMS, 4).lists, batch)["ndcg@10"]
    weights = resamples(len(batch), 4)
    assert cell.gain == difference(adapted, without, weights)
    assert cell.unadapted == intervals(without.unsqueeze(1), weights)[0]


def test_at_no_events_nothing_is_done_twice_and_tuning_asks_once(corpus):
    Calls.widths.clear()
    evaluate(corpus, {"calls": Calls()}, cold_user(corpus, (0, 3)))
    assert Calls.widths == [0, 3, 0, 3, 0]  # validation, then the test: adapted and not


def test_chunks_change_nothing_of_what_adapting_does(corpus, monkeypatch):
    protocol, learner = cold_user(corpus), Neighbours()
    prior, support = learner.fit(protocol.training(corpus)), protocol.cases(corpus, protocol.test, 3).support
    whole = ablate(learner, prior, support, ITEMS)
    monkeypatch.setattr("firstlight.ranking.CHUNK_TASKS", 7)
    parts = ablate(learner, prior, support, ITEMS)
    assert torch.equal(parts.adapted.lists, whole.adapted.lists) and torch.equal(parts.unadapted, whole.unadapted)
    assert torch.allclose(parts.shift, whole.shift)
    assert torch.equal(whole.adapted.lists, rank(learner, prior, support, ITEMS).lists)


def test_only_the_adapted_pass_is_timed(corpus, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr("firstlight.evaluate.ranking.time.perf_counter", lambda: float(next(clock)))
    learner, support = Popular(), support_of([[0], [1]])
    prior = learner.fit(corpus)
    assert ablate(learner, prior, support, ITEMS).adapted.seconds == 1 == rank(learner, prior, support, ITEMS).seconds


def test_not_adapted_scores_that_are_not_finite_are_refused():
    class Blind(Popular):
        def adapt(self, prior, support):
            known = support.mask.any(1, keepdim=True)
            return Scores(torch.where(known, 1.0, torch.nan).expand(-1, ITEMS))

    with pytest.raises(ModelError, match="120 scores that are not finite"):
        ablate(Blind(), Prior("popular", {}, {}), support_of([[0], [1]]), ITEMS)


@pytest.fixture(scope="module")
def ablation(corpus):
    learners: dict[str, Learner] = {
        "popular": Popular(),
        "broken": Broken(),
        "neighbours": Neighbours(),
        "contrary": Contrary(),
        "late": Late(),
        "timid": Late(slightly=1e-9),
    }
    return evaluate(corpus, learners, cold_user(corpus))


def adapting(evaluation, width=110):
    """The lines of the table of what adapting does."""
    out = io.StringIO()
    Console(file=out, width=width).print(report.table(evaluation))
    return out.getvalue().partition("What adapting does")[2].splitlines()


def test_the_table_of_adapting_says_who_gains_who_loses_and_who_does_nothing(ablation):
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


def test_who_does_nothing_is_named_and_where(ablation):
    said = [line.strip() for line in adapting(ablation) if "nothing" in line]
    assert said == [
        "popular: adapting changes nothing",
        "late: adapting changes nothing at 1 event",
        "timid: adapting changes nothing at 1 event",
    ]
    late, timid = ablation.rows[4].cells[1], ablation.rows[5].cells[1]
    assert late.shift == 0 < timid.shift < 0.01  # scores that move, and no list that does


def test_the_table_of_adapting_is_narrow_enough(ablation):
    assert max(map(len, map(str.rstrip, adapting(ablation)))) <= 110
    narrow = adapting(ablation, 80)
    assert max(map(len, map(str.rstrip, narrow))) <= 80 and not any("…" in line for line in narrow)


def test_without_events_there_is_no_table_of_adapting(corpus):
    assert adapting(evaluate(corpus, {"popular": Popular()}, cold_user(corpus, (0,)))) == []
    assert adapting(evaluate(corpus, {"broken": Broken()}, cold_user(corpus))) == []


# --- the whole


@pytest.fixture(scope="module")
def evaluation(corpus):
    learners: dict[str, Learner] = {
        "popular": Popular(),
        "broken": Broken(),
        "constant": Constant(),
        "neighbours": Neighbours(),
    }
    return evaluate(corpus, learners, cold_user(corpus), seed=0)


def text(evaluation, width=80):
    out = io.StringIO()
    console = Console(file=out, width=width)
    console.print(report.table(evaluation))
    console.print(report.details(evaluation))
    return out.getvalue()


def test_what_is_known_to_be_better_comes_out_better(evaluation):
    popular, _, constant, neighbours = evaluation.rows
    for shots, cell in zip(evaluation.shots, neighbours.cells, strict=True):
        assert cell.shots == shots
        assert 0 <= cell.metrics["ndcg@10"].low <= cell.metrics["ndcg@10"].mean <= cell.metrics["ndcg@10"].high <= 1
        if shots >= 3:
            assert (cell.against, cell.verdict) == ("popular", "better")
    assert [cell.verdict for cell in constant.cells] == ["worse"] * 5
    assert [cell.verdict for cell in popular.cells[2:]] == ["worse"] * 3
    assert constant.cells[0].coverage == 1.0


def test_a_learner_that_fails_says_why_and_the_others_go_on(evaluation):
    broken = evaluation.rows[1]
    assert broken.error and "bring an items file" in broken.error and not broken.cells
    assert [len(row.cells) for row in evaluation.rows] == [5, 0, 5, 5]


def test_the_opponent_is_chosen_on_validation():
    corpus = corpus_of([[0, 1, 2, 3, 4, 5, 6, 7, 8]] * 100, 60)
    protocol = cold_user(corpus, shots=(0,))
    items = corpus.tasks.items.clone().view(100, 9)
    items[protocol.validation], items[protocol.test] = torch.arange(20, 29), torch.arange(40, 49)
    corpus = replace(corpus, tasks=replace(corpus.tasks, items=items.flatten()))
    on_validation, on_test = Table(liked=tuple(range(20, 29))), Table(liked=tuple(range(40, 49)))
    rows = evaluate(corpus, {"ours": Constant(), "v": on_validation, "t": on_test}, protocol).rows
    assert rows[0].cells[0].against == "v"  # though "t" is far better on the people of test
    assert rows[2].cells[0].verdict == "better"


def test_the_same_seed_gives_the_same_numbers(corpus, evaluation):
    learners: dict[str, Learner] = {"neighbours": Neighbours(), "popular": Popular()}
    again = evaluate(corpus, learners, cold_user(corpus), seed=0)
    was = {row.learner: row for row in evaluation.rows}
    for row in again.rows:
        for cell, before in zip(row.cells, was[row.learner].cells, strict=True):
            assert cell.metrics == before.metrics and cell.settings == before.settings


def test_progress_goes_from_nothing_to_all(corpus):
    shares: list[float] = []
    learners: dict[str, Learner] = {"popular": Popular(), "neighbours": Neighbours()}
    evaluate(corpus, learners, cold_user(corpus), progress=lambda step, share: shares.append(share))
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1


def test_the_table_fits_a_terminal_of_80_columns(evaluation):
    lines = text(evaluation).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert not any("…" in line for line in lines)
    row = next(line for line in lines if "neighbours" in line)
    for cell in evaluation.rows[3].cells:
        assert f"{cell.metrics['ndcg@10'].mean:.3f}"[1:] in row
    assert "broken failed: broken needs content" in " ".join(lines)
    assert all(name in text(evaluation, 100) for name in ("recall@20", "prec@10", "hit@10", "mrr@10", "coverage"))


def test_the_best_of_a_column_is_bold(evaluation):
    out = io.StringIO()
    Console(file=out, width=100, force_terminal=True, color_system="standard").print(report.table(evaluation))
    row = next(line for line in out.getvalue().splitlines() if "neighbours" in line)
    best = f"{evaluation.rows[3].cells[4].metrics['ndcg@10'].mean:.3f}"[1:]
    assert f"\x1b[1m{best}\x1b[0m" in row


def test_all_learners_failing_is_still_a_table(corpus):
    assert "failed" in text(evaluate(corpus, {"broken": Broken()}, cold_user(corpus)))


def test_json_holds_everything(evaluation, tmp_path):
    path = tmp_path / "report.json"
    report.write_json(evaluation, path)
    read = json.loads(path.read_text("utf-8"))
    assert read["sizes"] == {"people": 400, "trained on": 280, "validation": 40, "test": 80, "items": 60, "likes": 6800}
    cell = read["rows"][3]["cells"][2]
    assert set(cell["metrics"]) == set(METRICS)
    assert cell["difference"].keys() == {"mean", "low", "high"} and cell["against"] == "popular"
    assert cell["unadapted"].keys() == cell["gain"].keys() == {"mean", "low", "high"}
    assert cell["moved"] > 0 and cell["shift"] > 0
    assert (read["seed"], read["protocol"], read["shots"]) == (0, "cold-user", [0, 1, 3, 5, 10])
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_a_file_that_cannot_be_written_is_one_sentence_and_leaves_nothing(evaluation, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"report\.json cannot be written .*: choose another place"):
        report.write_json(evaluation, tmp_path / "file" / "report.json")
    (tmp_path / "taken").mkdir()
    with pytest.raises(SettingsError, match="taken cannot be written"):
        report.write_json(evaluation, tmp_path / "taken")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "taken"]


def test_a_report_that_is_there_stays_whole_when_writing_fails(evaluation, tmp_path, monkeypatch):
    def full(*paths):
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.json"
    path.write_text("old")
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(SettingsError, match=r"report.json cannot be written \(No space left on device\)"):
        report.write_json(evaluation, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"] and path.read_text() == "old"
