"""What is known of people beside their events."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete

from firstlight.store.items import named
from firstlight.store.records import as_json
from firstlight.store.tables import USERS
from firstlight.store.upsert import upsert


def put(connection: Connection, users: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Keep the attributes in place of the person's former ones; how many people are new and how many changed."""
    rows = {named(user, "user_id"): as_json(dict(user.get("attributes") or {})) for user in users}
    created = upsert(connection, USERS, [{"user_id": key, "attributes": text} for key, text in rows.items()])
    return created, len(users) - created


def remove(connection: Connection, user_id: str) -> None:
    """Forget the person's attributes."""
    connection.execute(delete(USERS).where(USERS.c.user_id == user_id))
