"""New domains, categories and stores."""

import polars as pl
import pytest
import torch
from markets import CATEGORIES, known, learned, log, sought, source

from firstlight.errors import DataError
from firstlight.evaluate import Source, protocol


@pytest.fixture(scope="module")
def shop() -> Source:
    return source()


def category(item: str) -> str:
    return CATEGORIES[int(item[1:]) % 3]


def test_training_has_so_many_events_of_a_cold_domain_the_first_ones_by_others(shop: Source) -> None:
    cut = protocol("cold-domain", shop, (0, 10, 100), "games").cut(shop.corpus)
    stage = cut.stages[0]
    judged = set(shop.corpus.tasks.names.gather(torch.cat([stage.test.people, stage.validation.people]).tolist()))
    rows = [
        pair
        for pair in shop.dataset.events.sort("time").select("user_id", "item_id").rows()
        if category(pair[1]) == "games" and pair[0] not in judged
    ]
    everything = {pair for pair in learned(shop.corpus, shop) if category(pair[1]) != "games"}
    for stage in cut.stages:
        assert learned(stage.training, shop) == everything | set(rows[: stage.shots])
        assert {category(item) for _, item in sought(stage.test, shop)} == {"games"}
        assert {category(item) for _, item in known(stage.test, shop)} == {"books", "tools"}
        assert stage.test.candidates(60) == 20
    assert cut.settings == {"target": "games", "shots": [0, 10, 100]}


def test_stages_that_the_domain_has_no_events_for_are_left_out_and_it_is_said(shop: Source) -> None:
    cut = protocol("cold-domain", shop, (0, 5_000), "games").cut(shop.corpus)
    assert [stage.shots for stage in cut.stages] == [0] and "not judged at 5,000: people who are not" in cut.note
    with pytest.raises(DataError, match="fewer than the 5,000 asked for"):
        protocol("cold-domain", shop, (5_000,), "games")


def test_without_a_target_it_is_the_category_with_the_most_likes() -> None:
    for third, name in enumerate(CATEGORIES):
        less = log().filter(
            (pl.col("item_id").str.slice(1).cast(pl.Int64) % 3 == third) | (pl.int_range(pl.len()) % 2 > 0)
        )
        busy = source(less)
        assert protocol("cold-domain", busy, (0,)).cut(busy.corpus).settings["target"] == name


def test_an_unknown_domain_is_named_with_those_there_are(shop: Source) -> None:
    with pytest.raises(DataError, match=r"No item is in the category 'toys': take one of books, games, tools\."):
        protocol("cold-domain", shop, target="toys")


def test_first_events_in_a_category_of_people_who_are_not_learned_from(shop: Source) -> None:
    cut = protocol("leave-category-out", shop).cut(shop.corpus)
    assert sorted(stage.label for stage in cut.stages) == sorted(CATEGORIES)
    everything = learned(shop.corpus, shop)
    for stage in cut.stages:
        assert stage.training is cut.stages[0].training
        people = set(shop.corpus.tasks.names.gather(stage.test.people.tolist()))
        assert not people & set(stage.training.tasks.names)
        theirs = {pair for pair in everything if pair[0] in people}
        assert sought(stage.test, shop) == {pair for pair in theirs if category(pair[1]) == stage.label}
        assert known(stage.test, shop) == theirs - sought(stage.test, shop)
    assert cut.unseen is not None and not set(cut.unseen.tolist()) & set(cut.stages[0].test.people.tolist())
    only = protocol("leave-category-out", shop, target="tools").cut(shop.corpus)
    assert [stage.label for stage in only.stages] == ["tools"]


def test_a_new_store_shares_no_people_and_half_of_its_items(shop: Source) -> None:
    cut = protocol("new-store", shop, (0, 50), "games").cut(shop.corpus)
    empty, some = (learned(stage.training, shop) for stage in cut.stages)
    own = some - empty
    assert empty < some and len(own) == 50 and {category(item) for _, item in own} == {"games"}
    elsewhere = {who for who, _ in empty}
    assert not elsewhere & {who for who, _ in own | sought(cut.stages[0].test, shop) | known(cut.stages[0].test, shop)}
    games = {item for item in shop.schema.item_ids if category(item) == "games"}
    sold = {item for _, item in empty} & games
    assert 4 <= len(sold) <= 16 and {item for _, item in empty} - games == set(shop.schema.item_ids) - games
    test = cut.stages[0].test.batch.support
    assert test.shots().tolist() == [3] * len(test)
    assert {category(item) for _, item in known(cut.stages[0].test, shop)} == {"games"}


def test_a_new_store_without_categories_sells_everything() -> None:
    bare = source(column="colour")
    stage = protocol("new-store", bare, (0,)).cut(bare.corpus).stages[0]
    assert stage.test.candidates(60) == 60
