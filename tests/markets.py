"""A small shop with categories, devices, times and ages, for the protocols that need them."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from firstlight.corpus import build_schema
from firstlight.dataset import read_dataset
from firstlight.evaluate import Source
from firstlight.evaluate.protocols.stages import Cases
from firstlight.tasks import Corpus

START, DAYS = datetime(2024, 1, 1), 70
CATEGORIES = ("books", "games", "tools")


def log(people: int = 150, items: int = 60, events: int = 20, seed: int = 0) -> pl.DataFrame:
    """Each person buys so many different items at random moments of 70 days, each on a phone or a desktop."""
    chance, count = np.random.default_rng(seed), people * events
    bought = np.concatenate([chance.permutation(items)[:events] for _ in range(people)])
    return pl.DataFrame(
        {
            "user_id": [f"u{n:03}" for n in np.repeat(np.arange(people), events)],
            "item_id": [f"i{n:02}" for n in bought],
            "time": [START + timedelta(seconds=int(s)) for s in chance.integers(0, DAYS * 86_400, count)],
            "device": chance.choice(["phone", "desktop"], count).tolist(),
        }
    )


def source(events: pl.DataFrame | None = None, seed: int = 0, column: str = "category", items: int = 60) -> Source:
    """A third of the items is in each category; every second person is 30 years old, the others 31."""
    events = log() if events is None else events
    ids = events["user_id"].unique().sort()
    catalogue = {"item_id": [f"i{n:02}" for n in range(items)], column: [CATEGORIES[n % 3] for n in range(items)]}
    with tempfile.TemporaryDirectory() as folder:
        events.write_parquet(Path(folder) / "events.parquet")
        pl.DataFrame(catalogue).write_parquet(Path(folder) / "items.parquet")
        people = pl.DataFrame({"user_id": ids, "age": [30 + n % 2 for n in range(len(ids))]})
        people.write_parquet(Path(folder) / "users.parquet")
        dataset = read_dataset(Path(folder))
    return Source.of(dataset, build_schema(dataset), seed)


def known(cases: Cases, source: Source) -> set[tuple[str, str]]:
    """Who is told to like what."""
    support = cases.batch.support
    rows, slots = support.mask.nonzero(as_tuple=True)
    return _pairs(source, cases.people[rows].tolist(), support.items[rows, slots].tolist())


def sought(cases: Cases, source: Source) -> set[tuple[str, str]]:
    """Who is to be found to like what."""
    rows, slots = cases.batch.query_mask.nonzero(as_tuple=True)
    return _pairs(source, cases.people[rows].tolist(), cases.batch.query[rows, slots].tolist())


def learned(corpus: Corpus, source: Source) -> set[tuple[str, str]]:
    """Who is learned to like what."""
    names, items = corpus.tasks.names.to_list(), source.schema.item_ids.to_list()
    owners = corpus.tasks.owner.tolist()
    return {(names[who], items[what]) for who, what in zip(owners, corpus.tasks.items.tolist(), strict=True)}


def _pairs(source: Source, people: list[int], items: list[int]) -> set[tuple[str, str]]:
    names, ids = source.corpus.tasks.names.to_list(), source.schema.item_ids.to_list()
    return {(names[who], ids[what]) for who, what in zip(people, items, strict=True)}
