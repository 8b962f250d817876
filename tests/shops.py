"""A small marketplace with models, as it is served, for the tests of serving."""

import functools
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from firstlight.dataset import Dataset, read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.events import EVENT_SCHEMA
from firstlight.learners import make
from firstlight.learners.base import Preference
from firstlight.recommender import Recommender
from firstlight.serve.asking import Answer, Ask
from firstlight.serve.served import Served
from firstlight.settings import Feedback
from firstlight.store import Event

NOON = datetime(2025, 1, 1, 12)


@functools.cache
def market() -> Dataset:
    """300 people, 150 items."""
    with tempfile.TemporaryDirectory() as folder:
        return read_dataset(simulate(n_users=300, n_items=150, n_events=8_000, seed=1).write(Path(folder)))


@functools.cache
def recommender(learner: str = "item-knn", feedback: Feedback | None = None) -> Recommender:
    """A model of the market. item-knn and fewshot-ease are closed forms, the latter with profiles."""
    return Recommender.fit(market(), make(learner), feedback=feedback)


@functools.cache
def shop(learner: str = "item-knn") -> Served:
    """The same as it is served."""
    return Served.of(recommender(learner), "v1")


def event(item: str, type: str = "click", value: float | None = None, minute: float = 0, user: str = "u") -> Event:
    """So many minutes after noon."""
    moment = NOON + timedelta(minutes=minute)
    return Event(f"{user}-{item}-{type}-{minute}", user, item, type, value, moment, {})


def clicks(*items: str, user: str = "u") -> list[Event]:
    """One a minute."""
    return [event(item, minute=minute, user=user) for minute, item in enumerate(items)]


def frame(events: Sequence[Event]) -> pl.DataFrame:
    """The events as a clean table."""
    rows = [(one.user_id, one.item_id, one.type, one.value, one.time) for one in events]
    return pl.DataFrame(rows, schema=dict(EVENT_SCHEMA), orient="row")


def people(n: int, most: int = 12) -> list[tuple[str, list[Event], dict[str, str]]]:
    """The first of the market's people: name, their first events, what is known of them."""
    known = {row["user_id"]: row for row in market().users.to_dicts()}  # type: ignore[union-attr]
    names = sorted(known)[:n]
    theirs = market().events.filter(pl.col("user_id").is_in(names)).partition_by("user_id", as_dict=True)
    found = []
    for place, name in enumerate(names):
        rows = theirs[(name,)].head(place % most).rows(named=True) if (name,) in theirs else []
        events = [
            Event(f"{name}-{n}", name, row["item_id"], row["type"], row["value"], row["time"], {})
            for n, row in enumerate(rows)
        ]
        found.append((name, events, {key: value for key, value in known[name].items() if key != "user_id"}))
    return found


def ids(answer: Answer) -> list[str]:
    """The items of the list."""
    return [item.item_id for item in answer.items]


def asks(many: int, **more: object) -> list[Ask]:
    """What the first people of the market ask."""
    return [Ask(events, known, key=name, **more) for name, events, known in people(many)]  # type: ignore[arg-type]


class Fixed(Preference):
    """Scores as they are given."""

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def scores(self) -> Tensor:
        return self.values


def category_of(served: Served, item: str) -> str | None:
    """Of an item by its id."""
    return served.category.at(served.place[item])


def nothing(n: int) -> Tensor:
    """No numbers."""
    return torch.full((n,), torch.nan)
