"""A served model: items put a moment ago are listed in the next answer, changed facts are what filters see."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import polars as pl
import pytest
from shops import clicks, event, ids, market, recommender, shop

from firstlight.learners import make
from firstlight.recommender import Recommender
from firstlight.serve.answer import answer
from firstlight.serve.asking import Ask
from firstlight.serve.served import Served, table

NEW: dict[str, Any] = {
    "item_id": "new",
    "title": "wooden train set",
    "domain": "toys",
    "category": "train set",
    "tags": ["wooden"],
    "price": 12.5,
    "attributes": {"colour": "red", "age": 3},
}


def test_it_holds_what_the_catalogue_says() -> None:
    served, items = shop(), market().items
    assert items is not None and len(served) == 150
    for row in items.sample(10, seed=0).rows(named=True):
        place = served.place[row["item_id"]]
        assert served.ids[place] == row["item_id"]
        assert (served.titles[place], served.prices[place]) == (row["title"], row["price"])
        assert (served.category.at(place), served.domain.at(place)) == (row["category"], row["domain"])
    assert served.liked.tolist() == recommender().likes().tolist()


def test_a_new_item_is_listed_in_the_next_answer() -> None:
    grown = shop().with_items([NEW])
    assert len(grown) == 151 and len(shop()) == 150
    found = answer(grown, [Ask(n=200), Ask(filter={"eq": {"field": "colour", "value": "red"}})])
    assert "new" in ids(found[0]) and ids(found[1]) == ["new"]
    assert found[1].items[0].cold
    assert (grown.titles[150], grown.prices[150]) == ("wooden train set", 12.5)
    assert "new" not in ids(answer(grown, [Ask([event("new")], n=200)])[0])


def test_what_others_get_stays_the_same() -> None:
    ask = Ask(clicks("i001", "i002"), n=150)
    before, after = (answer(served, [ask])[0].items for served in (shop(), shop().with_items([NEW])))
    kept = [(item.item_id, item.score) for item in after if item.item_id != "new"]
    assert kept == [(item.item_id, item.score) for item in before]


def test_a_content_model_places_a_new_item_by_what_it_is() -> None:
    model = Recommender.fit(market(), make("content-head", {"size": 16}))
    like = market().items.row(5, named=True)  # type: ignore[union-attr]
    twin = {**like, "item_id": "twin", "time": like["time"].isoformat()}
    found = answer(
        Served.of(model, "v").with_items([twin, {"item_id": "blank"}]), [Ask([event(like["item_id"])], n=150)]
    )
    assert ids(found[0]).index("twin") < 30 and "blank" not in ids(found[0])[:100]


def test_changed_facts_are_what_filters_see() -> None:
    grown = shop().with_items([NEW])
    for price in (1.0, 99.0):
        changed = grown.with_items([{**NEW, "price": price}, {"item_id": "i007", "title": "renamed", "price": price}])
        assert len(changed) == 151
        tree = {"eq": {"field": "price", "value": price}}
        assert sorted(ids(answer(changed, [Ask(filter=tree)])[0])) == ["i007", "new"]
        assert changed.titles[changed.place["i007"]] == "renamed"
        assert changed.category.at(changed.place["i007"]) is None  # whole rows replace
    assert grown.prices[grown.place["new"]] == 12.5


def test_put_at_once_or_one_after_the_other_is_the_same() -> None:
    rows = [NEW, {**NEW, "item_id": "other", "price": 3}, {**NEW, "price": 7.0}]
    together, slowly = shop().with_items(rows), shop()
    for row in rows:
        slowly = slowly.with_items([row])
    assert together.ids == slowly.ids and together.prices == slowly.prices
    ask = Ask(clicks("i001"), n=200)
    assert [item.score for item in answer(together, [ask])[0].items] == [
        item.score for item in answer(slowly, [ask])[0].items
    ]


def test_no_rows_change_nothing() -> None:
    assert shop().with_items([]) is shop()


def test_a_table_of_rows_has_the_types_of_a_catalogue() -> None:
    zone = timezone(timedelta(hours=2))
    rows: list[dict[str, Any]] = [
        {"item_id": "a", "price": 1, "time": "2024-01-01T12:00:00+02:00", "attributes": {"x": 1, "y": "s", "z": [1]}},
        {"item_id": "b", "tags": ["t"], "time": datetime(2024, 1, 1, 12, tzinfo=zone), "attributes": {"y": True}},
        {"item_id": "c", "time": datetime(2024, 1, 1, 10, tzinfo=UTC), "attributes": {"x": 2.5, "z": "w"}},
        {"item_id": "a", "price": 2, "time": datetime(2024, 1, 1, 10), "attributes": {"x": 1, "price": 5}},
        {"item_id": "d", "attributes": None},
    ]
    found = table(rows)
    assert found["item_id"].to_list() == ["a", "b", "c", "d"]
    assert found["price"].to_list() == [2.0, None, None, None]
    assert found["time"].to_list() == [datetime(2024, 1, 1, 10)] * 3 + [None]
    assert found.schema["x"] == pl.Float64 and found["x"].to_list() == [1.0, None, 2.5, None]
    assert found["y"].to_list() == [None, "true", None, None]
    assert found["z"].to_list() == [None, None, "w", None]
    assert table(rows[:2])["z"].to_list() == [["1"], None]


def test_attributes_of_other_types_than_before_are_read_as_words() -> None:
    grown = shop().with_items([NEW]).with_items([{"item_id": "more", "attributes": {"age": "old"}}])
    found = answer(grown, [Ask(filter={"eq": {"field": "age", "value": "old"}})])[0]
    assert ids(found) == ["more"]


@pytest.mark.parametrize("learner", ["popular", "item-knn"])
def test_a_model_without_a_catalogue_is_served_too(learner: str) -> None:
    dataset = replace(market(), items=None, users=None)
    served = Served.of(Recommender.fit(dataset, make(learner)), "v")
    found = answer(served, [Ask(n=3, outside=0.5, diversity=0.5)])[0]
    assert len(found.items) == 3
    assert served.titles == [None] * len(served) and not served.fields
    assert np.array_equal(served.category.codes, np.full(len(served), -1))
    grown = served.with_items([NEW])
    assert grown.titles[-1] == "wooden train set"
