"""The journal: everything is written in order and in batches, and what cannot be is counted and said."""

import logging
import threading
from collections.abc import Callable, Sequence

import pytest
from shops import NOON

from firstlight.errors import StoreError
from firstlight.serve.journal import TRIES, Journal
from firstlight.store import Impression


def row(number: int) -> Impression:
    return Impression(f"{number}", None, [("i", 1.0, "adapted")], "v1", None, NOON)


class Written:
    """What was written, batch by batch; waits where ``gate`` is closed, fails where ``fault`` says so."""

    def __init__(self, fault: Callable[[], None] = lambda: None) -> None:
        self.batches: list[list[int]] = []
        self.gate, self.begun, self.fault = threading.Event(), threading.Event(), fault
        self.gate.set()

    def __call__(self, lists: Sequence[Impression]) -> None:
        self.begun.set()
        assert self.gate.wait(10)
        self.fault()
        self.batches.append([int(each.request_id) for each in lists])

    def numbers(self) -> list[int]:
        return [number for batch in self.batches for number in batch]


def test_everything_is_written_in_order_before_it_is_closed() -> None:
    written, lost = Written(), list[int]()
    journal = Journal(written, lost.append)
    for number in range(100):
        journal.add(row(number))
    journal.close()
    assert written.numbers() == list(range(100)) and lost == []


def test_what_waits_is_written_in_batches_without_delaying_who_adds() -> None:
    written = Written()
    journal = Journal(written, most=4)
    written.gate.clear()
    journal.add(row(0))
    assert written.begun.wait(10)
    for number in range(1, 8):
        journal.add(row(number))
    assert len(journal) == 7
    written.gate.set()
    journal.close()
    assert written.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]


def test_what_there_is_no_room_for_is_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    written, lost = Written(), list[int]()
    journal = Journal(written, lost.append, room=3)
    written.gate.clear()
    journal.add(row(0))
    assert written.begun.wait(10)
    with caplog.at_level(logging.WARNING):
        for number in range(1, 6):
            journal.add(row(number))
    written.gate.set()
    journal.close()
    assert written.numbers() == [0, 1, 2, 3] and lost == [1, 1]
    assert caplog.messages == ["1 lists that were shown were not written down: 3 are waiting already"] * 2


def test_a_store_that_is_away_for_a_moment_is_asked_again() -> None:
    faults = [StoreError("The database is away.")] * (TRIES - 1)

    def fail() -> None:
        if faults:
            raise faults.pop()

    written, lost = Written(fail), list[int]()
    journal = Journal(written, lost.append, patience=0.01)
    journal.add(row(0))
    journal.close()
    assert written.numbers() == [0] and lost == []


@pytest.mark.parametrize("error", [StoreError("The database is away."), RuntimeError("The database is away.")])
def test_what_the_store_refuses_is_counted_and_the_journal_goes_on(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    faults: list[Exception] = [error] * (TRIES if isinstance(error, StoreError) else 1)

    def fail() -> None:
        if faults:
            raise faults.pop()

    written, lost, told = Written(fail), list[int](), threading.Event()

    def lose(lists: int) -> None:
        lost.append(lists)
        told.set()

    journal = Journal(written, lose, patience=0.01)
    journal.add(row(0))
    assert told.wait(10)
    journal.add(row(2))
    journal.close()
    assert written.numbers() == [2] and lost == [1]
    assert "1 lists that were shown were not written down" in caplog.text and "The database is away." in caplog.text


def test_after_closing_nothing_is_taken_and_that_is_counted() -> None:
    written, lost = Written(), list[int]()
    journal = Journal(written, lost.append)
    journal.close()
    journal.close()
    journal.add(row(0))
    assert written.batches == [] and lost == [1]
