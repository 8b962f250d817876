"""Bounds: how large a request may be, how long it may take to come, and how many may be under way."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from firstlight.serve.problems import Problem

T = TypeVar("T")
RETRY = 1
BODY_SECONDS = 5.0
PAUSE = 0.05
"""Seconds until a list is refused: who asks again at once must not take the time of those who are answered."""


async def read_body(request: Request, most: int) -> bytes:
    """The body. Raises Problem where it is larger than ``most`` bytes, no JSON by its type, or too slow."""
    headers = request.headers
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem("media_type", "Send the body as `Content-Type: application/json`.")
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > most:
        raise Problem("too_large", f"The body has {int(length):,} bytes, of at most {most:,}: send it in parts.")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request, most)
    except TimeoutError:
        raise Problem("slow", f"The body did not come within {BODY_SECONDS:.0f} seconds: send it again.") from None
    except ClientDisconnect:
        raise Problem("bad_request", "The body ended early: send it again.") from None


async def _read(request: Request, most: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise Problem("too_large", f"The body has more than {most:,} bytes: send it in parts.")
        parts.append(part)
    return b"".join(parts)


class Lane:
    """Work in threads, ``width`` at a time, of which at most ``most`` may be under way or wait.

    What comes beyond that is refused at once: waiting longer would make everybody late. What is waited for no longer
    counts until it has ended.
    """

    def __init__(self, name: str, most: int, width: int) -> None:
        self._room = threading.BoundedSemaphore(most)
        self._threads = ThreadPoolExecutor(width, name)

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns. Raises Problem ``busy``, and what it raises."""
        if not self._room.acquire(blocking=False):
            raise busy()
        done = self._threads.submit(work)
        done.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(done)

    def close(self) -> None:
        """End what is under way."""
        self._threads.shutdown()


def busy() -> Problem:
    """More than the server takes on."""
    return Problem("busy", "The server has as many requests as it can take: try again in a moment.", retry=RETRY)
