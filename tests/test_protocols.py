"""Who is learned from and who is judged: the same people at every number of events, and none is both."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from conformance import tiny
from stand_ins import ITEMS, PEOPLE, Neighbours

from firstlight.budget import Budget, Progress, silent
from firstlight.errors import DataError, SettingsError
from firstlight.evaluate import cold_user, evaluate
from firstlight.evaluate.ranking import rank
from firstlight.learners.base import Prior
from firstlight.learners.popular import Popular
from firstlight.tasks import Corpus


class Spy(Popular):
    """Popularity that remembers everything it was given."""

    name: ClassVar[str] = "spy"
    seen: ClassVar[list[Corpus]] = []

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        self.seen.append(corpus)
        return super().fit(corpus)


def test_people_are_disjoint_and_as_many_as_said(corpus: Corpus) -> None:
    protocol = cold_user(corpus)
    parts = [protocol.train, protocol.validation, protocol.test]
    assert [len(part) for part in parts] == [280, 40, 80]
    assert torch.cat(parts).sort().values.equal(torch.arange(PEOPLE))


def test_the_same_people_at_every_number_of_shots_with_exactly_so_many(corpus: Corpus) -> None:
    protocol = cold_user(corpus)
    rows = corpus.tasks.items.view(PEOPLE, 17)[protocol.test]
    for shots in protocol.shots:
        batch = protocol.cases(corpus, protocol.test, shots)
        assert len(batch) == len(protocol.test)
        assert torch.equal(batch.support.items, rows[:, :shots])  # in the order of the rows
        assert batch.support.shots().tolist() == [shots] * len(batch)
        assert torch.equal(batch.query, rows[:, shots:]) and batch.query_mask.all()


def test_dislikes_are_neither_support_nor_query() -> None:
    corpus = tiny([list(range(12))] * 30, 12)
    grades = corpus.tasks.grades.clone().view(30, 12)
    grades[:, 1] = -0.5
    corpus = replace(corpus, tasks=replace(corpus.tasks, grades=grades.flatten()))
    protocol = cold_user(corpus, shots=(0, 3))
    batch = protocol.cases(corpus, protocol.test, 3)
    assert batch.support.items[0].tolist() == [0, 2, 3]
    assert batch.query_mask.sum(1).tolist() == [8] * len(batch)


def test_the_seed_draws_the_people(corpus: Corpus) -> None:
    first, again, other = cold_user(corpus, seed=1), cold_user(corpus, seed=1), cold_user(corpus, seed=2)
    assert torch.equal(first.test, again.test) and torch.equal(first.validation, again.validation)
    assert not torch.equal(first.test, other.test)


def test_sparse_data_are_judged_at_fewer_shots_and_it_is_said() -> None:
    rows = [list(range(9))] * 40 + [list(range(4))] * 60 + [list(range(20))] * 5
    protocol = cold_user(tiny(rows, 20))
    assert protocol.shots == (0, 1, 3, 5)
    assert protocol.note == "not judged at 10 events: only 5 of 105 people have 13 likes"
    assert (protocol.test < 40).sum() + (protocol.test >= 100).sum() == len(protocol.test) == 9


def test_a_few_long_histories_do_not_stand_for_everybody() -> None:
    rows = [list(range(20))] * 100 + [list(range(8))] * 900
    assert cold_user(tiny(rows, 20)).shots == (0, 1, 3, 5)
    assert cold_user(tiny(rows[:200], 20)).shots == (0, 1, 3, 5, 10)


def test_very_sparse_data_still_give_a_figure() -> None:
    rows = [[0, 1, 2, 3]] * 30 + [[0]] * 300
    protocol = cold_user(tiny(rows, 20))
    assert protocol.shots == (0, 1) and len(protocol.test) == 6 and len(protocol.validation) == 12


def test_too_few_people_is_one_clear_sentence() -> None:
    with pytest.raises(DataError, match=r"7 of 12 people have the 3 likes that judging at 0 events needs, and 25 such"):
        cold_user(tiny([[0, 1, 2]] * 7 + [[0]] * 5, 5))


@pytest.mark.parametrize("shots", [(), (-1, 3)])
def test_impossible_shots_are_refused(corpus: Corpus, shots: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match="such as 0,1,3,5,10"):
        cold_user(corpus, shots)


def test_no_event_of_test_or_validation_reaches_training(corpus: Corpus) -> None:
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


def test_items_nobody_liked_in_training_count_as_misses() -> None:
    rows = [[0, 1, 2, 3, 4, 5]] * 60
    corpus = tiny(rows, 30)
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


def test_the_support_is_never_recommended(corpus: Corpus) -> None:
    protocol, learner = cold_user(corpus), Neighbours()
    prior = learner.fit(protocol.training(corpus))
    for shots in protocol.shots:
        support = protocol.cases(corpus, protocol.test, shots).support
        lists = rank(learner, prior, support, ITEMS).lists
        assert not (lists.unsqueeze(2) == support.items.unsqueeze(1)).any()
        assert all(len(set(row)) == 20 for row in lists.tolist())
