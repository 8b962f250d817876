"""Batching: what comes in while an answer is computed is answered together next; what would wait too long is refused.

One thread computes. Many who ask at once share the cost of a batch, and a lone one waits for nobody.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Generic, TypeVar

from firstlight.errors import FirstlightError

Q = TypeVar("Q")
A = TypeVar("A")
Delivery = tuple["asyncio.Future[A]", A | Exception]

LINGER = 0.005
"""Seconds that a batch waits, at most, for as many as the last had, and no longer than a quarter of what that took.
After a batch those it answered ask again one by one: to begin with the first of them would make batches of two and
fourteen by turns, which costs half as much again. Where lists are quick the waiting would cost more."""


class Full(FirstlightError):
    """More wait than can be answered in time."""


class Batcher(Generic[Q, A]):
    """Answers what is submitted, in batches, in one thread of its own.

    work: answers a batch, in its order. most: so many may be under way, in work or waiting; those that wait are the
    next batch, so that nobody waits for more than the one before theirs.
    """

    def __init__(self, work: Callable[[list[Q]], list[A]], most: int = 24) -> None:
        self._work, self._most = work, most
        self._queue: list[tuple[Q, asyncio.AbstractEventLoop, asyncio.Future[A]]] = []
        self._changed = threading.Condition()
        self._open = True
        self._wanted, self._in_work, self._seconds = 1, 0, 0.0
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._queue) + self._in_work

    @property
    def full(self) -> bool:
        """Whether what is submitted now is refused."""
        return len(self) >= self._most or not self._open

    async def submit(self, ask: Q) -> A:
        """The answer. Raises Full at once where too many wait, and what ``work`` raises for this ask alone."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        with self._changed:
            if not self._open:
                raise Full("The server is shutting down: ask another one, or again in a moment.")
            if self.full:
                raise Full(f"{len(self)} requests are under way already: ask again in a moment.")
            self._queue.append((ask, loop, future))
            if len(self._queue) >= self._wanted:
                self._changed.notify()
        return await future

    def close(self) -> None:
        """Answer what waits, then stop. New requests are refused from now on."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        last = 1
        while batch := self._next(last):
            last, begun = len(batch), perf_counter()
            self._answer(batch)
            self._seconds = perf_counter() - begun

    def _next(self, last: int) -> list[tuple[Q, asyncio.AbstractEventLoop, "asyncio.Future[A]"]]:
        """The next batch, when there is one; nothing when all is done. last: how many the last one had."""
        with self._changed:
            self._in_work = 0
            self._wait_for(1)
            self._wait_for(last, min(LINGER, self._seconds / 4))
            batch = list(self._queue)
            self._queue.clear()
            self._in_work = len(batch)
            return batch

    def _wait_for(self, many: int, seconds: float | None = None) -> None:
        self._wanted = many
        self._changed.wait_for(lambda: len(self._queue) >= many or not self._open, seconds)

    def _answer(self, batch: list[tuple[Q, asyncio.AbstractEventLoop, "asyncio.Future[A]"]]) -> None:
        wanted = [each for each in batch if not each[2].cancelled()]
        found = self._found([ask for ask, _, _ in wanted])
        for loop in {loop for _, loop, _ in wanted}:
            here = [(future, result) for (_, its, future), result in zip(wanted, found, strict=True) if its is loop]
            with suppress(RuntimeError):  # a loop that was closed meanwhile: nobody is there to hear it
                loop.call_soon_threadsafe(_deliver, here)

    def _found(self, asks: list[Q]) -> list[A | Exception]:
        """The answers; where the batch fails each ask is tried alone, so that one cannot spoil the others'."""
        try:
            return [*self._work(asks)] if asks else []
        except Exception as error:
            return [error] if len(asks) == 1 else [found for ask in asks for found in self._found([ask])]


def _deliver(found: list[Delivery[A]]) -> None:
    for future, result in found:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
