"""Groups of people and devices that nothing is learned of."""

import pytest
from markets import known, learned, log, sought, source

from firstlight.errors import DataError, SettingsError
from firstlight.evaluate import Source, protocol


@pytest.fixture(scope="module")
def shop() -> Source:
    return source()


def test_nobody_of_the_group_is_learned_from_and_everybody_judged_is_of_it(shop: Source) -> None:
    cut = protocol("leave-group-out", shop, (0, 3), "age=30").cut(shop.corpus)
    ages = dict(shop.dataset.users.select("user_id", "age").rows())  # type: ignore[union-attr]
    for stage in cut.stages:
        assert {ages[who] for who in stage.training.tasks.names} == {31} and len(stage.training.tasks) == 75
        assert {ages[who] for who, _ in sought(stage.test, shop) | sought(stage.validation, shop)} == {30}
        assert stage.test.batch.support.shots().tolist() == [stage.shots] * 50
        assert len(stage.validation) == 25
    assert cut.note.startswith("age=30: 75 people, none of them learned from")


def test_a_range_of_numbers_is_a_group_too(shop: Source) -> None:
    with pytest.raises(DataError, match="No user has age=10-29: take one of 30, 31"):
        protocol("leave-group-out", shop, target="age=10-29")
    cut = protocol("leave-group-out", shop, (0,), "age=25-30").cut(shop.corpus)
    assert len(cut.stages[0].test) == 50


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (None, "needs --target COLUMN=VALUE, the column one of age"),
        ("age", "needs --target COLUMN=VALUE"),
        ("city=Rome", "The users have no column 'city': take one of age"),
        ("age=77", "No user has age=77: take one of 30, 31"),
    ],
)
def test_a_group_that_cannot_be_is_one_clear_sentence(target: str | None, said: str, shop: Source) -> None:
    with pytest.raises((SettingsError, DataError), match=said):
        protocol("leave-group-out", shop, target=target)


def test_no_event_on_the_device_is_learned_from_and_only_those_are_judged(shop: Source) -> None:
    where = {(u, i): d for u, i, d in shop.dataset.events.select("user_id", "item_id", "device").rows()}
    cut = protocol("leave-device-out", shop, (0, 3), "phone").cut(shop.corpus)
    for stage in cut.stages:
        assert {where[pair] for pair in learned(stage.training, shop)} == {"desktop"}
        assert {where[pair] for pair in sought(stage.test, shop) | known(stage.test, shop)} <= {"phone"}
        judged = {who for who, _ in sought(stage.test, shop) | sought(stage.validation, shop)}
        assert not judged & set(stage.training.tasks.names)
        assert stage.test.batch.support.shots().tolist() == [stage.shots] * len(stage.test)


def test_a_device_that_cannot_be_is_one_clear_sentence(shop: Source) -> None:
    with pytest.raises(SettingsError, match="needs --target DEVICE, one of desktop, phone"):
        protocol("leave-device-out", shop)
    with pytest.raises(DataError, match="on the device 'watch': take one of desktop, phone"):
        protocol("leave-device-out", shop, target="watch")


def test_a_thing_bought_on_two_devices_counts_on_the_first() -> None:
    first = log().head(2_000)
    again = first.with_columns(first["time"].dt.offset_by("1y"), device=first["device"].replace({"phone": "desktop"}))
    one, both = source(first), source(first.vstack(again))
    assert one.column("device").to_list() == both.column("device").to_list()
