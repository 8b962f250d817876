"""Reasons: they add up to the score, to what the events changed, and their shares to 1."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from shops import Fixed, asks, category_of, clicks, event, recommender, shop

from firstlight.budget import Budget, Progress, silent
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.serve.answer import answer
from firstlight.serve.asking import Ask, Listed
from firstlight.serve.reasons import STRONGEST
from firstlight.serve.served import Served
from firstlight.tasks import Corpus, Support


class Silent(Learner):
    """score(j) = Σ grade · votes(i, j), which it tells nobody."""

    name: ClassVar[str] = "silent"
    summary: ClassVar[str] = "for tests"

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        raise NotImplementedError

    def adapt(self, prior: Prior, support: Support) -> Preference:
        return Fixed((prior.tensors["votes"][support.items] * (support.grades * support.mask)[..., None]).sum(1))


OF_EVENTS = ("because_you", "category_transfer", "rest")
CLOSED = ["item-knn", "fewshot-ease"]


def added(item: Listed, *kinds: str) -> float:
    return sum(reason.added for reason in item.reasons if not kinds or reason.kind in kinds)


@pytest.fixture(scope="module")
def linear() -> Served:
    """It does not tell what its scores are made of, so that events are left out one by one."""
    model, places = recommender("popular"), torch.arange(150.0)
    votes = torch.sin(places[:, None] * 1.7 + places)
    return Served.of(replace(model, learner=Silent(), prior=Silent().prior({"votes": votes})), "v1")


@pytest.mark.parametrize("learner", CLOSED)
def test_of_closed_forms_the_events_add_up_to_what_they_changed(learner: str) -> None:
    wanted = asks(25, explain=True, n=6)
    nobody = answer(shop(learner), [replace(ask, events=(), n=150, explain=False) for ask in wanted])
    for found, without in zip(answer(shop(learner), wanted), nobody, strict=True):
        base = {item.item_id: item.score for item in without.items}
        for item in found.items:
            assert added(item, *OF_EVENTS) == pytest.approx(item.score - base[item.item_id], abs=1e-5)


@pytest.mark.parametrize("learner", [*CLOSED, "popular", "linear"])
def test_all_add_up_to_the_score_and_the_shares_to_1(learner: str, linear: Served) -> None:
    served = linear if learner == "linear" else shop(learner)
    wanted = asks(25, explain=True, n=150)
    shares = 0
    for found in answer(served, wanted):
        scores = [item.score for item in found.items]
        for item in found.items:
            assert added(item) == pytest.approx(item.score, rel=1e-5, abs=1e-5)
            if item.reasons[0].share is None:
                assert all(reason.share is None for reason in item.reasons)
            else:
                shares += 1
                assert sum(reason.share or 0.0 for reason in item.reasons) == pytest.approx(1.0, abs=1e-5)
        if len(set(scores)) > 1:
            assert found.items[0].reasons[0].share is not None
    assert shares


@pytest.mark.parametrize("learner", CLOSED)
def test_the_profile_is_what_the_list_would_lack_without_it(learner: str) -> None:
    wanted = asks(25, explain=True, n=5)
    without = answer(shop(learner), [replace(ask, profile={}, n=150, explain=False) for ask in wanted])
    kinds = set()
    for found, other in zip(answer(shop(learner), wanted), without, strict=True):
        base = {item.item_id: item.score for item in other.items}
        for item in found.items:
            kinds |= {reason.kind for reason in item.reasons}
            assert added(item, "profile") == pytest.approx(item.score - base[item.item_id], abs=1e-5)
    assert ("profile" in kinds) == (learner == "fewshot-ease")


def test_an_event_of_the_category_is_told_from_one_of_another() -> None:
    item = answer(shop(), [Ask(clicks("i001", "i002", "i003"), explain=True, n=150)])[0].items
    seen = set()
    for one in item:
        for reason in one.reasons:
            if reason.event is None:
                assert reason.kind in ("popular", "new")
                continue
            seen.add(reason.kind)
            categories = category_of(shop(), reason.event.item_id), category_of(shop(), one.item_id)
            assert (reason.kind == "because_you") == (categories[0] == categories[1])
            if reason.kind == "category_transfer":
                assert (reason.source, reason.target) == categories
    assert seen == {*OF_EVENTS} - {"rest"}


def test_the_strongest_event_comes_first_and_the_rest_last() -> None:
    for item in answer(shop(), [Ask(clicks("i001", "i002", "i003"), explain=True)])[0].items:
        sizes = [abs(reason.added) for reason in item.reasons if reason.event]
        assert sizes == sorted(sizes, reverse=True)
        assert item.reasons[-1].kind in ("popular", "new")


def test_what_nobody_has_liked_is_new() -> None:
    grown = shop().with_items([{"item_id": "new", "category": "kites"}])
    found = answer(grown, [Ask(explain=True, items=["new", "i001"])])[0]
    assert {item.item_id: item.reasons[0].kind for item in found.items} == {"new": "new", "i001": "popular"}


@pytest.mark.parametrize("strategy", ["item-knn", "category-popular", "popular"])
def test_simpler_strategies_explain_themselves(strategy: str, linear: Served) -> None:
    ask = Ask(clicks("i001", "i002"), explain=True, strategy=strategy, n=8)  # type: ignore[arg-type]
    found = answer(linear, [ask])[0]
    without = {item.item_id: item.score for item in answer(linear, [replace(ask, events=(), n=150)])[0].items}
    for item in found.items:
        assert added(item, *OF_EVENTS) == pytest.approx(item.score - without[item.item_id], rel=1e-4, abs=1e-5)
    told = {reason.kind for item in found.items for reason in item.reasons}
    assert told == ({"popular"} if strategy == "popular" else {*OF_EVENTS, "popular"} & told | {"popular"})
    assert strategy == "popular" or set(OF_EVENTS) & told


@pytest.mark.parametrize("learner", CLOSED)
def test_events_beyond_the_strongest_are_told_together(learner: str) -> None:
    told = clicks(*(f"i{number:03}" for number in range(1, 12)))
    few = answer(shop(learner), [Ask(told, explain=True, n=20)])[0].items
    for item in few:
        named = [reason for reason in item.reasons if reason.event]
        rest = [reason for reason in item.reasons if reason.kind == "rest"]
        assert len(named) <= STRONGEST and len(rest) == (len(named) == STRONGEST)
        assert sum(reason.share or 0.0 for reason in item.reasons) == pytest.approx(1.0, abs=1e-5)
    assert any(reason.kind == "rest" for item in few for reason in item.reasons)


def test_somebody_of_whom_nothing_is_known_gets_everybodys_taste(linear: Served) -> None:
    for served in (linear, shop("fewshot-ease")):
        items = answer(served, [Ask(explain=True)])[0].items
        assert {reason.kind for item in items for reason in item.reasons} <= {"popular", "new"}


def test_reasons_are_given_to_who_asks_for_them_only() -> None:
    told = [Ask(clicks("i001"), explain=explain) for explain in (True, False, True)]
    found = answer(shop(), told)
    assert [bool(one.items[0].reasons) for one in found] == [True, False, True]
    assert found[0].items == found[2].items


def test_an_event_that_pulls_down_is_a_reason_too() -> None:
    told = [event("i001"), event("i002", "rate", 1.0, minute=1)]
    items = answer(shop(), [Ask(told, explain=True, n=150)])[0].items
    assert any(reason.added < 0 for item in items for reason in item.reasons)
