"""Shelves: every category once, each with its best items as a list of its category alone would have them."""

import numpy as np
import pytest
from shops import asks, category_of, clicks, ids, shop

from firstlight.serve.answer import answer
from firstlight.serve.asking import STAGES, Ask
from firstlight.serve.shelves import by_category, shelves


def test_each_shelf_has_the_best_items_of_its_category() -> None:
    for ask in asks(6):
        found = shelves(shop(), ask, 4, 100)
        assert {shelf.category for shelf in found.shelves} == set(shop().category.names)
        for shelf in found.shelves:
            tree = {"eq": {"field": "category", "value": shelf.category}}
            alone = answer(shop(), [Ask(ask.events, ask.profile, n=4, filter=tree, key=ask.key)])[0]
            assert [item.score for item in shelf.items] == [item.score for item in alone.items]
            assert {category_of(shop(), item.item_id) for item in shelf.items} == {shelf.category}
            assert shelf.domain == shop().domain.at(shelf.items[0].place)
            assert shelf.score == pytest.approx(np.mean([item.score for item in shelf.items]), rel=1e-5)
        marks = [shelf.score for shelf in found.shelves]
        assert marks == sorted(marks, reverse=True)


def test_the_answer_holds_all_that_is_shown() -> None:
    found = shelves(shop(), Ask(clicks("i001")), 3, 5)
    assert len(found.shelves) == 5
    assert list(found.answer.items) == [item for shelf in found.shelves for item in shelf.items]
    assert found.answer.liked == 1 and found.answer.fallback is None
    assert set(found.answer.seconds) == set(STAGES)


def test_the_share_of_shelves_from_elsewhere() -> None:
    told = clicks("i001", "i002")
    theirs = {category_of(shop(), name) for name in ("i001", "i002")}
    for share in (0.0, 0.5, 1.0):
        found = shelves(shop(), Ask(told, outside=share), 3, 6).shelves
        assert sum(shelf.category not in theirs for shelf in found) >= share * 6


def test_exploring_and_variety_are_within_a_shelf() -> None:
    plain = shelves(shop(), Ask(), 2, 5)
    drawn = shelves(shop(), Ask(explore=0.9, diversity=0.5), 2, 5)
    assert [shelf.category for shelf in plain.shelves] == [shelf.category for shelf in drawn.shelves]
    assert "explored" in {item.source for item in drawn.answer.items}
    for shelf in drawn.shelves:
        assert {category_of(shop(), item.item_id) for item in shelf.items} == {shelf.category}


def test_reasons_and_filters_hold_for_shelves() -> None:
    tree = {"lt": {"field": "price", "value": 30}}
    found = shelves(shop(), Ask(clicks("i001"), explain=True, filter=tree), 3, 5)
    for item in found.answer.items:
        price = shop().prices[item.place]
        assert price is not None and price < 30
        assert sum(reason.added for reason in item.reasons) == pytest.approx(item.score, abs=1e-5)


def test_nothing_eligible_is_no_shelf_and_is_said() -> None:
    found = shelves(shop(), Ask(filter={"lt": {"field": "price", "value": -1}}), 3, 5)
    assert found.shelves == [] and found.answer.note is not None
    assert found.answer.note.startswith("None of the 150 items passes")


def test_taking_an_event_back_gives_exactly_the_old_shelves() -> None:
    told = clicks("i001", "i002", "i003")
    before, during, after = (shelves(shop(), Ask(part), 4, 9).shelves for part in (told[:2], told, told[:2]))
    assert before == after != during


def test_by_category_ranks_within_each() -> None:
    scores = np.array([1, 5, 3, 3, -np.inf, 2], np.float32)
    codes = np.array([1, 0, 1, 1, 1, -1], np.int32)
    assert [part.tolist() for part in by_category(codes, scores, 2)] == [[1], [2, 3]]
    assert by_category(codes, np.full(6, -np.inf, np.float32), 2) == []


def test_a_new_category_has_a_shelf_at_once() -> None:
    grown = shop().with_items([{"item_id": "k", "category": "kites", "domain": "toys"}])
    found = shelves(grown, Ask(), 3, 100)
    (kites,) = [shelf for shelf in found.shelves if shelf.category == "kites"]
    assert [item.item_id for item in kites.items] == ["k"] and kites.domain == "toys"
    assert "k" in ids(found.answer)
