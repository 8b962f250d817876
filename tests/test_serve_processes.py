"""The server as an operator runs it: processes that share a store, keys by command, an end that loses nothing."""

import json
import socket
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import refused, run
from databases import KINDS, fresh
from sites import Process, listening, models, over, settings

from firstlight.store import Store


def post(url: str, path: str, body: Any) -> Any:
    return over(url, "POST", path, body)


def counted(url: str) -> int:
    """How many lists were shown, as the store knows."""
    store = Store.open(url)
    try:
        return store.count()["impressions"]
    finally:
        store.close()


def ids(told: Any) -> list[str]:
    return [item["item_id"] for item in told["items"]]


@pytest.mark.parametrize("kind", KINDS)
def test_two_servers_on_one_database_see_each_others_events_at_once(kind: str) -> None:
    url, rounds = fresh(kind), 10
    Store.open(url).close()
    with Process(models() / "first", url) as process, listening(settings(models() / "first", url)) as other:
        one, two = process.ready().url, other
        for number in range(rounds):
            here, there = (one, two) if number % 2 else (two, one)
            before = ids(post(there, "/v1/recommend", {"user_id": "ann", "n": 60}))
            event = {"user_id": "ann", "item_id": before[0]}
            assert post(here, "/v1/events", {"events": [event]})["accepted"] == 1
            after = ids(post(there, "/v1/recommend", {"user_id": "ann", "n": 60}))
            assert before[0] not in after and after != before[1:]
            item = {"item_id": f"new{number}", "category": "new"}
            assert over(here, "PUT", "/v1/items", {"items": [item]})["created"] == 1
            listed = ids(post(there, "/v1/recommend", {"n": 100}))
            assert item["item_id"] in listed
        for _ in range(20):
            post(one, "/v1/recommend", {"n": 10, "scenario": "end"})
        said = process.stop()
    assert process.process.returncode in (0, 143) and "Traceback" not in said
    assert counted(url) == 3 * rounds + 20, "what was shown is written before it ends"
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert sum(line.get("route") == "/v1/recommend" for line in lines) == 20 + 3 * rounds // 2


def test_one_address_with_two_processes(tmp_path: Path) -> None:
    store = str(tmp_path / "shop.db")
    with Process(models(), store, "--workers", "2", "--port", "0", "--log", "quiet") as served:
        assert served.process.stdout is not None
        introduction = [served.process.stdout.readline() for _ in range(6)]
        served.url = introduction[0].split()[-1]
        assert served.ready().port != int(served.url.rpartition(":")[2]) > 0
        clicked: list[str] = []
        for _ in range(10):  # each on a connection of its own, so that either process may take it
            listed = ids(post(served.url, "/v1/recommend", {"user_id": "ann", "n": 60}))
            assert not set(clicked) & set(listed)
            clicked.append(listed[0])
            post(served.url, "/v1/events", {"events": [{"user_id": "ann", "item_id": listed[0]}]})
        told = httpx.get(f"{served.url}/metrics").text
        assert 'firstlight_requests_total{route="/v1/recommend",status="200"} 10.0' in told
        post(served.url, "/v1/models/first/activate", None)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            found = {post(served.url, "/v1/recommend", {})["model"] for _ in range(20)}
            if found == {"first"}:
                break
        assert found == {"first"}, "the other process follows"
        said = "".join(introduction) + served.stop()
    assert "http://127.0.0.1" in said and "/playground/" in said and "no API keys" in said
    assert "Traceback" not in said and '"request"' not in said


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's table of sockets")
def test_each_of_two_processes_listens_by_itself(tmp_path: Path) -> None:
    with Process(models(), str(tmp_path / "shop.db"), "--workers", "2", "--log", "quiet") as served:
        place, until, sockets = f":{served.ready().port:04X}", time.monotonic() + 30, 0
        while sockets < 2 and time.monotonic() < until:
            rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
            sockets = sum(row[1].endswith(place) and row[3] == "0A" for row in rows)
            time.sleep(0.1)
    assert sockets == 2, "the kernel deals connections out to sockets, not to processes"


def test_keys_from_the_command_line(tmp_path: Path) -> None:
    store = ("--store", str(tmp_path / "shop.db"))
    assert "no keys" in run("keys", "list", *store).stderr
    made = run("keys", "add", "shop", "--scope", "serve", "--scope", "ingest", *store)
    secret = made.stdout.strip()
    assert made.exit_code == 0 and len(secret) > 30 and "serve, ingest" in made.stderr
    assert run("keys", "list", *store).stdout == "shop\tserve, ingest\n"
    assert "already" in refused("keys", "add", "shop", *store)
    assert "is none of" in refused("keys", "add", "other", "--scope", "root", *store)
    assert run("keys", "remove", "shop", *store).exit_code == 0
    assert "no key" in refused("keys", "remove", "shop", *store)
    assert secret.encode() not in (tmp_path / "shop.db").read_bytes()


def test_a_start_that_cannot_work_is_refused_in_one_sentence(tmp_path: Path) -> None:
    store = str(tmp_path / "shop.db")
    said = refused("serve", models(), "--store", store, "--host", "0.0.0.0")
    assert "firstlight keys add" in said and "0.0.0.0" in said
    assert "is not a folder" in refused("serve", tmp_path / "nothing", "--store", store)
    (tmp_path / "other.db").write_text("something else altogether, long enough to be read as a database" * 20)
    assert refused("serve", models(), "--store", tmp_path / "other.db")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert "cannot be listened on" in refused("serve", models(), "--store", store, "--port", port)
    assert "cannot be read" in refused("serve", models(), "--store", store, "--report", tmp_path / "none.json")
