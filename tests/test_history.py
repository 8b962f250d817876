"""Histories: read without a table, they say exactly what the schema says of the same events in one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from shops import NOON, clicks, event, frame, market, people, recommender, shop

from firstlight.corpus import Schema
from firstlight.encoders.profile import ProfileEncoder, fit_profile
from firstlight.serve.asking import Ask
from firstlight.serve.history import History, Reader
from firstlight.settings import Feedback
from firstlight.store import Event
from firstlight.tasks import Support

ITEMS = ["i000", "i001", "i002", "i003", "unheard of"]
TYPES = ["click", "purchase", "impression", "rate", "wave"]
RULES = [
    Feedback(),
    Feedback(weights={"click": 0.25, "impression": 0.0, "purchase": 3.0, "rate": 2.0}),
    Feedback(graded=True, like_from=3.5),
    Feedback(half_life=0.01),
    Feedback(half_life=7.0, graded=True),
]


def read(schema: Schema, asks: Sequence[Ask]) -> History:
    return Reader.of(schema, {name: place for place, name in enumerate(schema.item_ids)}).read(asks)


def expected(schema: Schema, asks: Sequence[Ask], users: pl.DataFrame | None = None) -> Support:
    names = pl.Series([ask.key for ask in asks], dtype=pl.String)
    support, _ = schema.support(frame([one for ask in asks for one in ask.events]), users, names)
    return support


def check(found: Support, wanted: Support) -> None:
    """The same, but for how a quotient is rounded."""
    torch.testing.assert_close(found.grades, wanted.grades, rtol=2e-7, atol=0)
    for name in ("items", "mask", "profile"):
        assert torch.equal(getattr(found, name), getattr(wanted, name)), name


# No two of a person's events are of the same moment: the order of those is drawn by the schema, and kept here.
minutes = st.lists(st.floats(0, 1e5), max_size=8, unique_by=lambda minute: int(minute * 6e7))
items, types = st.sampled_from(ITEMS), st.sampled_from(TYPES)
values = st.one_of(st.none(), st.sampled_from([1.0, 2.5, 3.0, 3.4, 3.5, 4.0, 5.0]))


@given(data=st.data(), rules=st.sampled_from(RULES))
def test_it_says_what_the_schema_says_of_a_table(data: st.DataObject, rules: Feedback) -> None:
    schema = replace(recommender().schema, feedback=rules)

    def told(who: str) -> list[Event]:
        kinds = [(data.draw(items), data.draw(types), data.draw(values), when) for when in sorted(data.draw(minutes))]
        return [event(*kind, who) for kind in kinds]

    asks = [Ask(told(who), key=who) for who in "abc"]
    check(read(schema, asks).support, expected(schema, asks))


def test_of_real_people_too_with_what_is_known_of_them() -> None:
    schema = recommender().schema
    asks = [Ask(events, known, key=name) for name, events, known in people(40)]
    found = read(schema, asks)
    check(found.support, expected(schema, asks, market().users))
    assert bool(found.support.profile.any())
    for row, events in enumerate(found.events):
        assert [schema.item_ids[place] for place in found.support.items[row, : len(events)].tolist()] == [
            one.item_id for one in events
        ]


def test_the_event_that_counts_is_the_first_like_or_else_the_last_word() -> None:
    told = [event("i000", "rate", 1.0, 0), event("i000", "rate", 2.0, 1), event("i001", "rate", 1.0, 2)]
    told += [event("i001", "purchase", None, 3), event("i001", "click", None, 4), event("i001", "rate", 1.0, 5)]
    found = read(recommender().schema, [Ask(told)])
    assert [one.event_id for one in found.events[0]] == [told[1].event_id, told[3].event_id]


def test_events_come_in_any_order_and_the_future_has_not_happened() -> None:
    told = clicks("i000", "i001", "i002")
    schema = recommender().schema
    check(read(schema, [Ask(told[::-1])]).support, read(schema, [Ask(told)]).support)
    until = read(schema, [Ask(told, now=NOON + timedelta(minutes=1))])
    check(until.support, read(schema, [Ask(told[:2])]).support)


def test_items_are_known_to_somebody_whatever_they_did_with_them() -> None:
    told = [event("i004", "impression"), event("i005", "rate", 1.0), event("unheard of"), event("i004", minute=3)]
    found = read(recommender().schema, [Ask(), Ask(told)])
    assert found.rows.tolist() == [1, 1, 1]
    assert sorted(found.places.tolist()) == [4, 4, 5]


def test_nobody_and_nothing_are_ordinary() -> None:
    schema = recommender().schema
    assert len(read(schema, []).support) == 0
    found = read(schema, [Ask(), Ask(clicks("unheard of"))])
    assert found.support.items.shape == (2, 0)
    assert found.events == [[], []]


@pytest.mark.parametrize(
    "values",
    [
        ["young", " Young ", "OLD", None, "unheard of", ""],
        [31, 32, None, 31, 40, 7],
        [3.0, 2.5, None, 3.0, 1.0, 2.0],
        [True, False, None, True, True, False],
        [["Toys", "books "], [], None, ["books"], ["toys"], [None]],
    ],
    ids=["labels", "whole", "numbers", "truth", "lists"],
)
def test_a_profile_is_read_as_the_encoder_reads_a_table(values: list[object]) -> None:
    spread = [value for value in values for _ in range(12)]
    known = pl.DataFrame({"user_id": [str(n) for n in range(72)], "x": pl.Series(spread, strict=False)})
    encoder = fit_profile(known)
    assert isinstance(encoder, ProfileEncoder)
    schema = replace(recommender().schema, profile=encoder)
    asks = [Ask(profile={"x": value, "y": 1}, key=str(n)) for n, value in enumerate(spread)]
    check(read(schema, asks).support, expected(schema, asks, known))


@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64, pl.String])
def test_numbers_are_read_in_the_bins_of_the_encoder(kind: type[pl.DataType]) -> None:
    ages = pl.Series("age", range(160))
    names = [str(n) for n in range(160)]
    schema = replace(recommender().schema, profile=fit_profile(pl.DataFrame({"user_id": names, "age": ages})))
    told = ages.cast(kind)
    asks = [Ask(profile={"age": age}, key=name) for name, age in zip(names, told, strict=True)]
    check(read(schema, asks).support, expected(schema, asks, pl.DataFrame({"user_id": names, "age": told})))


def test_what_is_no_number_says_nothing_where_numbers_are_read() -> None:
    known = pl.DataFrame({"user_id": [str(n) for n in range(80)], "age": range(80)})
    schema = replace(recommender().schema, profile=fit_profile(known))
    for odd in ("old", float("nan"), float("inf"), [3], {"a": 1}, None):
        assert not read(schema, [Ask(profile={"age": odd})]).support.profile.any()
    for good in (30, 30.0, "30"):
        assert read(schema, [Ask(profile={"age": good})]).support.profile.sum() == 1


def test_the_reader_of_a_model_without_profiles() -> None:
    served = shop()
    bare = Reader.of(replace(served.recommender.schema, profile=None), served.place)
    assert bare.read([Ask(profile={"device": "pc"})]).support.profile.shape == (1, 0)


def test_an_event_is_a_plain_value() -> None:
    assert event("i000") == event("i000") and isinstance(event("i000"), Event)
