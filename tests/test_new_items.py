"""New items: hidden from everybody, or shown as often as said."""

from collections import Counter

import pytest
import torch
from conformance import tiny
from markets import known, learned, log, sought, source

from firstlight.errors import DataError
from firstlight.evaluate import Source, protocol


@pytest.fixture(scope="module")
def shop() -> Source:
    return source()


def ids(shop: Source, mask: torch.Tensor) -> set[str]:
    return set(shop.schema.item_ids.filter(mask.tolist()))


def test_new_items_are_a_tenth_and_nobody_is_learned_to_like_them(shop: Source) -> None:
    among, whole = protocol("cold-item", shop).cut(shop.corpus).stages
    assert among.training is whole.training
    assert among.test.eligible is not None and among.validation.eligible is not None
    new, tuned = ids(shop, among.test.eligible), ids(shop, among.validation.eligible)
    assert (len(new), len(tuned)) == (6, 3) and not new & tuned
    assert not {item for _, item in learned(among.training, shop)} & (new | tuned)
    assert {item for _, item in sought(among.test, shop)} <= new
    assert not {item for _, item in known(among.test, shop)} & (new | tuned)


def test_within_the_whole_catalogue_a_quarter_of_the_other_likes_is_to_be_found_too(shop: Source) -> None:
    among, whole = protocol("cold-item", shop).cut(shop.corpus).stages
    new, tuned = ids(shop, among.test.eligible), ids(shop, among.validation.eligible)  # type: ignore[arg-type]
    assert known(among.test, shop) <= known(whole.test, shop)
    found = sought(whole.test, shop)
    assert sought(among.test, shop) == {pair for pair in found if pair[1] in new}
    held = Counter(who for who, item in found if item not in new)
    told = Counter(who for who, _ in known(whole.test, shop))
    assert all(held[who] == (held[who] + told[who]) // 4 for who in told)
    assert not {item for _, item in found} & tuned
    assert ids(shop, whole.test.eligible) == set(shop.schema.item_ids) - tuned  # type: ignore[arg-type]


def test_each_new_item_has_so_many_events_of_people_who_are_not_judged_the_first_first(shop: Source) -> None:
    stages = protocol("n-shot-item", shop, (0, 1, 3)).cut(shop.corpus).stages
    assert [(stage.label, stage.shots) for stage in stages] == [("0 events", 0), ("1 event", 1), ("3 events", 3)]
    new = ids(shop, stages[0].test.eligible)  # type: ignore[arg-type]
    names = shop.corpus.tasks.names
    judged = set(names.gather(torch.cat([stages[0].test.people, stages[0].validation.people]).tolist()))
    rows = shop.dataset.events.sort("time").select("user_id", "item_id").rows()
    for stage in stages:
        shown = {pair for pair in learned(stage.training, shop) if pair[1] in new}
        first = [[pair for pair in rows if pair[1] == item and pair[0] not in judged][: stage.shots] for item in new]
        assert shown == {pair for pairs in first for pair in pairs}
        assert stage.test is stages[0].test


def test_without_times_the_events_of_new_items_are_drawn_and_more_hold_fewer() -> None:
    shop = source(log().drop("time"))
    one, three = protocol("n-shot-item", shop, (1, 3)).cut(shop.corpus).stages
    assert learned(one.training, shop) < learned(three.training, shop)


def test_too_few_items_is_one_clear_sentence(shop: Source) -> None:
    few = Source(shop.dataset, shop.schema, tiny([[0, 1, 2]] * 50, 60))
    with pytest.raises(DataError, match="3 items have the 5 likes that a new item needs, and 20 are the least"):
        protocol("cold-item", few)
