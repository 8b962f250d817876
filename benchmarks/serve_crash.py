"""Whether an event that was acknowledged is there after the server was killed, and there once.

    python benchmarks/serve_crash.py MODEL [--rounds 50] [--clients 4] [--store URL]

In every round clients send events while the server is killed (SIGKILL) at a random moment; then it is started again.
Every batch that was acknowledged is sent once more, of which nothing may be new. In the end the store itself is read:
every acknowledged event is in it exactly once, and of every batch all events or none.
"""

import argparse
import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from serving import Connection, Server, item_ids, pin, request

BATCH, PEOPLE = 20, 50
EARLIEST, LATEST = 0.02, 0.4
"""Seconds after the first event between which the server is killed."""

Batch = list[dict[str, Any]]


@dataclass
class Sent:
    """What was sent, and what of it was acknowledged."""

    batches: list[Batch] = field(default_factory=list)
    acknowledged: list[Batch] = field(default_factory=list)

    def batch(self, items: Sequence[str], chance: random.Random) -> Batch:
        """A new batch, or now and then the last one again."""
        if self.batches and chance.random() < 0.2:
            return self.batches[-1]
        place = len(self.batches)
        made = [
            {"event_id": f"{place}-{each}", "user_id": f"p{chance.randrange(PEOPLE)}", "item_id": chance.choice(items)}
            for each in range(BATCH)
        ]
        self.batches.append(made)
        return made


async def _client(port: int, sent: Sent, items: Sequence[str], chance: random.Random) -> None:
    with suppress(ConnectionError):
        connection = await Connection.to(port)
        while True:
            batch = sent.batch(items, chance)
            if (await connection.ask(request("/v1/events", {"events": batch}))).status == 200:
                sent.acknowledged.append(batch)


async def _kill(server: Server, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await asyncio.to_thread(server.kill)


async def attack(server: Server, sent: Sent, items: Sequence[str], clients: int, chance: random.Random) -> None:
    """Send events until the server is killed."""
    killed = _kill(server, chance.uniform(EARLIEST, LATEST))
    await asyncio.gather(killed, *(_client(server.port, sent, items, chance) for _ in range(clients)))


def repeat(server: Server, batches: Sequence[Batch]) -> int:
    """Send batches once more; how many of their events are new to the store."""
    return sum(int(server.ask("/v1/events", {"events": batch})["accepted"]) for batch in batches)


def check(url: str, sent: Sent) -> str:
    """What is in the store after all rounds, in words. Raises AssertionError where an event is missing or twice."""
    from firstlight.store import Store

    store = Store.open(url)
    people = [f"p{number}" for number in range(PEOPLE)]
    most = BATCH * len(sent.batches) + 1
    times = Counter(event.event_id for events in store.known(people, most).events.values() for event in events)
    store.close()
    there = {index: sum(times[each["event_id"]] for each in batch) for index, batch in enumerate(sent.batches)}
    acknowledged = {each["event_id"] for batch in sent.acknowledged for each in batch}
    assert all(times[name] == 1 for name in acknowledged), "an acknowledged event is missing or there twice"
    assert set(there.values()) <= {0, BATCH}, "a batch is there in part"
    assert sum(times.values()) == sum(there.values()), "an event is there that was not sent"
    return f"{len(acknowledged):,} acknowledged events, each there once; {sum(times.values()):,} there in all"


def crash(model: Path, url: str, rounds: int, clients: int, seed: int = 0) -> str:
    """So many rounds; what they found, in words. Raises AssertionError as ``check`` does."""
    items, chance, sent = item_ids(model), random.Random(seed), Sent()
    for turn in range(rounds):
        before = len(sent.acknowledged)
        with Server.of(model, url) as server:
            assert (new := repeat(server, sent.acknowledged[-50:])) == 0, f"{new} acknowledged events were lost"
            uvloop.run(attack(server, sent, items, clients, chance))
        print(json.dumps({"round": turn + 1, "acknowledged_batches": len(sent.acknowledged) - before}), flush=True)
    return check(url, sent)


def main() -> None:
    """Read the options and run the rounds."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model", type=Path)
    options.add_argument("--rounds", type=int, default=50)
    options.add_argument("--clients", type=int, default=4)
    options.add_argument("--cores", type=int, default=2)
    options.add_argument("--store", help="left out: SQLite in a folder that is removed afterwards")
    chosen = options.parse_args()
    pin(chosen.cores)
    with tempfile.TemporaryDirectory() as folder:
        print(crash(chosen.model, chosen.store or f"{folder}/crash.db", chosen.rounds, chosen.clients))


if __name__ == "__main__":
    main()
