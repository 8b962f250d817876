"""What a store promises, of SQLite and PostgreSQL alike."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import islice
from math import inf, nan

import pytest
from databases import KINDS, START, a_store, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstlight.errors import StoreError
from firstlight.store import Event, Impression, Key, State, Store, event_id

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAMES = ["ann", "bob", "æ\u0301", "'; --", "🙂", "%s"]
NAME = st.sampled_from(NAMES)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with a_store(request.param) as store:
        yield store


@st.composite
def events(draw: st.DrawFn) -> Event:
    content = (
        draw(NAME),
        draw(NAME),
        draw(st.sampled_from(["click", "rate"])),
        draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        START + timedelta(microseconds=draw(st.integers(-2, 2))),
        draw(st.dictionaries(TEXT, TEXT | st.floats(-1e9, 1e9), max_size=2)),
    )
    return Event(event_id(*content), *content)


def cut(rows: Sequence[Event], sizes: Sequence[int]) -> Iterator[list[Event]]:
    """Into batches of these sizes, and one of what is left."""
    remaining = iter(rows)
    yield from (list(islice(remaining, size)) for size in sizes)
    yield list(remaining)


def in_order(rows: Sequence[Event], user_id: str) -> list[Event]:
    """The oracle: each id once, the first that came; by time, and those of the same time as they came."""
    first = {row.event_id: row for row in reversed(rows)}
    came = [row for place, row in enumerate(rows) if rows.index(first[row.event_id]) == place]
    return sorted([row for row in came if row.user_id == user_id], key=lambda row: row.time)


def test_any_batches_permuted_and_repeated_give_the_same_store(store: Store) -> None:
    @settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(events(), max_size=8), st.data())
    def check(rows: list[Event], data: st.DataObject) -> None:
        sent = data.draw(st.permutations(rows + data.draw(st.lists(st.sampled_from(rows)) if rows else st.just([]))))
        sizes = data.draw(st.lists(st.integers(0, 4), max_size=4))
        for name in NAMES:
            store.remove_user(name)
        new = [flag for part in cut(sent, sizes) for flag in store.add_events(part)]
        assert new == [row not in sent[:place] for place, row in enumerate(sent)]
        assert store.known(NAMES).events == {name: in_order(sent, name) for name in NAMES}
        assert store.count()["events"] == len({row.event_id for row in rows})

    check()


def test_an_event_comes_back_as_it_was(store: Store) -> None:
    long = "漢" * 256
    rest: dict[str, str | float] = {"device": "a\0b", "position": 3, "price": 0.1, "": "🙂"}
    sent = [
        Event("1", long, long, "rate", 0.1 + 0.2, datetime(1969, 12, 31, 23, 59, 59, 999_999), rest),
        Event("2", long, "x", "click", None, datetime(2024, 2, 29, 1, 2, 3, 456_789), {}),
        Event(long, long, "", "", -1e308, datetime.max, {}),
    ]
    assert store.add_events(sent) == [True, True, True]
    assert store.known([long]).events == {long: sent}


def test_of_two_events_with_one_id_the_first_stays(store: Store) -> None:
    first, second = event("1", item_id="tea"), event("1", user_id="bob", item_id="mug")
    assert store.add_events([first, second, event("2")]) == [True, False, True]
    assert store.add_events([second]) == [False]
    assert store.known(["ann", "bob"]).events == {"ann": [first, event("2")], "bob": []}


def test_more_events_than_a_statement_takes(store: Store) -> None:
    rows = [event(str(number), seconds=number) for number in range(2_500)]
    assert store.add_events(rows) == [True] * 2_500
    assert store.add_events(rows[::-1]) == [False] * 2_500
    assert store.known(["ann"], most=3).events["ann"] == rows[-3:]
    assert store.known(["ann"], most=3_000).events["ann"] == rows


def test_the_latest_are_by_time_and_then_as_they_came(store: Store) -> None:
    for name, seconds in [("c", 5), ("a", 5), ("old", 1), ("b", 5), ("new", 9)]:
        store.add_events([event(name, seconds=seconds)])
    names = [row.event_id for row in store.known(["ann"], most=4).events["ann"]]
    assert names == ["c", "a", "b", "new"]


def test_everybody_asked_for_is_known_even_if_nothing_is(store: Store) -> None:
    store.add_events([event("1")])
    store.put_users([{"user_id": "bob", "attributes": {"age": 30}}])
    known = store.known(["bob", "ann", "who", "bob"])
    assert known.events == {"bob": [], "ann": [event("1")], "who": []}
    assert known.users == {"bob": {"age": 30}, "ann": {}, "who": {}}
    assert store.known([]).events == {} and store.known([]).state == State(0, None)


def test_an_event_can_be_taken_back_and_sent_again(store: Store) -> None:
    store.add_events([event("1"), event("2", seconds=1)])
    assert store.remove_event("1") and not store.remove_event("1")
    assert store.known(["ann"]).events["ann"] == [event("2", seconds=1)]
    assert store.add_events([event("1")]) == [True]


def test_a_person_is_forgotten(store: Store) -> None:
    store.add_events([event("1"), event("2"), event("3", "bob")])
    store.put_users([{"user_id": "ann", "attributes": {"age": 30}}, {"user_id": "bob", "attributes": {"age": 40}}])
    store.add_impressions([_shown("ann"), _shown("ann"), _shown("bob"), _shown(None)])
    assert store.remove_user("ann") == 2
    assert store.count() == {"events": 1, "users": 1, "items": 0, "impressions": 2}
    assert store.known(["ann", "bob"]).users == {"ann": {}, "bob": {"age": 40}}
    assert store.remove_user("ann") == 0


def _shown(user_id: str | None) -> Impression:
    return Impression("request", user_id, [("tea", 0.5, "adapted"), ("café", 1 / 3, "explored")], "m1", None, START)


def test_items_raise_the_state_and_come_in_order(store: Store) -> None:
    assert store.put_items([{"item_id": "b", "price": 1.5}, {"item_id": "a", "tags": ["x"]}]) == (2, 0, State(1, None))
    assert store.put_items([{"item_id": "b", "title": "B"}, {"item_id": "c"}, {"item_id": "c", "n": 2}]) == (
        *(1, 2),
        State(2, None),
    )
    assert store.items_since(0) == [
        {"item_id": "a", "tags": ["x"]},
        {"item_id": "b", "title": "B"},
        {"item_id": "c", "n": 2},
    ]
    assert [row["item_id"] for row in store.items_since(1)] == ["b", "c"]
    assert store.items_since(2) == [] and store.state() == State(2, None)
    assert store.put_items([]) == (0, 0, State(3, None))


def test_many_items_and_people_at_once(store: Store) -> None:
    rows = [{"item_id": f"i{number:05}"} for number in range(2_500)]
    assert store.put_items(rows[:2_000])[:2] == (2_000, 0)
    assert store.put_items(rows)[:2] == (500, 2_000)
    assert store.items_since(0) == rows
    people = [{"user_id": f"u{number}", "attributes": {"number": number}} for number in range(1_500)]
    assert store.put_users(people) == (1_500, 0) and store.put_users(people[1_000:]) == (0, 500)
    assert store.known(["u1499"]).users == {"u1499": {"number": 1499}}


@pytest.mark.parametrize("row", [{}, {"item_id": 3}, {"item_id": "x", "price": {1, 2}}, {"item_id": "\ud800"}])
def test_an_item_that_cannot_be_kept_changes_nothing(store: Store, row: dict[str, object]) -> None:
    with pytest.raises(StoreError):
        store.put_items([{"item_id": "good"}, row])
    assert store.state() == State(0, None) and store.items_since(0) == []


@pytest.mark.parametrize("name", ["a\0b", "half \ud83d", "x" * 257])
def test_a_text_that_no_database_takes_is_refused_everywhere(store: Store, name: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.add_events([event("good"), event(name)]),
        lambda: store.add_events([event("good"), event("1", name)]),
        lambda: store.add_events([event("good"), event("1", "ann", name)]),
        lambda: store.known([name]),
        lambda: store.remove_event(name),
        lambda: store.remove_user(name),
        lambda: store.put_users([{"user_id": name}]),
        lambda: store.add_impressions([_shown(name)]),
        lambda: store.activate(name),
        lambda: store.add_key(name, []),
        lambda: store.remove_key(name),
    ]
    for call in calls:
        with pytest.raises(StoreError, match=r"characters|whole Unicode"):
            call()
    assert store.count()["events"] == 0


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_an_event_without_a_true_number_is_refused(store: Store, value: float) -> None:
    with pytest.raises(StoreError, match="event '2' has the value"):
        store.add_events([event("1"), event("2", value=value)])
    assert store.count()["events"] == 0


def test_models_are_activated_and_rolled_back(store: Store) -> None:
    with pytest.raises(StoreError, match="no model to go back to"):
        store.rollback()
    versions = [store.activate(version).model for version in ("m1", "m2", "m2", "m1")]
    assert versions == ["m1", "m2", "m2", "m1"]
    told = store.activations()
    assert [version for version, _ in told] == ["m1", "m2", "m1"]
    assert told == sorted(told, key=lambda row: row[1])
    assert (store.rollback().model, store.rollback().model) == ("m2", "m1")
    assert store.state() == store.known(["ann"]).state == State(0, "m1")
    with pytest.raises(StoreError, match="of 1 activated"):
        store.rollback()


def test_of_a_key_only_the_digest_is_kept(store: Store) -> None:
    secret = store.add_key("shop", ["ingest", "serve"])
    assert store.keys() == [Key("shop", sha256(secret.encode()).hexdigest(), ("ingest", "serve"))]
    assert len(secret) > 40 and store.add_key("admin", []) != secret
    with pytest.raises(StoreError, match="'shop' already"):
        store.add_key("shop", ["admin"])
    assert store.remove_key("shop") and not store.remove_key("shop")
    left = store.keys()
    assert [key.name for key in left] == ["admin"]


def test_an_id_is_made_of_the_content() -> None:
    same = event_id("ann", "tea", "rate", 1.0, START, {"a": 1, "b": "x"})
    assert same == event_id("ann", "tea", "rate", 1, START, {"b": "x", "a": 1}) and len(same) == 64
    others = {
        event_id("bob", "tea", "rate", 1, START, {}),
        event_id("ann", "te", "arate", 1, START, {}),
        event_id("ann", "tea", "rate", None, START, {}),
        event_id("ann", "tea", "rate", 1, START + timedelta(microseconds=1), {}),
        event_id("ann", "tea", "rate", 1, START, {"device": "phone"}),
    }
    assert len(others | {same}) == 6
    with pytest.raises(StoreError, match="surrogates not allowed"):
        event_id("\ud800", "tea", "rate", 1, START, {})
