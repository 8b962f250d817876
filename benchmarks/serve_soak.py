"""Whether the server's memory stays where it is over many requests.

    python benchmarks/serve_soak.py MODEL [--requests 100000] [--clients 8] [--samples 50]

Lists for people whose events go on, one event in ten requests, and a changed or new item in five hundred, always of the
same 50, so that the catalogue ends with 50 more. Prints what the server holds in memory as it goes on, and the slope of
a straight line through the second half.
"""

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import uvloop
from serving import Connection, Server, item_ids, pin, request

PEOPLE, NEW_ITEMS = 2_000, 50
EVENT_SHARE, ITEM_SHARE = 0.1, 0.002


def traffic(items: Sequence[str], seed: int = 0) -> Iterator[bytes]:
    """Requests without end."""
    chance = random.Random(seed)
    while True:
        person, drawn = f"p{chance.randrange(PEOPLE)}", chance.random()
        if drawn < ITEM_SHARE:
            item = {"item_id": f"soak-{chance.randrange(NEW_ITEMS)}", "title": "soaked", "price": chance.random()}
            yield request("/v1/items", {"items": [item]}, "PUT")
        elif drawn < ITEM_SHARE + EVENT_SHARE:
            yield request("/v1/events", {"events": [{"user_id": person, "item_id": chance.choice(items)}]})
        else:
            yield request("/v1/recommend", {"user_id": person, "n": 20})


async def soak(server: Server, asked: Iterator[bytes], requests: int, clients: int, samples: int) -> list[float]:
    """Ask so many requests and give the megabytes that the server holds at the beginning and after each part.

    Raises RuntimeError where a request fails for another reason than that the server has too much to do.
    """
    connections = [await Connection.to(server.port) for _ in range(clients)]
    held, left = [server.megabytes()], requests

    async def client(connection: Connection, statuses: Counter[int], until: int) -> None:
        nonlocal left
        while left > until:
            left -= 1
            statuses[(await connection.ask(next(asked))).status] += 1

    for part in range(1, samples + 1):
        statuses: Counter[int] = Counter()
        until = requests - requests * part // samples
        await asyncio.gather(*(client(connection, statuses, until) for connection in connections))
        if wrong := statuses.keys() - {200, 429}:
            raise RuntimeError(f"after {requests - left:,} requests the server answers {wrong}")
        held.append(server.megabytes())
        print(f"{requests - left:9,} requests: {held[-1]:8,.1f} MB {dict(statuses)}", flush=True)
    for connection in connections:
        connection.close()
    return held


def slope(held: Sequence[float], requests: int) -> float:
    """Megabytes more in 10,000 requests: a straight line through the second half of the samples."""
    half = len(held) // 2
    asked = np.linspace(0, requests, len(held))[half:]
    return float(np.polyfit(asked, held[half:], 1)[0] * 10_000)


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model", type=Path)
    options.add_argument("--requests", type=int, default=100_000)
    options.add_argument("--clients", type=int, default=8)
    options.add_argument("--samples", type=int, default=50)
    options.add_argument("--cores", type=int, default=2)
    options.add_argument("--log", type=Path, help="where what the server says goes; left out: nowhere")
    chosen = options.parse_args()
    pin(chosen.cores)
    with tempfile.TemporaryDirectory() as folder:
        server = Server.of(chosen.model, f"{folder}/soak.db", log=chosen.log)
        asked = traffic(item_ids(chosen.model))
        with server:
            held = uvloop.run(soak(server, asked, chosen.requests, chosen.clients, chosen.samples))
    print(
        f"{held[0]:,.1f} MB at first, {held[len(held) // 2]:,.1f} in the middle, {held[-1]:,.1f} at the end;", end=" "
    )
    print(f"in the second half {slope(held, chosen.requests):+.2f} MB in 10,000 requests")


if __name__ == "__main__":
    main()
