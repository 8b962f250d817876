"""What is known of many people in one round: the hot path, so driver cursors and statements as they are."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from firstlight.store.activations import STATE, state
from firstlight.store.records import EPOCH, MICROSECOND, Event, Known, State, as_json

ATTRIBUTES = "SELECT user_id, attributes FROM users WHERE user_id IN (SELECT value FROM json_each(?))"
EVENTS = """
SELECT event_id, item_id, type, value, time, rest FROM events
WHERE user_id = ? ORDER BY time DESC, arrival DESC LIMIT ?
"""
EVERYTHING = f"""
SELECT state.catalogue, state.model, asked.user_id, users.attributes,
       latest.event_id, latest.item_id, latest.type, latest.value, latest.time, latest.rest
FROM ({STATE}) AS state (catalogue, model) CROSS JOIN unnest(%s::text[]) AS asked (user_id)
LEFT JOIN users ON users.user_id = asked.user_id
LEFT JOIN LATERAL (
  SELECT * FROM events WHERE events.user_id = asked.user_id ORDER BY time DESC, arrival DESC LIMIT %s
) AS latest ON true
ORDER BY latest.time DESC, latest.arrival DESC
"""

Found = tuple[State, Mapping[str, Sequence[Sequence[Any]]], Mapping[str, str | None]]
"""The state; user_id -> rows of events, the latest first; user_id -> attributes as JSON."""


def known(connection: Connection, user_ids: Iterable[str], most: int) -> Known:
    """The latest ``most`` events of each person, their attributes, and the state, all of one moment."""
    ids = list(dict.fromkeys(user_ids))
    found = _from_sqlite if connection.dialect.name == "sqlite" else _from_postgres
    moment, events, attributes = found(connection, ids, most)
    return Known(
        moment,
        {user_id: _events(user_id, rows) for user_id, rows in events.items()},
        {user_id: orjson.loads(attributes.get(user_id) or "{}") for user_id in ids},
    )


def _events(user_id: str, rows: Sequence[Sequence[Any]]) -> list[Event]:
    return [
        Event(key, user_id, item_id, kind, value, EPOCH + time * MICROSECOND, orjson.loads(rest) if rest else {})
        for key, item_id, kind, value, time, rest in reversed(rows)
    ]


def _from_sqlite(connection: Connection, ids: Sequence[str], most: int) -> Found:
    """A statement costs microseconds where the database is a file: one for each person."""
    execute = connection.connection.cursor().execute
    execute("BEGIN")
    moment = State(*execute(STATE).fetchone())
    events = {user_id: execute(EVENTS, (user_id, most)).fetchall() for user_id in ids}
    return moment, events, dict(execute(ATTRIBUTES, (as_json(ids),)))


def _from_postgres(connection: Connection, ids: Sequence[str], most: int) -> Found:
    """A statement costs a way to the server and back: one for all."""
    if not ids:
        return state(connection), {}, {}
    events: dict[str, list[Sequence[Any]]] = {user_id: [] for user_id in ids}
    attributes: dict[str, str | None] = {}
    rows = connection.connection.cursor().execute(EVERYTHING, (ids, most)).fetchall()
    for _, _, user_id, text, *event in rows:
        attributes[user_id] = text
        if event[0] is not None:
            events[user_id].append(event)
    return State(*rows[0][:2]), events, attributes
