"""Recall: the answer of a moment ago where nothing has changed, a new one wherever anything has."""

import gc
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from shops import NOON, asks, clicks, event, ids, market, shop

from firstlight.learners import make
from firstlight.recommender import Recommender
from firstlight.serve.answer import answer
from firstlight.serve.asking import Ask
from firstlight.serve.recall import Recall
from firstlight.serve.served import Served
from firstlight.settings import Feedback

OTHER: dict[str, Any] = {
    "events": clicks("i005"),
    "profile": {"age_group": "young"},
    "n": 7,
    "strategy": "popular",
    "filter": {"lt": {"field": "price", "value": 20}},
    "current": "i009",
    "items": ["i001", "i002"],
    "excluded": ["i001"],
    "domain": "books",
    "outside": 0.5,
    "diversity": 0.5,
    "explore": 0.5,
    "explain": True,
    "strict": False,
    "seed": 3,
    "key": "bob",
    "again": True,
    "now": NOON,
}


def recalled(recall: Recall, served: Served, ask: Ask) -> bool:
    """Whether the answer took no computation."""
    return not recall.answers(served, [ask])[0].seconds


def test_who_asks_again_gets_the_same_answer_and_everybody_their_own() -> None:
    recall, wanted = Recall(), asks(12)
    first = recall.answers(shop(), wanted)
    assert [one.items for one in first] == [one.items for one in answer(shop(), wanted)]
    more = [*wanted[:5], Ask(clicks("i005"), key="new"), *wanted[5:]]
    second = recall.answers(shop(), more)
    assert [bool(one.seconds) for one in second] == [place == 5 for place in range(13)]
    assert [one.items for one in second[:5] + second[6:]] == [one.items for one in first]
    assert second[5].items == answer(shop(), [more[5]])[0].items


def test_what_is_remembered_gives_the_collector_of_garbage_little_to_look_at() -> None:
    recall, wanted = Recall(), asks(50, n=100)
    gc.collect()
    before = len(gc.get_objects())
    recall.answers(shop(), wanted)
    gc.collect()
    assert len(gc.get_objects()) - before < 10 * len(wanted)  # and not one for each of 5,000 items


@pytest.mark.parametrize("name", [field.name for field in fields(Ask) if field.name != "draw"])
def test_whatever_is_asked_otherwise_is_answered_anew(name: str) -> None:
    recall, ask = Recall(), Ask(clicks("i003", "i004"), {"age_group": "old"}, key="ann")
    assert not recalled(recall, shop(), ask)
    assert recalled(recall, shop(), ask)
    assert not recalled(recall, shop(), replace(ask, **{name: OTHER[name]}))


@pytest.mark.parametrize("other", [event("i003", "purchase"), event("i003", value=2.0), event("i004")])
def test_an_event_that_says_something_else_is_another(other: Any) -> None:
    recall = Recall()
    assert not recalled(recall, shop(), Ask([event("i003")]))
    assert not recalled(recall, shop(), Ask([other]))


def test_the_order_of_events_counts_and_their_time_only_where_it_says_something() -> None:
    first, second = clicks("i003", "i004")
    early = [one._replace(time=one.time - timedelta(days=9)) for one in (first, second)]
    fading = Served.of(Recommender.fit(market(), make("item-knn"), feedback=Feedback(half_life=30.0)), "v1")
    for served, matters in ((shop(), False), (fading, True)):
        recall = Recall()
        assert not recalled(recall, served, Ask([first, second]))
        assert recalled(recall, served, Ask([second, first]))  # they happened as they did, however they are told
        assert recalled(recall, served, Ask(early)) != matters
        assert not recalled(recall, served, Ask([first, second._replace(time=first.time - timedelta(1))]))
    recall = Recall()
    assert not recalled(recall, shop(), Ask([first, second], now=NOON + timedelta(1)))
    assert not recalled(recall, shop(), Ask(early, now=NOON + timedelta(1)))


def test_a_draw_matters_to_those_who_explore() -> None:
    recall = Recall()
    assert not recalled(recall, shop(), Ask(draw=1))
    assert recalled(recall, shop(), Ask(draw=2))
    assert not recalled(recall, shop(), Ask(draw=1, explore=0.5))
    assert not recalled(recall, shop(), Ask(draw=2, explore=0.5))


def test_a_new_model_or_item_forgets_all_answers() -> None:
    recall, ask, grown = Recall(), Ask(clicks("i003")), shop().with_items([{"item_id": "new", "title": "a toy"}])
    for served in (shop(), grown, shop()):
        assert not recalled(recall, served, ask)
        assert recalled(recall, served, ask)


def test_what_a_fallback_answers_is_tried_again() -> None:
    recall, ask = Recall(), Ask(domain="nowhere", strict=False)
    assert recall.answers(shop(), [ask])[0].fallback == "popular"
    assert not recalled(recall, shop(), ask)


def test_who_has_not_asked_for_long_is_forgotten() -> None:
    recall, (ann, bob, cid) = Recall(room=2 * 11), [replace(ask, n=10) for ask in asks(3)]
    recall.answers(shop(), [ann, bob])
    assert recalled(recall, shop(), ann)
    recall.answers(shop(), [cid])
    assert recalled(recall, shop(), ann)
    assert recalled(recall, shop(), cid)
    assert not recalled(recall, shop(), bob)


def test_the_same_ask_twice_at_once_takes_one_room() -> None:
    recall, (ann, bob) = Recall(room=2 * 11), [replace(ask, n=10) for ask in asks(2)]
    both = recall.answers(shop(), [ann, ann])
    assert ids(both[0]) == ids(both[1])
    recall.answers(shop(), [bob])
    assert recalled(recall, shop(), ann)


def test_what_cannot_be_told_from_other_wishes_is_answered_anew() -> None:
    recall, ask = Recall(), Ask(filter={"lt": {"field": "price", "value": 10**30}})
    assert recall.answers(shop(), [ask])[0].items
    assert not recalled(recall, shop(), ask)
