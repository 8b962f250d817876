"""A database that answers within seconds or raises: SQLite in one file, or PostgreSQL."""

import os
import select
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import BoundedSemaphore
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, SQLAlchemyError

from firstlight.errors import StoreError

SECONDS = 2
"""How long a database may take to be reached, a statement to run, and how long a lock is waited for."""

CONNECTIONS = 16
"""How many threads of a process read or write at the same time."""

POOL: dict[str, Any] = {"pool_size": CONNECTIONS, "max_overflow": 0, "pool_timeout": SECONDS, "hide_parameters": True}
"""What SQLAlchemy is told; no error shows what was stored."""

POSTGRES = {
    "connect_timeout": SECONDS,
    "options": f"-c statement_timeout={SECONDS * 1000} -c synchronous_commit=on",
    "tcp_user_timeout": SECONDS * 1000,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 1,
}
"""What psycopg is told, unless the URL says otherwise, so that a server that has gone is noticed."""


class Database:
    """Where a store lies: a path, or the URL of SQLite or PostgreSQL. Thread-safe; every process makes its own.

    Raises: StoreError when it is neither, or the package for it is missing.
    """

    def __init__(self, address: str) -> None:
        url = _url(address)
        file = url.drivername == "sqlite"
        self.name = str(url.database) if file else url.render_as_string(hide_password=True)
        self._path = os.path.abspath(self.name) if file else ""
        self._identity: tuple[int, int] | None = None
        self._engine = _sqlite(url) if file else _postgres(url)
        self._failures = (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error)
        # Without a transaction PostgreSQL is spared two ways there and back; SQLite needs one to read of one moment.
        options: dict[str, Any] = {} if file else {"isolation_level": "AUTOCOMMIT"}
        self._quiet = self._engine.execution_options(reading=True, **options)
        # SQLite has one writer at a time and lets those that wait sleep and try again, some for long: here they queue.
        self._turns = BoundedSemaphore(1 if file else CONNECTIONS)

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """To read only. Raises: StoreError when the database is away."""
        with self._failing(), self._quiet.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """What is written is there, durably, when the block ends; nothing of it after an error.

        Raises: StoreError when the database is away, full, or held by somebody else for seconds.
        """
        if not self._turns.acquire(timeout=SECONDS):
            raise StoreError(f"The store {self.name} has had too much to write for {SECONDS} s: send it again later.")
        try:
            with self._failing(), self._engine.begin() as connection:
                yield connection
        finally:
            self._turns.release()

    def settle(self) -> None:
        """Make a file one that readers and a writer use at the same time, and remember which it is."""
        if self._path:
            with self._failing(), closing(self._engine.raw_connection()) as connection:
                _keep_log(connection.cursor())
            self._identity = _identity(self._path)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        if self._identity and self._identity != _identity(self._path):  # What is written to a nameless file is lost.
            raise StoreError(f"The file {self.name} has been moved or removed: put it back, or restart.")
        try:
            yield
        except self._failures as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            reason = str(cause).strip().split("\n")[0].rstrip(".")
            raise StoreError(
                f"The store {self.name} cannot be used ({reason}): see that its database is there, has room and is "
                "not held by another program."
            ) from error


def _url(address: str) -> URL:
    try:
        url = make_url(address) if "://" in address else URL.create("sqlite", database=address)
    except ArgumentError:
        raise StoreError("The store's address is neither a path nor a URL: name a file or postgresql://….") from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise StoreError(f"A store cannot lie in {url.drivername}: name a file, or postgresql+psycopg://….")
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreError("A store in memory would not last: name a file.")
    return url


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": SECONDS}, **POOL)

    @event.listens_for(engine, "connect")
    def opened(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # The driver begins nothing by itself: "begin" below does.
        connection.execute("PRAGMA synchronous = FULL").close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading")
        # A writer waits for its turn here, where SQLite knows how to wait, rather than at its first write.
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _keep_log(cursor: Any) -> None:
    """Turn the write-ahead log on, asking again where others open the file too: here SQLite itself does not wait."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def _identity(path: str) -> tuple[int, int] | None:
    """Which file has the name now."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _postgres(url: URL) -> Engine:
    told = {**POSTGRES, **url.query, "options": f"{POSTGRES['options']} {url.query.get('options', '')}"}
    try:
        engine = create_engine(url, connect_args=told, **POOL)
    except ModuleNotFoundError as error:
        raise StoreError(f"PostgreSQL needs the package {error.name}: pip install 'firstlight[postgres]'.") from error

    @event.listens_for(engine, "checkout")
    def taken(connection: Any, _: Any, __: Any) -> None:
        # An idle connection on which something can be read has been ended by the server: another is taken.
        waiting = select.poll()
        waiting.register(connection.fileno(), select.POLLIN)
        if waiting.poll(0):
            raise DisconnectionError

    return engine
