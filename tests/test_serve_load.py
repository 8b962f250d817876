"""Under load, for long, and killed: small runs of the benchmarks of the server."""

import asyncio
import itertools
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import serve_crash
from serve_load import Load, histories, load
from serve_soak import slope, soak, traffic
from serving import Connection, Reply, Server, item_ids, request

CLIENTS = 8


@pytest.fixture(scope="module")
def server(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("load")
    with Server.of(world / "model", str(folder / "load.db"), log=folder / "server.log") as started:
        yield started


def test_every_request_of_many_clients_is_answered(server: Server, world: Path) -> None:
    events = histories(item_ids(world / "model"), 50)
    assert server.ask("/v1/events", {"events": events[:1_000]})["rejected"] == []
    asked = [request("/v1/recommend", {"user_id": f"p{person}", "n": 20}) for person in range(50)]
    found = asyncio.run(load(server.port, itertools.cycle(asked), CLIENTS, 1.0))
    assert found.statuses().keys() == {200} and len(found.replies) > CLIENTS


def test_too_many_are_refused_at_once_and_nothing_breaks(server: Server) -> None:
    asked = [request("/v1/recommend", {"n": 500, "diversity": 0.5})]
    crowd = asyncio.run(load(server.port, itertools.cycle(asked), 100, 1.5))
    assert crowd.statuses().keys() <= {200, 429} and 429 in crowd.statuses()
    refused = next(reply for reply in crowd.replies if reply.status == 429)
    assert b'"code":"busy"' in refused.body
    after = asyncio.run(load(server.port, itertools.cycle(asked), 1, 0.3))
    assert after.statuses().keys() == {200}


def test_an_event_changes_the_next_list_whoever_else_asks(server: Server, world: Path) -> None:
    ids = item_ids(world / "model")

    async def person(number: int) -> list[bool]:
        connection, changed = await Connection.to(server.port), []
        ask = request("/v1/recommend", {"user_id": f"fresh-{number}", "n": 10})
        for item_id in ids[number * 3 : number * 3 + 3]:
            before = await connection.ask(ask)
            sent = {"user_id": f"fresh-{number}", "item_id": item_id}
            assert (await connection.ask(request("/v1/events", {"events": [sent]}))).status == 200
            after = await connection.ask(ask)
            changed.append(_items(before) != _items(after) and item_id.encode() not in _items(after))
        connection.close()
        return changed

    async def everybody() -> list[list[bool]]:
        return await asyncio.gather(*(person(number) for number in range(CLIENTS)))

    assert all(all(changed) for changed in asyncio.run(everybody()))


def _items(reply: Reply) -> bytes:
    assert reply.status == 200
    return reply.body.partition(b'"items":')[2]


def test_memory_of_a_short_soak(server: Server, world: Path) -> None:
    asked = traffic(item_ids(world / "model"))
    asyncio.run(soak(server, asked, 400, CLIENTS, 2))
    held = asyncio.run(soak(server, asked, 1_200, CLIENTS, 6))
    assert held[-1] - held[0] < 60, f"the server holds {held} MB"


def test_soak_says_what_leaks() -> None:
    assert slope([100.0, 100.0, 100.0, 101.0, 102.0], 40_000) == pytest.approx(1.0)
    assert slope([50.0, 90.0, 100.0, 100.0, 100.0], 40_000) == pytest.approx(0.0)


def test_traffic_is_mixed_and_repeatable() -> None:
    first, again = (list(islice(traffic(["a", "b"], 3), 2_000)) for _ in range(2))
    paths = {line.split(b" ", 2)[1] for line in first}
    assert first == again and paths == {b"/v1/recommend", b"/v1/events", b"/v1/items"}


def test_killed_and_started_again_nothing_is_lost(world: Path, tmp_path: Path) -> None:
    said = serve_crash.crash(world / "model", str(tmp_path / "crash.db"), rounds=2, clients=3)
    assert "each there once" in said and not said.startswith("0 ")


def test_a_lost_event_is_noticed(tmp_path: Path) -> None:
    sent = serve_crash.Sent()
    sent.batches.append([{"event_id": "0-0", "user_id": "p0", "item_id": "a"}])
    sent.acknowledged.append(sent.batches[0])
    with pytest.raises(AssertionError, match="missing or there twice"):
        serve_crash.check(str(tmp_path / "empty.db"), sent)


def test_figures_of_a_load() -> None:
    replies = [Reply(200, n / 1_000, b"") for n in range(1, 101)] + [Reply(429, 9.0, b"")]
    found = Load(replies, 2.0)
    assert (found.rate(), found.statuses()) == (50.0, {200: 100, 429: 1})
    assert found.milliseconds(0.5) == pytest.approx(50, abs=1) and found.milliseconds(0.99) == pytest.approx(99, abs=1)
