"""Events in the store: each id once."""

from collections.abc import Mapping, Sequence
from math import isfinite
from time import time_ns
from typing import Any

from sqlalchemy import Connection, delete
from sqlalchemy.dialects.postgresql import insert as insert_postgres
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

from firstlight.errors import StoreError
from firstlight.store.records import Event, as_json, micros
from firstlight.store.tables import EVENTS
from firstlight.store.texts import check


def add(connection: Connection, events: Sequence[Event]) -> list[bool]:
    """Keep those whose id is new; True for each that was, the first of those with equal ids."""
    first = {event.event_id: place for place, event in reversed(list(enumerate(events)))}
    # A batch takes far longer than a nanosecond an event, so that the next one comes after it.
    now = time_ns()
    # In the order of their ids, so that two who send the same events wait for each other and not for one another.
    rows = [_row(events[first[key]], now + first[key]) for key in sorted(first)]
    new = _insert(connection, rows) if rows else set()
    return [event.event_id in new and first[event.event_id] == place for place, event in enumerate(events)]


def _row(event: Event, arrival: int) -> dict[str, Any]:
    check((event.event_id, event.user_id, event.item_id, event.type))
    if event.value is not None and not isfinite(event.value):
        raise StoreError(f"The event {event.event_id!r} has the value {event.value}: send a number or none.")
    return {
        "arrival": arrival,
        "event_id": event.event_id,
        "user_id": event.user_id,
        "item_id": event.item_id,
        "type": event.type,
        "value": event.value,
        "time": micros(event.time),
        "rest": as_json(dict(event.rest)) if event.rest else None,
    }


def _insert(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """The ids that were new."""
    insert = insert_sqlite if connection.dialect.name == "sqlite" else insert_postgres
    return set(connection.scalars(insert(EVENTS).on_conflict_do_nothing().returning(EVENTS.c.event_id), rows))


def remove(connection: Connection, event_id: str) -> bool:
    """Whether there was such an event."""
    return connection.execute(delete(EVENTS).where(EVENTS.c.event_id == event_id)).rowcount > 0


def remove_of(connection: Connection, user_id: str) -> int:
    """How many events the person had."""
    return connection.execute(delete(EVENTS).where(EVENTS.c.user_id == user_id)).rowcount
