"""Bounds: how many requests may be under way."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from firstlight.serve.problems import Problem

T = TypeVar("T")
RETRY = 1
PAUSE = 0.1
"""Seconds until a list is refused: who asks again at once must not take the time of those who are answered."""


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
