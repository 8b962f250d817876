"""Opening a store: new, old, newer, somebody else's, unreachable."""

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from databases import KINDS, ask_postgres, event, fresh, postgres
from sqlalchemy import Connection, inspect

from firstlight.errors import StoreError
from firstlight.store import State, Store, database
from firstlight.store.database import Database
from firstlight.store.steps import STEPS
from firstlight.store.tables import METADATA

KIND = pytest.mark.parametrize("kind", KINDS)


@contextmanager
def inside(address: str) -> Iterator[Connection]:
    """A database as somebody else would change it."""
    database = Database(address)
    with database.writing() as connection:
        yield connection
    database.close()


@KIND
def test_what_was_kept_is_there_when_it_is_opened_again(kind: str) -> None:
    address = fresh(kind)
    first = Store.open(address)
    first.add_events([event("1")])
    first.put_items([{"item_id": "tea"}])
    first.close()
    again = Store.open(address)
    assert again.known(["ann"]).events["ann"] == [event("1")] and again.state() == State(1, None)
    again.close()


def test_a_file_can_be_named_in_many_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    addresses = ["a shop?x=1.db", "sqlite:///b.db", f"sqlite:///{tmp_path}/c.db", str(tmp_path / "d")]
    for address in addresses:
        Store.open(address).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a shop?x=1.db", "b.db", "c.db", "d"]


@KIND
def test_the_steps_make_the_tables_that_the_queries_know(kind: str) -> None:
    address = fresh(kind)
    Store.open(address).close()
    with inside(address) as connection:
        there = inspect(connection)
        assert set(there.get_table_names()) == set(METADATA.tables)
        for name, table in METADATA.tables.items():
            assert [column["name"] for column in there.get_columns(name)] == table.columns.keys()


@KIND
def test_the_steps_are_taken_once_by_many_who_open_at_once(kind: str) -> None:
    address = fresh(kind)
    with ThreadPoolExecutor(6) as threads:
        stores = list(threads.map(lambda _: Store.open(address), range(6)))
    assert stores[0].add_events([event("1")]) == [True]
    assert [store.count()["events"] for store in stores] == [1] * 6
    for store in stores:
        store.close()


@KIND
def test_a_store_of_a_newer_version_is_refused_and_left_alone(kind: str) -> None:
    address = fresh(kind)
    Store.open(address).close()
    with inside(address) as connection:
        connection.exec_driver_sql("UPDATE store SET version = 99")
    with pytest.raises(StoreError, match=f"version 99 and this firstlight knows versions up to {len(STEPS)}"):
        Store.open(address)
    with inside(address) as connection:
        assert connection.exec_driver_sql("SELECT version FROM store").scalar() == 99


@KIND
@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE customers (name TEXT)"],
        ["CREATE TABLE store (version INTEGER, owner TEXT)", "INSERT INTO store VALUES (1, 'ann')"],
        ["CREATE TABLE store (version INTEGER, catalogue BIGINT)"],
    ],
)
def test_the_database_of_something_else_is_refused_and_left_alone(kind: str, statements: list[str]) -> None:
    address = fresh(kind)
    with inside(address) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    before = Path(address).read_bytes() if kind == "sqlite" else None
    with pytest.raises(StoreError, match=r"other tables \((customers|store)\) and is no store"):
        Store.open(address)
    assert before is None or Path(address).read_bytes() == before


def _text(path: Path) -> None:
    path.write_text("user_id,item_id\n" * 100)


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "name", "reason"),
    [
        (_text, "events.csv", "file is not a database"),
        (_folder, "folder", "unable to open database file"),
        (_folder, "../missing/shop.db", "unable to open database file"),
    ],
)
def test_what_is_no_database_is_refused(tmp_path: Path, make: Callable[[Path], None], name: str, reason: str) -> None:
    make(tmp_path / Path(name).name)
    with pytest.raises(StoreError, match=f"{Path(name).name} cannot be used \\({reason}\\)"):
        Store.open(str(tmp_path / name))


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("mysql://ann:secret@127.0.0.1/shop", "cannot lie in mysql"),
        ("://", "neither a path nor a URL"),
        ("sqlite://", "memory"),
        (":memory:", "memory"),
        ("", "memory"),
        ("postgresql://ann:secret@127.0.0.1:1/shop", r"ann:\*\*\*@127.0.0.1:1/shop cannot be used"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(address: str, reason: str) -> None:
    with pytest.raises(StoreError, match=reason) as refused:
        Store.open(address)
    assert "secret" not in str(refused.value)


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(StoreError, match="timeout expired"):
            Store.open(f"postgresql://ann@127.0.0.1:{port}/shop")


def test_a_file_that_somebody_else_writes_to_for_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "SECONDS", 0.1)
    address = fresh("sqlite")
    store = Store.open(address)
    other = sqlite3.connect(address, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"\(database is locked\)"):
        store.add_events([event("1")])
    assert store.known(["ann"]).events == {"ann": []}  # Reading goes on.
    other.execute("ROLLBACK")
    other.close()
    with store._database.writing(), pytest.raises(StoreError, match="too much to write"):
        store.add_events([event("1")])
    assert store.add_events([event("1")]) == [True]
    store.close()


def test_a_file_that_is_taken_away_is_noticed(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "shop.db"))
    store.add_events([event("1")])
    (tmp_path / "shop.db").rename(tmp_path / "old.db")
    for call in (lambda: store.add_events([event("2")]), lambda: store.known(["ann"]), store.state):
        with pytest.raises(StoreError, match=r"shop\.db has been moved or removed"):
            call()
    assert not (tmp_path / "shop.db").exists()
    (tmp_path / "old.db").replace(tmp_path / "shop.db")
    assert store.add_events([event("1"), event("2")]) == [False, True]
    store.close()


def test_a_server_that_ends_connections_is_asked_again_and_one_that_is_gone_is_told() -> None:
    name = f"away{id(object())}"
    ask_postgres(f"CREATE DATABASE {name}")
    store = Store.open(postgres().replace("/postgres?", f"/{name}?"))
    store.add_events([event("1")])
    ask_postgres(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")
    assert store.known(["ann"]).events == {"ann": [event("1")]}
    assert store.add_events([event("2")]) == [True]
    ask_postgres(f"DROP DATABASE {name} WITH (FORCE)")
    for call in (lambda: store.add_events([event("3")]), lambda: store.known(["ann"]), store.state):
        with pytest.raises(StoreError, match="does not exist"):
            call()
    store.close()


def test_a_lock_that_is_held_for_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    address = fresh("postgresql")
    Store.open(address).close()
    store = Store.open(address.replace("-c%20search", "-c%20statement_timeout%3D500%20-c%20search"))
    with psycopg.connect(address.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE events")
        for call in (lambda: store.add_events([event("1")]), lambda: store.known(["ann"])):
            with pytest.raises(StoreError, match="statement timeout"):
                call()
    assert store.add_events([event("1")]) == [True]
    store.close()


@pytest.mark.parametrize("package", ["sqlalchemy", "orjson", "psycopg"])
def test_a_missing_package_is_named(package: str) -> None:
    program = f"""
import sys
sys.modules[{package!r}] = None
from firstlight.errors import StoreError
try:
    from firstlight.store import Store
    Store.open("postgresql://127.0.0.1:1/shop")
except StoreError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    extra = "postgres" if package == "psycopg" else "serve"
    assert f"package {package}: pip install 'firstlight[{extra}]'" in told
