"""A store under many hands: several processes, several threads, and processes that are killed."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
from databases import KINDS, a_store, batch, event, fresh

from firstlight.store import Store

KIND = pytest.mark.parametrize("kind", KINDS)
ROUNDS = int(os.environ.get("FIRSTLIGHT_CRASHES", "8"))
"""How often a process is killed: more by ``FIRSTLIGHT_CRASHES=50 pytest tests/test_store_processes.py``."""


@contextmanager
def process(call: str, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """A function of ``databases`` in a process of its own, which is killed at the end."""
    program = f"import sys, databases; databases.{call}(*{arguments!r})"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, text=True, env=environment, stdin=PIPE, stdout=PIPE) as started:
        try:
            yield started
        finally:
            started.kill()


def told(asked: "subprocess.Popen[str]", order: str) -> list[str]:
    """What the other process answers to an order."""
    assert asked.stdin and asked.stdout
    print(order, file=asked.stdin, flush=True)
    return asked.stdout.readline().split()


@KIND
def test_two_processes_see_each_others_events_at_once(kind: str) -> None:
    address = fresh(kind)
    store = Store.open(address)
    with process("obey", address) as other:
        for number in range(20):
            assert store.add_events([event(f"mine{number}", seconds=number)]) == [True]
            assert f"mine{number}" in told(other, "see")
            assert told(other, f"add theirs{number}") == ["ok"]
            assert store.known(["ann"]).events["ann"][-1].event_id == f"theirs{number}"
    store.close()


@KIND
def test_of_many_who_send_the_same_events_one_is_told_that_each_is_new(kind: str) -> None:
    rows = [event(str(number), f"u{number % 7}") for number in range(300)]
    orders = [random.Random(seed).sample(rows, len(rows)) for seed in range(6)]
    with a_store(kind) as store, ThreadPoolExecutor(6) as threads:
        for start in range(0, 300, 100):
            parts = [order[start : start + 100] for order in orders]
            flags = list(threads.map(store.add_events, parts))
            new = [
                row.event_id
                for part, flag in zip(parts, flags, strict=True)
                for row, is_new in zip(part, flag, strict=True)
                if is_new
            ]
            assert len(new) == len(set(new))
        assert store.count()["events"] == len({row.event_id for order in orders for row in order})


@KIND
def test_each_put_of_items_is_a_state_of_its_own(kind: str) -> None:
    with a_store(kind) as store, ThreadPoolExecutor(6) as threads:
        puts = list(
            threads.map(lambda n: store.put_items([{"item_id": "tea", "n": n}, {"item_id": f"i{n}"}]), range(30))
        )
        assert sorted(state.catalogue for _, _, state in puts) == list(range(1, 31))
        assert sum(created for created, _, _ in puts) == 31
        assert len(store.items_since(0)) == 31 and len(store.items_since(29)) == 2


def killed(address: str, first: int, seconds: float) -> list[int]:
    """The batches that a process acknowledged before it was killed, so long after its first."""
    with process("ingest", address, first) as started:
        assert started.stdout
        said = [started.stdout.readline()]
        time.sleep(seconds)
        started.kill()
        said += started.stdout.readlines()
    return [int(line) for line in said if line.endswith("\n")]


def test_what_was_acknowledged_before_a_kill_is_there_once() -> None:
    address, chance = fresh("sqlite"), random.Random(0)
    Store.open(address).close()
    acknowledged: list[int] = []
    for round_ in range(ROUNDS):
        acknowledged += killed(address, round_ * 100_000, chance.uniform(0, 0.05))
        store = Store.open(address)
        known = store.known([f"u{number}" for number in range(5)], most=10**6).events
        store.close()
        ids = [row.event_id for rows in known.values() for row in rows]
        assert len(ids) == len(set(ids))
        assert {row.event_id for number in acknowledged for row in batch(number)} <= set(ids)
        assert len(ids) % len(batch(0)) == 0  # The batch under way is there wholly or not at all.
    with sqlite3.connect(address) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert len(acknowledged) >= ROUNDS
