"""The store: one object, one transaction a call, safe to share between threads."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from sqlalchemy import func, select

from firstlight.errors import StoreError
from firstlight.store import activations, events, impressions, items, keys, people
from firstlight.store.database import Database
from firstlight.store.known import known
from firstlight.store.records import Event, Impression, Key, Known, State
from firstlight.store.steps import make
from firstlight.store.tables import EVENTS, IMPRESSIONS, ITEMS, USERS
from firstlight.store.texts import check


class Store:
    """Everything that lasts. Every call is one transaction, done and durable when it returns.

    Any call raises StoreError: when the database is away or held by somebody else for seconds, and for a text that no
    database takes (see ``texts.check``). Then nothing of the call has happened.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str) -> Self:
        """Open a store, made where there is none: a path, ``sqlite:///…`` or ``postgresql+psycopg://…``.

        Raises: StoreError when it cannot be reached, is something else, or was written by a newer version.
        """
        database = Database(url)
        try:
            make(database)
        except StoreError:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def state(self) -> State:
        """What an answer depends on beside the person."""
        with self._database.reading() as connection:
            return activations.state(connection)

    def known(self, user_ids: Sequence[str], most: int = 200) -> Known:
        """What is known of some people, of one moment: their latest ``most`` events, attributes, and the state."""
        check(user_ids)
        with self._database.reading() as connection:
            return known(connection, user_ids, most)

    def add_events(self, rows: Sequence[Event]) -> list[bool]:
        """Keep events; True for each whose id was new, and the first of several with the same id in ``rows``."""
        with self._database.writing() as connection:
            return events.add(connection, rows)

    def remove_event(self, event_id: str) -> bool:
        """Take an event back; False when there is none of that id."""
        check((event_id,))
        with self._database.writing() as connection:
            return events.remove(connection, event_id)

    def remove_user(self, user_id: str) -> int:
        """Forget a person: events, attributes, impressions. How many events there were."""
        check((user_id,))
        with self._database.writing() as connection:
            people.remove(connection, user_id)
            impressions.remove_of(connection, user_id)
            return events.remove_of(connection, user_id)

    def put_items(self, rows: Sequence[Mapping[str, Any]]) -> tuple[int, int, State]:
        """Keep items, each a mapping with ``item_id``, in place of former rows: (created, updated, the new state)."""
        with self._database.writing() as connection:
            return *items.put(connection, rows), activations.state(connection)

    def items_since(self, catalogue: int) -> list[dict[str, Any]]:
        """The items put after that state, each as it was put last, in the order in which they came."""
        with self._database.reading() as connection:
            return items.since(connection, catalogue)

    def put_users(self, rows: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
        """Keep people, mappings with ``user_id`` and ``attributes``, in place of former ones: (created, updated)."""
        with self._database.writing() as connection:
            return people.put(connection, rows)

    def add_impressions(self, lists: Sequence[Impression]) -> None:
        """Keep the lists that were shown."""
        with self._database.writing() as connection:
            impressions.add(connection, lists)

    def activate(self, version: str) -> State:
        """Use a version of the model from now on; nothing changes where it is in use already."""
        with self._database.writing() as connection:
            activations.activate(connection, version)
            return activations.state(connection)

    def rollback(self) -> State:
        """Use the version before the last activation. Raises: StoreError when there is none."""
        with self._database.writing() as connection:
            activations.rollback(connection)
            return activations.state(connection)

    def activations(self) -> list[tuple[str, datetime]]:
        """Which versions were in use and since when (UTC, no zone), the one in use last; none that was taken back."""
        with self._database.reading() as connection:
            return activations.listed(connection)

    def add_key(self, name: str, scopes: Sequence[str]) -> str:
        """Make an API key; its secret, of which only the digest is kept. Raises: StoreError when the name is taken."""
        with self._database.writing() as connection:
            return keys.add(connection, name, scopes)

    def keys(self) -> list[Key]:
        """All API keys, by name."""
        with self._database.reading() as connection:
            return keys.listed(connection)

    def remove_key(self, name: str) -> bool:
        """Take an API key back; False when there is none of that name."""
        check((name,))
        with self._database.writing() as connection:
            return keys.remove(connection, name)

    def count(self) -> Mapping[str, int]:
        """How many events, users with attributes, items and lists that were shown there are."""
        tables = {"events": EVENTS, "users": USERS, "items": ITEMS, "impressions": IMPRESSIONS}
        with self._database.reading() as connection:
            return {
                name: connection.scalar(select(func.count()).select_from(table)) or 0 for name, table in tables.items()
            }
