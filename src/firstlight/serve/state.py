"""A running server's parts, and how a batch of questions is answered: one round of reads, one adaptation."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from firstlight.errors import StoreError
from firstlight.serve import limits
from firstlight.serve.answer import answer
from firstlight.serve.asking import Answer, Ask
from firstlight.serve.batching import Batcher, Full
from firstlight.serve.confidence import Levels
from firstlight.serve.journal import Journal
from firstlight.serve.keys import Keys
from firstlight.serve.limits import Lane
from firstlight.serve.logs import LOG
from firstlight.serve.metrics import Metrics
from firstlight.serve.modelbox import ModelBox
from firstlight.serve.questions import Question, now
from firstlight.serve.recall import Recall
from firstlight.serve.served import Served
from firstlight.serve.settings import ServeSettings
from firstlight.store import Impression, Known, State, Store

T = TypeVar("T")
PAUSE = 1.0
"""Seconds for which a store that did not answer is not asked again: waiting for it would make everybody late."""
AWAY = "The store does not answer, so that only what came with the request is known of the person."


@dataclass(frozen=True)
class Told:
    """An answer, what was asked in full, and the model that answered."""

    answer: Answer
    ask: Ask
    served: Served


class Shop:
    """Store, model, keys, bounds and counts of one server process.

    Raises StoreError where the store cannot be opened, and what ``Levels.read`` raises.
    """

    def __init__(self, settings: ServeSettings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.levels = Levels.read(settings.report)
        self.store = Store.open(settings.store)
        self.keys = Keys(self.store, settings.loopback)
        self.box = ModelBox(settings.models, self.store, metrics)
        self.box.start()
        self.journal = Journal(self.store.add_impressions, lost=metrics.lost)
        self._recall = Recall()
        self.batcher: Batcher[Question, Told] = Batcher(self._work, settings.together)
        self._writing = Lane("writing", settings.writing, width=4)
        self.slower = Lane("slower", settings.slower, width=1)
        self._state = State(0, None)
        self._away_until = float("-inf")

    def close(self) -> None:
        """Answer what waits, write down what was shown, and let go of the store."""
        self.batcher.close()
        self.slower.close()
        self._writing.close()
        self.journal.close()
        self.store.close()

    async def ask(self, question: Question) -> Told:
        """The answer to a question, made together with others that wait. Raises Problem.

        With reasons it is made by itself: to leave out one event after another takes as long as many lists.
        """
        if question.ask.explain:
            told, _ = await self.alone(question, _answered)
            return told
        try:
            return await self.batcher.submit(question)
        except Full:
            raise limits.busy() from None

    async def write(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, which writes to the store, in a thread. Raises Problem, and what it raises.

        Whoever is told that something is written must find it in the next list: the store is not away any more.
        """

        def written() -> T:
            found = work()
            self._away_until = float("-inf")
            return found

        return await self._writing.run(written)

    async def alone(self, question: Question, work: Callable[[Served, Ask], tuple[Told, T]]) -> tuple[Told, T]:
        """What ``work`` makes of the model and of the ask in full, in a thread. Raises Problem, and what it raises."""

        def worked() -> tuple[Told, T]:
            known, note = self._known([question])
            told, more = work(self.box.fresh(known.state), question.with_known(known))
            return self._remembered(question, told, note), more

        return await self.slower.run(worked)

    def _work(self, questions: Sequence[Question]) -> list[Told]:
        """The batcher's work: an answer to each question. Raises what one of them is refused with."""
        known, note = self._known(questions)
        served = self.box.fresh(known.state)
        asks = [question.with_known(known) for question in questions]
        told = [Told(found, ask, served) for found, ask in zip(self._recall.answers(served, asks), asks, strict=True)]
        return [self._remembered(question, one, note) for question, one in zip(questions, told, strict=True)]

    def _known(self, questions: Sequence[Question]) -> tuple[Known, str | None]:
        """What the store knows of everybody; without the store nothing, and a note that says so."""
        if time.monotonic() < self._away_until:
            return Known(self._state, {}, {}), AWAY
        people = list({question.user_id for question in questions if question.user_id is not None})
        try:
            known = self.store.known(people)
        except StoreError as error:
            LOG.warning("store away", extra={"told": {"why": str(error)}})
            self._away_until = time.monotonic() + PAUSE
            return Known(self._state, {}, {}), AWAY
        self._state = known.state
        return known, None

    def _remembered(self, question: Question, told: Told, note: str | None) -> Told:
        """What is answered; what is shown is counted, and written down later, without delaying the answer."""
        if note is not None:
            told = replace(told, answer=_noted(told.answer, note))
        if question.shown:
            self._show(question, told)
        return told

    def _show(self, question: Question, told: Told) -> None:
        listed = told.answer.items
        items = list(zip(listed.item_ids, listed.propensities, listed.sources, strict=True))
        shown = Impression(question.request_id, question.user_id, items, told.served.version, question.scenario, now())
        self.journal.add(shown)
        self.metrics.listed(told.answer, elsewhere(told))


def _answered(served: Served, ask: Ask) -> tuple[Told, None]:
    return Told(answer(served, [ask])[0], ask, served), None


def _noted(found: Answer, note: str) -> Answer:
    return replace(found, note=note if found.note is None else f"{note} {found.note}")


def elsewhere(told: Told) -> int:
    """How many listed items are of categories that the person's events do not touch; 0 for a person without events."""
    if not told.ask.events:
        return 0
    words, known = told.served.category.words, told.served.place
    touched = {words[known[event.item_id]] for event in told.ask.events if event.item_id in known}
    return sum(words[place] not in touched for place in told.answer.items.places)
