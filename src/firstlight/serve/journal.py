"""The journal: what was shown is written down in the background, in batches, without delaying an answer."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from firstlight.errors import StoreError
from firstlight.store import Impression

LOG = logging.getLogger(__name__)
Write = Callable[[Sequence[Impression]], None]
PAUSE = 0.1
"""Seconds between writings: to write every list as it comes would cost those who answer more than the lists do."""


class Journal:
    """Writes down, in a thread of its own, which lists were shown.

    write: keeps some lists for good, such as ``Store.add_impressions``; StoreError where it cannot. lost: called with
    the number of lists that are dropped, because too many wait or because writing fails; the log says why. room: at
    most so many wait. most: lists in one writing.
    """

    def __init__(
        self, write: Write, lost: Callable[[int], None] = lambda lists: None, room: int = 10_000, most: int = 1_000
    ) -> None:
        self._write, self._lost, self._room, self._most = write, lost, room, most
        self._queue: deque[Impression] = deque()
        self._changed, self._closing = threading.Condition(), threading.Event()
        self._open = True
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many lists wait."""
        return len(self._queue)

    def add(self, shown: Impression) -> None:
        """Take a list, unless there is no room for it; never waits."""
        with self._changed:
            taken = self._open and len(self._queue) < self._room
            if taken:
                self._queue.append(shown)
                self._changed.notify()
        if not taken:
            self._drop(1, f"{self._room:,} are waiting already" if self._open else "the journal is closed")

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._changed:
            self._open = False
            self._closing.set()
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while lists := self._next():
            try:
                self._write(lists)
            except StoreError as error:
                self._drop(len(lists), str(error))
            except Exception as error:  # the thread must live on, whatever the database does
                self._drop(len(lists), f"{type(error).__name__}: {error}")
            self._closing.wait(PAUSE)

    def _next(self) -> list[Impression]:
        """The next lists, when there are any; nothing when all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or not self._open)
            return [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]

    def _drop(self, lists: int, why: str) -> None:
        self._lost(lists)
        LOG.warning("%d lists that were shown were not written down: %s", lists, why)
