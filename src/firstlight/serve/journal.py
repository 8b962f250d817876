"""The journal: what was shown is written down in the background, in batches, without delaying an answer."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from firstlight.errors import StoreError
from firstlight.store import Impression

LOG = logging.getLogger(__name__)
Write = Callable[[Sequence[Impression]], None]
TRIES = 5
"""How often a store is asked to write the same lists."""
PAUSE = 0.1
"""Seconds between writings: to write every list as it comes would cost those who answer more than the lists do."""


class Journal:
    """Writes down, in a thread of its own, which lists were shown.

    write: keeps some lists for good, such as ``Store.add_impressions``; StoreError where it cannot now. lost: called
    with the number of lists that are dropped, because too many wait or because writing fails; the log says why. room:
    at most so many wait. most: lists in one writing. patience: seconds until a store that failed is asked again.
    """

    def __init__(
        self,
        write: Write,
        lost: Callable[[int], None] = lambda lists: None,
        room: int = 10_000,
        most: int = 1_000,
        patience: float = 2.0,
    ) -> None:
        self._write, self._lost, self._room, self._most, self._patience = write, lost, room, most, patience
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
            if why := self._fault(lists):
                self._drop(len(lists), why)
            self._closing.wait(PAUSE)

    def _fault(self, lists: Sequence[Impression]) -> str | None:
        """Why the lists cannot be written; None where they are. A store that is away or held is asked again."""
        why = None
        for _ in range(TRIES):
            try:
                self._write(lists)
                return None
            except StoreError as error:
                why = str(error)
            except Exception as error:  # the thread must live on, whatever the database does
                return f"{type(error).__name__}: {error}"
            self._closing.wait(self._patience)
        return why

    def _next(self) -> list[Impression]:
        """The next lists, when there are any; nothing when all is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or not self._open)
            return [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]

    def _drop(self, lists: int, why: str) -> None:
        self._lost(lists)
        LOG.warning("%d lists that were shown were not written down: %s", lists, why)
