"""Answers: they are what the recommender recommends, alone or in a batch, and there is always one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from shops import Fixed, asks, category_of, clicks, event, frame, ids, market, nothing, people, recommender, shop

from firstlight.learners.base import Preference
from firstlight.learners.popular import Popular
from firstlight.recommender import Recommender
from firstlight.serve import strategies
from firstlight.serve.answer import answer
from firstlight.serve.asking import STAGES, STRATEGIES, Answer, Ask, Strategy, stage
from firstlight.serve.filters import FilterError
from firstlight.serve.served import Served
from firstlight.tasks import Support

LEARNERS = ["popular", "item-knn", "fewshot-ease"]


def listed(answers: Sequence[Answer]) -> list[list[tuple[str, float]]]:
    return [[(item.item_id, item.score) for item in one.items] for one in answers]


@pytest.mark.parametrize("n", [1, 20, 200])
@pytest.mark.parametrize("learner", LEARNERS)
def test_an_answer_is_what_the_recommender_recommends(learner: str, n: int) -> None:
    wanted = asks(30, n=n, seed=7)
    names = pl.Series([ask.key for ask in wanted])
    events = frame([one for ask in wanted for one in ask.events])
    lists = recommender(learner).recommend(events, market().users, names=names, n=n, seed=7)
    for ask, answered in zip(wanted, answer(shop(learner), wanted), strict=True):
        theirs = lists.filter(user_id=ask.key)
        assert ids(answered) == theirs["item_id"].to_list()
        assert [item.score for item in answered.items] == pytest.approx(theirs["score"].to_list(), rel=1e-6)
        assert {item.source for item in answered.items} <= {"adapted"}
        assert {item.propensity for item in answered.items} <= {1.0}
        assert answered.fallback is None


def test_candidates_are_those_of_the_recommender() -> None:
    names = ["i003", "i005", "i007", "unheard of"]
    ask = Ask(clicks("i005"), key="a", items=names)
    lists = recommender().recommend(frame(clicks("i005", user="a")), candidates=pl.Series(names))
    assert ids(answer(shop(), [ask])[0]) == lists["item_id"].to_list()
    assert len(lists) == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_alone_or_in_a_batch_the_answer_is_the_same(strategy: str) -> None:
    several = [
        replace(ask, n=3 + place % 4, seed=place % 2, outside=place % 3 / 4, diversity=place % 5 / 8, draw=place)
        for place, ask in enumerate(asks(12, strategy=strategy, explore=0.3))
    ]
    together = answer(shop("fewshot-ease"), several)
    alone = [answer(shop("fewshot-ease"), [ask])[0] for ask in several]
    assert [ids(one) for one in together] == [ids(one) for one in alone]
    for left, right in zip(together, alone, strict=True):
        assert [item.score for item in left.items] == pytest.approx([item.score for item in right.items], rel=1e-5)
        assert [item.propensity for item in left.items] == [item.propensity for item in right.items]
        assert (left.liked, left.note) == (right.liked, right.note)


def test_strategies_may_differ_within_a_batch() -> None:
    ask = asks(8)[7]
    mixed = [replace(ask, strategy=strategy) for strategy in (*STRATEGIES, *STRATEGIES)]
    found = answer(shop("fewshot-ease"), mixed)
    assert [one.items[0].source for one in found] == [*STRATEGIES, *STRATEGIES]
    assert listed(found[:4]) == listed(found[4:])
    assert all(one.fallback is None for one in found)
    knn = answer(shop("item-knn"), [ask])[0]
    assert ids(found[1]) == ids(knn)


def test_taking_an_event_away_gives_exactly_the_list_without_it() -> None:
    told = clicks("i001", "i002", "i003")
    before, during, after = (answer(shop(), [Ask(part)]) for part in (told[:2], told, told[:2]))
    assert listed(before) == listed(after) != listed(during)


def test_who_asks_is_known_by_what_they_liked() -> None:
    told = [*clicks("i001", "i002"), event("i003", "rate", 1.0), event("i004", "impression"), event("unheard of")]
    assert answer(shop(), [Ask(), Ask(told)])[1].liked == 2
    assert [stage(n) for n in (0, 1, 9, 10)] == ["zero", "few", "few", "warm"]


def test_unknown_items_in_events_and_requests_are_ignored() -> None:
    plain, odd = Ask(clicks("i001")), Ask([*clicks("i001"), event("x", minute=9)], excluded=["y"], current="z")
    assert listed(answer(shop(), [plain])) == listed(answer(shop(), [odd]))


def test_excluded_and_seen_items_are_not_listed_unless_they_may_come_again() -> None:
    first = ids(answer(shop(), [Ask(n=5)])[0])
    assert not {*first[:2]} & {*ids(answer(shop(), [Ask(n=150, excluded=first[:2])])[0])}
    seen = [event(first[0], "impression"), event(first[1], "rate", 1.0)]
    assert not {*first[:2]} & {*ids(answer(shop(), [Ask(seen, n=150)])[0])}
    assert len(answer(shop(), [Ask(seen, n=150, again=True)])[0].items) == 150


def test_only_the_domain_that_was_asked_for() -> None:
    domain = shop().domain.at(0)
    items = answer(shop(), [Ask(n=150, domain=domain)])[0].items
    assert {shop().domain.at(item.place) for item in items} == {domain}
    nowhere = answer(shop(), [Ask(domain="unheard of")])[0]
    assert not nowhere.items and nowhere.note == (
        "None of the 150 items passes the filter, the domain and the list of items that were asked for."
    )


# --- another order than that of the scores


def test_the_share_from_other_categories_is_reached_and_no_more_changes_than_that() -> None:
    ask = Ask(clicks("i001", "i002"), n=10)
    theirs = {category_of(shop(), name) for name in ("i001", "i002")}
    plain = ids(answer(shop(), [ask])[0])
    for share in (0.0, 0.3, 0.85, 1.0):
        found = ids(answer(shop(), [replace(ask, outside=share)])[0])
        new = [name for name in found if category_of(shop(), name) not in theirs]
        assert len(new) >= share * 10
        kept = [name for name in plain if name in found]
        assert found[: len(kept)] == kept == plain[: len(kept)] or share > 0
    assert ids(answer(shop(), [replace(ask, outside=0.0)])[0]) == plain


def test_a_share_that_cannot_be_reached_is_reached_as_far_as_possible() -> None:
    tree = {"eq": {"field": "category", "value": category_of(shop(), "i001")}}
    found = answer(shop(), [Ask(clicks("i001"), filter=tree, outside=1.0)])[0]
    assert found.items and {category_of(shop(), item.item_id) for item in found.items} == {category_of(shop(), "i001")}


def test_diversity_spreads_the_list_over_more_categories() -> None:
    ask = Ask(clicks("i001", "i002"), n=10)
    plain, spread = (answer(shop(), [replace(ask, diversity=d)])[0] for d in (0.0, 0.9))
    kinds = [len({category_of(shop(), item.item_id) for item in one.items}) for one in (plain, spread)]
    assert kinds[1] > kinds[0]
    assert plain.items[0].item_id == spread.items[0].item_id


def test_what_is_explored_says_so_and_how_probable_it_was() -> None:
    plain = answer(shop(), [Ask(n=10)])[0]
    found = answer(shop(), [Ask(n=10, explore=0.5)])[0]
    assert {item.source for item in found.items} == {"adapted", "explored"}
    best = [item for item in found.items if item.source == "adapted"]
    assert all(item.propensity == pytest.approx(0.5 + 0.5 / 50) for item in best)
    assert all(item.propensity == pytest.approx(0.5 / 50) for item in found.items if item.source == "explored")
    assert ids(found) == ids(answer(shop(), [Ask(n=10, explore=0.5)])[0]) != ids(plain)
    assert ids(found) != ids(answer(shop(), [Ask(n=10, explore=0.5, draw=1)])[0])


# --- there is always an answer


def broken(of: strategies.Voice) -> dict[Strategy, strategies.Voice]:
    return {**strategies.VOICES, "adapted": of}


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(served: Served, support: Support) -> Preference:
        raise RuntimeError("shape mismatch\nand more")

    monkeypatch.setattr(strategies, "VOICES", broken(fail))


def test_where_the_model_raises_item_knn_answers(raising: None) -> None:
    wanted = asks(6)
    for found in answer(shop("fewshot-ease"), wanted):
        assert found.fallback == "item-knn"
        assert found.note == "The model could not answer (shape mismatch), so the list is by item-knn."
    knn = answer(shop("fewshot-ease"), [replace(ask, strategy="item-knn") for ask in wanted])
    assert listed(answer(shop("fewshot-ease"), wanted)) == listed(knn)
    assert {item.source for one in knn for item in one.items} == {"item-knn"}


def test_weights_that_are_no_numbers_are_noticed() -> None:
    model = recommender("fewshot-ease")
    tensors = {name: value * torch.nan if name == "known" else value for name, value in model.prior.tensors.items()}
    spoilt = Served.of(replace(model, prior=replace(model.prior, tensors=tensors)), "v2")
    found = answer(spoilt, asks(4))
    assert {one.fallback for one in found} == {"item-knn"}
    assert all(np.isfinite([item.score for item in one.items]).all() for one in found)


def test_who_is_fine_is_not_spoilt_by_who_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = strategies.VOICES["adapted"]

    def half(served: Served, support: Support) -> Preference:
        scores = usual(served, support).scores().clone()
        scores[support.shots() == 2] = torch.inf
        if bool((support.shots() == 3).any()):
            raise ValueError("three")
        return Fixed(scores)

    wanted = [Ask(clicks(*(f"i{n:03}" for n in range(shots)))) for shots in range(5)]
    plain = answer(shop(), wanted)
    monkeypatch.setattr(strategies, "VOICES", broken(half))
    found = answer(shop(), wanted)
    assert [one.fallback for one in found] == [None, None, "item-knn", "item-knn", None]
    fine = [0, 1, 4]
    assert listed([found[n] for n in fine]) == listed([plain[n] for n in fine])


def test_the_ladder_goes_down_to_popularity(monkeypatch: pytest.MonkeyPatch) -> None:
    for depth, strategy in enumerate(STRATEGIES[:-1]):
        broken_ones = {name: lambda served, support: Fixed(nothing(150)[None]) for name in STRATEGIES[: depth + 1]}
        monkeypatch.setattr(strategies, "VOICES", {**strategies.VOICES, **broken_ones})
        found = answer(shop(), asks(3)[2:])[0]
        assert found.fallback == STRATEGIES[depth + 1] == found.items[0].source
        assert found.note and f"so the list is by {STRATEGIES[depth + 1]}." in found.note
        assert strategy not in {item.source for item in found.items}


def test_a_model_without_item_knn_beside_it_goes_on_to_categories(raising: None) -> None:
    bare = replace(shop(), recommender=replace(recommender(), simple={}))
    found = answer(bare, [Ask(clicks("i001"), n=3)])[0]
    assert found.fallback == "category-popular"
    assert {category_of(bare, item.item_id) for item in found.items} == {category_of(bare, "i001")}


def test_an_empty_catalogue_gives_an_empty_list_that_says_so() -> None:
    model = recommender("popular")
    empty = replace(
        model,
        schema=replace(model.schema, item_ids=model.schema.item_ids.clear()),
        prior=Popular().prior({"counts": torch.zeros(0)}),
        simple={},
        items=model.items.clear() if model.items is not None else None,
    )
    found = answer(Served.of(empty, "v0"), [Ask(), Ask(clicks("i001"))])
    assert [len(one.items) for one in found] == [0, 0]
    assert found[0].note == "The catalogue is empty: put items or train on a data set."


def test_nobody_asks() -> None:
    assert answer(shop(), []) == []


NONE_PASS = {"lt": {"field": "price", "value": -1}}


def test_a_filter_that_leaves_nothing_leaves_nothing_or_what_is_popular() -> None:
    strict, other = answer(
        shop("item-knn"), [Ask(filter=NONE_PASS), Ask(clicks("i001"), filter=NONE_PASS, strict=False)]
    )
    assert not strict.items and strict.note and strict.note.startswith("None of the 150 items passes the filter")
    assert len(other.items) == 20 and {item.source for item in other.items} == {"popular"}
    assert other.fallback == "popular" and other.liked == 1
    assert other.note and other.note.endswith("What is popular is listed instead.")
    assert "i001" not in ids(other)


def test_who_has_seen_everything_is_told_so() -> None:
    found = answer(shop(), [Ask(clicks(*shop().ids))])[0]
    assert not found.items and found.note == (
        "Nothing is left to list: all eligible ones of 150 items are excluded or known to them."
    )


def test_what_nobody_has_liked_yet_rests_on_the_catalogue_and_says_so() -> None:
    grown = shop("popular").with_items([{"item_id": "new", "category": "kites", "price": 3.0}])
    tree = {"eq": {"field": "category", "value": "kites"}}
    found = answer(grown, [Ask(filter=tree), Ask()])
    assert ids(found[0]) == ["new"] and found[0].items[0].cold
    assert found[0].note == "Nobody has liked any eligible item yet, so the order rests on the catalogue alone."
    assert found[1].note is None


def test_a_filter_that_cannot_be_read_is_an_error_of_its_own() -> None:
    with pytest.raises(FilterError, match="no 'colour'"):
        answer(shop(), [Ask(filter={"eq": {"field": "colour", "value": "red"}})])


def test_the_stages_are_timed() -> None:
    found = answer(shop(), asks(3, explain=True))
    assert set(found[0].seconds) == set(STAGES)
    assert all(spent >= 0 for spent in found[0].seconds.values())


def test_popularity_of_a_category_follows_what_was_liked() -> None:
    told = clicks("i001")
    found = answer(shop(), [Ask(told, strategy="category-popular", n=150)])[0]
    inside = [item for item in found.items if category_of(shop(), item.item_id) == category_of(shop(), "i001")]
    assert list(found.items[: len(inside)]) == inside
    likes = [float(shop().liked[item.place]) for item in inside]
    assert likes == sorted(likes, reverse=True)
    nobody = answer(shop(), [Ask(strategy=name, n=150) for name in ("category-popular", "popular")])
    assert [shop().liked[item.place] for item in nobody[0].items] == [
        shop().liked[item.place] for item in nobody[1].items
    ]


def test_people_of_the_market_are_of_all_kinds() -> None:
    told = people(30)
    assert {len(events) > 3 for _, events, _ in told} == {True, False} and isinstance(recommender(), Recommender)
