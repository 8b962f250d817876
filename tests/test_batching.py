"""Batching: everybody gets their own answer, together where they wait, and too many are refused at once."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from firstlight.serve.asking import Answer, Ask, Listing
from firstlight.serve.batching import Batcher, Full

Queue = Batcher[Ask, Answer]


class Work:
    """Answers n with a note of n; what it was given is in ``batches``. It waits where ``gate`` is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, asks: list[Ask]) -> list[Answer]:
        self.batches.append([ask.n for ask in asks])
        self.begun.set()
        assert self.gate.wait(10)
        if any(ask.n < 0 for ask in asks):
            raise ValueError(f"{min(ask.n for ask in asks)} is negative")
        return [Answer(Listing(), 0, note=str(ask.n)) for ask in asks]


@contextmanager
def batcher(work: Work, most: int = 9) -> Iterator[Queue]:
    found: Queue = Batcher(work, most)
    try:
        yield found
    finally:
        work.gate.set()
        found.close()


async def begun(work: Work) -> None:
    while not work.begun.is_set():
        await asyncio.sleep(0.001)


def test_everybody_gets_their_own_answer() -> None:
    work = Work()

    async def many(queue: Queue) -> list[Answer]:
        return await asyncio.gather(*(queue.submit(Ask(n=n)) for n in range(8)))

    with batcher(work) as queue:
        assert [answer.note for answer in asyncio.run(many(queue))] == [str(n) for n in range(8)]
    assert sorted(n for batch in work.batches for n in batch) == list(range(8))


def test_those_who_wait_are_answered_together() -> None:
    work = Work()

    async def late(queue: Queue) -> None:
        work.gate.clear()
        first = asyncio.create_task(queue.submit(Ask(n=0)))
        await begun(work)
        others = [asyncio.create_task(queue.submit(Ask(n=n))) for n in range(1, 7)]
        await asyncio.sleep(0)
        assert len(queue) == 7
        work.gate.set()
        await asyncio.gather(first, *others)

    with batcher(work) as queue:
        asyncio.run(late(queue))
    assert work.batches == [[0], [1, 2, 3, 4, 5, 6]]


def test_too_many_are_refused_at_once_and_the_others_answered() -> None:
    work = Work()

    async def crowd(queue: Queue) -> None:
        work.gate.clear()
        first = asyncio.create_task(queue.submit(Ask(n=0)))
        await begun(work)
        waiting = [asyncio.create_task(queue.submit(Ask(n=n))) for n in range(1, 9)]
        await asyncio.sleep(0)
        assert queue.full
        with pytest.raises(Full, match="9 requests are under way already"):
            await queue.submit(Ask(n=99))
        work.gate.set()
        assert [answer.note for answer in await asyncio.gather(first, *waiting)] == [str(n) for n in range(9)]

    with batcher(work) as queue:
        asyncio.run(crowd(queue))


def test_who_fails_spoils_nobody_else() -> None:
    work = Work()

    async def mixed(queue: Queue) -> list[Answer | BaseException]:
        work.gate.clear()
        first = asyncio.create_task(queue.submit(Ask(n=0)))
        await begun(work)
        others = [asyncio.create_task(queue.submit(Ask(n=n))) for n in (1, -2, 3)]
        await asyncio.sleep(0)
        work.gate.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    with batcher(work) as queue:
        found = asyncio.run(mixed(queue))
    assert [one.note if isinstance(one, Answer) else str(one) for one in found] == ["0", "1", "-2 is negative", "3"]


def test_who_has_gone_is_not_worked_for() -> None:
    work = Work()

    async def gone(queue: Queue) -> None:
        work.gate.clear()
        first = asyncio.create_task(queue.submit(Ask(n=0)))
        await begun(work)
        other, last = asyncio.create_task(queue.submit(Ask(n=1))), asyncio.create_task(queue.submit(Ask(n=2)))
        await asyncio.sleep(0)
        other.cancel()
        first.cancel()
        await asyncio.sleep(0)
        work.gate.set()
        assert (await last).note == "2"

    with batcher(work) as queue:
        asyncio.run(gone(queue))
    assert work.batches == [[0], [2]]


def test_closing_answers_what_waits_and_refuses_the_rest() -> None:
    work = Work()

    async def closing(queue: Queue) -> None:
        work.gate.clear()
        first = asyncio.create_task(queue.submit(Ask(n=0)))
        await begun(work)
        waiting = asyncio.create_task(queue.submit(Ask(n=1)))
        await asyncio.sleep(0)
        work.gate.set()
        await asyncio.to_thread(queue.close)
        assert [(await one).note for one in (first, waiting)] == ["0", "1"]
        with pytest.raises(Full, match="shutting down"):
            await queue.submit(Ask(n=2))

    with batcher(work) as queue:
        asyncio.run(closing(queue))
        queue.close()


def test_a_loop_that_is_closed_meanwhile_stops_nothing() -> None:
    work = Work()

    async def hasty(queue: Queue) -> None:
        task = asyncio.create_task(queue.submit(Ask(n=0)))
        await begun(work)
        task.cancel()

    with batcher(work) as queue:
        work.gate.clear()
        asyncio.run(hasty(queue))
        work.gate.set()
        assert asyncio.run(queue.submit(Ask(n=5))).note == "5"


def test_a_batch_waits_for_as_many_as_the_last_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firstlight.serve.batching.LINGER", 10.0)
    work = Work()

    async def by_turns(queue: Queue) -> None:
        work.gate.clear()
        first = asyncio.create_task(queue.submit(Ask(n=0)))
        await begun(work)
        others = [asyncio.create_task(queue.submit(Ask(n=n))) for n in range(1, 4)]
        await asyncio.sleep(0.3)
        work.gate.set()
        await asyncio.gather(first, *others)
        more = [asyncio.create_task(queue.submit(Ask(n=4)))]
        for n in (5, 6):
            await asyncio.sleep(0.01)
            more.append(asyncio.create_task(queue.submit(Ask(n=n))))
        await asyncio.gather(*more)

    with batcher(work) as queue:
        queue._seconds = 10.0  # the last batch took longer than all of this does
        asyncio.run(by_turns(queue))
    assert [1, 2, 3] in work.batches
