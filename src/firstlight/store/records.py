"""What a store keeps and tells: plain values, without a database."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from firstlight.errors import StoreError

EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)


class Event(NamedTuple):  # Made by the hundred for an answer, in a third of the time of a frozen dataclass.
    """Somebody did something with an item.

    event_id: sending it again changes nothing. type: click, favourite, cart, purchase, rate, …. value: of a rating or
    the like; None: it has none. time: UTC, no zone, to the microsecond. rest: what else came with it: device,
    session_id, request_id, position, quantity, ….
    """

    event_id: str
    user_id: str
    item_id: str
    type: str
    value: float | None
    time: datetime
    rest: Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class State:
    """What an answer depends on beside the person.

    catalogue: rises with every ``put_items``; 0 before the first. model: the version in use; None before the first.
    """

    catalogue: int
    model: str | None


@dataclass(frozen=True)
class Known:
    """What is known of some people at one moment; every person asked for is in both mappings.

    events: user_id -> their latest events, the oldest first; events of the same time in the order in which they came.
    users: user_id -> attribute -> value; empty where nothing is known.
    """

    state: State
    events: Mapping[str, Sequence[Event]]
    users: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Impression:
    """A list was shown.

    items: what stood in each place, from the first: item_id, with which probability it was shown there given those
    before it, and what it was listed by. model: its version. time: UTC, no zone.
    """

    request_id: str
    user_id: str | None
    items: Sequence[tuple[str, float, str]]
    model: str
    scenario: str | None
    time: datetime


@dataclass(frozen=True, slots=True)
class Key:
    """An API key. digest: SHA-256 of the secret in hexadecimal; the secret itself is kept nowhere."""

    name: str
    digest: str
    scopes: Sequence[str]


def event_id(
    user_id: str, item_id: str, type: str, value: float | None, time: datetime, rest: Mapping[str, str | float]
) -> str:
    """An id made of an event's content, for events that come without one: equal content, equal id (64 hex digits).

    Raises: StoreError when the content cannot be written as JSON.
    """
    number = None if value is None else float(value)
    content = [user_id, item_id, type, number, micros(time), dict(rest)]
    return hashlib.sha256(as_json(content, option=orjson.OPT_SORT_KEYS).encode()).hexdigest()


def micros(time: datetime) -> int:
    """Microseconds since the first of January 1970, exactly."""
    return (time - EPOCH) // MICROSECOND


def as_json(value: object, option: int = 0) -> str:
    """A value as JSON text.

    Raises: StoreError when it holds what JSON has no word for, or half a surrogate pair.
    """
    try:
        return orjson.dumps(value, option=option).decode()
    except TypeError as error:
        raise StoreError(
            f"A value cannot be stored as JSON ({error}): send texts, numbers, lists and objects."
        ) from error
