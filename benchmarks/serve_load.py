"""How many people the server recommends to in a second, beside a bare route, and what it does with three times as many.

    python benchmarks/serve_load.py MODEL [--clients 16] [--seconds 5] [--rounds 3] [--cores 2] [--workers 2]

Servers and clients share the same cores; every client keeps one connection and asks again when it has its answer.
The people have 0 to 30 stored events. `new`: everybody asks once, so that every list is computed. `again`: a thousand
people, of whom nothing new is known, ask over and over. In turns with ours, a server of the same framework and
settings is asked for an answer of 20 items that is there already: `/bytes` sends it as it is, `/object` writes the JSON
each time. Then more is asked: three times the clients, who never wait, and three times the requests a second from many
clients, all by people who ask once.
Without MODEL a marketplace of 50,000 items is simulated and the default learner trained on it.
"""

import argparse
import asyncio
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from serving import FIRSTLIGHT, Connection, Reply, Server, free_port, item_ids, pin, request

ITEMS, MOST_EVENTS, SHOWN = 50_000, 30, 20
REGULARS = 1_000
TIMES = 3
MANY = 8
"""Times the clients from which the higher rate comes, so that waiting ones do not lower it."""


@dataclass(frozen=True)
class Load:
    """What clients met. wall: how long it took, in seconds."""

    replies: Sequence[Reply]
    wall: float

    def statuses(self) -> dict[int, int]:
        return dict(sorted(Counter(reply.status for reply in self.replies).items()))

    def rate(self) -> float:
        """Requests that were answered, a second."""
        return sum(reply.status == 200 for reply in self.replies) / self.wall

    def milliseconds(self, share: float) -> float:
        """In which that share of the answers came."""
        taken = sorted(reply.seconds for reply in self.replies if reply.status == 200)
        return 1e3 * taken[int(share * (len(taken) - 1))] if taken else float("nan")

    def __str__(self) -> str:
        middle, last = self.milliseconds(0.5), self.milliseconds(0.99)
        return f"{self.rate():7,.0f} answers/s, p50 {middle:6.1f} ms, p99 {last:6.1f} ms, {self.statuses()}"


async def load(
    port: int, requests: Iterator[bytes], clients: int, seconds: float, rate: float = 0.0, most: int = 200_000
) -> Load:
    """Ask until the time is up or so many have been asked. rate: requests a second of all clients; 0: no pause."""
    connections = [await Connection.to(port) for _ in range(clients)]
    replies: list[Reply] = []
    begin = time.perf_counter()

    async def client(number: int, connection: Connection) -> None:
        chance = random.Random(number)
        due = begin + chance.random() * clients / rate if rate else begin
        while (now := time.perf_counter()) < begin + seconds and len(replies) < most:
            if due > now:
                await asyncio.sleep(due - now)
            if rate:
                due += chance.expovariate(rate / clients)
            replies.append(await connection.ask(next(requests)))

    await asyncio.gather(*(client(number, connection) for number, connection in enumerate(connections)))
    for connection in connections:
        connection.close()
    return Load(replies, time.perf_counter() - begin)


def histories(items: Sequence[str], people: int, seed: int = 0) -> list[dict[str, Any]]:
    """Events of so many people: 0 to 30 of each, within a part of the catalogue as tastes are."""
    chance = random.Random(seed)
    events = []
    for person in range(people):
        start, count = chance.randrange(len(items)), chance.randint(0, MOST_EVENTS)
        places = [(start + chance.randrange(500)) % len(items) for _ in range(count)]
        events += [{"user_id": f"p{person}", "item_id": items[place]} for place in places]
    return events


def simulated(folder: Path) -> Path:
    """A model of 50,000 items, trained here: four minutes."""
    from subprocess import check_call

    check_call([*FIRSTLIGHT, "simulate", str(folder / "market"), "--items", str(ITEMS), "--events", "600000"])
    check_call([*FIRSTLIGHT, "train", str(folder / "market"), "--out", str(folder / "model")])
    return folder / "model"


def bare(port: int, workers: int) -> list[str]:
    """The command of the bare server."""
    return [sys.executable, str(Path(__file__).with_name("bare_route.py")), str(port), str(workers)]


def measure(model: Path, chosen: argparse.Namespace, scratch: Path) -> None:
    """Start both servers and print what was found."""
    events = histories(item_ids(model), chosen.people)
    requests = [request("/v1/recommend", {"user_id": f"p{person}", "n": SHOWN}) for person in range(chosen.people)]
    workers = ["--workers", str(chosen.workers)]
    with Server.of(model, str(scratch / "load.db"), *workers, log=scratch / "server.log") as ours:
        for start in range(0, len(events), 1_000):
            ours.ask("/v1/events", {"events": events[start : start + 1_000]})
        answer = scratch / "answer.json"
        answer.write_bytes(uvloop.run(_once(ours.port, requests[0])))
        os.environ["STORED_ANSWER"] = str(answer)
        port = free_port()
        with Server(bare(port, chosen.workers), port, log=scratch / "bare.log") as reference:
            uvloop.run(_compare(ours, reference, requests, chosen))
        print(f"memory of the server: {ours.megabytes():,.0f} MB")


async def _once(port: int, request: bytes) -> bytes:
    connection = await Connection.to(port)
    reply = await connection.ask(request)
    connection.close()
    if reply.status != 200:
        raise RuntimeError(f"the first request was answered with {reply.status}: {reply.body[:500]!r}")
    return reply.body


async def _compare(ours: Server, reference: Server, asked: Sequence[bytes], chosen: argparse.Namespace) -> None:
    everybody = itertools.cycle(asked)  # of so many the server remembers nobody until their next turn
    ways = {"new": (ours.port, everybody), "again": (ours.port, itertools.cycle(asked[:REGULARS]))}
    for name in ("bytes", "object"):
        ways[name] = reference.port, itertools.repeat(request(f"/{name}", {"user_id": "p0", "n": SHOWN}))
    for port, requests in ways.values():
        await load(port, requests, chosen.clients, 1.0)
    found: dict[str, list[Load]] = {name: [] for name in ways}
    for turn in range(chosen.rounds):
        for name, (port, requests) in ways.items():
            found[name].append(await load(port, requests, chosen.clients, chosen.seconds))
            print(f"{turn + 1} {name:6} {found[name][-1]}", flush=True)
    held = {name: statistics.median(each.rate() for each in loads) for name, loads in found.items()}
    for name in ("new", "again"):
        shares = ", ".join(f"{held[name] / held[bare]:.2f} of /{bare}" for bare in ("bytes", "object"))
        print(f"{name} holds {held[name]:,.0f} answers/s: {shares}")
    normal = statistics.median(each.milliseconds(0.99) for each in found["new"])
    crowd = await load(ours.port, everybody, TIMES * chosen.clients, chosen.seconds)
    flood = await load(ours.port, everybody, MANY * chosen.clients, chosen.seconds, TIMES * held["new"])
    after = await load(ours.port, everybody, chosen.clients, chosen.seconds)
    for what, each in (("clients", crowd), ("requests/s", flood)):
        times = each.milliseconds(0.99) / normal
        print(
            f"{TIMES} times the {what}: {each}, {len(each.replies) / each.wall:,.0f} asked/s, p99 {times:.2f} of normal"
        )
    print(f"afterwards: {after}")


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model", type=Path, nargs="?")
    options.add_argument("--clients", type=int, default=16)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--cores", type=int, default=2)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--people", type=int, default=20_000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = chosen.model or simulated(Path(folder))
        pin(chosen.cores)
        measure(model, chosen, Path(folder))


if __name__ == "__main__":
    main()
