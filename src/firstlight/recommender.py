"""The recommender: what a learner has learned, with the catalogue it ranks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from torch import Tensor

from firstlight import modelfile
from firstlight.budget import Budget, Progress, silent
from firstlight.corpus import Schema, build_schema
from firstlight.dataset import Dataset
from firstlight.errors import DataError, ModelError, SettingsError
from firstlight.events import EVENT_SCHEMA
from firstlight.learners import DEFAULT, make
from firstlight.learners.base import Learner, Prior
from firstlight.learners.item_knn import ItemKnn
from firstlight.learners.popular import Popular
from firstlight.ranking import chunk_size, keys_of, top
from firstlight.settings import Feedback
from firstlight.tasks import Corpus

FACTS = ("item_id", "domain", "category", "title", "tags", "brand", "price", "time")
"""What a model keeps of the catalogue, where it is known."""

SIMPLE: Mapping[str, Learner] = {learner.name: learner for learner in (Popular(), ItemKnn(neighbours=100))}
"""What every model has learned besides: to compare with, and to fall back on."""

NO_EVENTS = pl.DataFrame(schema=EVENT_SCHEMA)


@dataclass(frozen=True, eq=False)
class Recommender:
    """A learned prior with its catalogue; nothing of any one person is in it.

    items: ``FACTS`` of the catalogue, or None where there is none. simple: what the learners of ``SIMPLE`` have learned
    from the same data, by name; empty in models that were trained before there were any.
    """

    schema: Schema
    learner: Learner
    prior: Prior
    items: pl.DataFrame | None = None
    simple: Mapping[str, Prior] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        dataset: Dataset,
        learner: Learner | None = None,
        *,
        feedback: Feedback | None = None,
        within: str | None = None,
        text_encoder: str | None = None,
        reviews: bool = False,
        seed: int = 0,
        budget: Budget | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Learn from a data set. learner: None for the default one. within: as in `Schema.corpus`.

        text_encoder, reviews: as in `build_schema`, which says what is raised. Raises DataError where nobody likes
        anything.
        """
        learner = learner or make(DEFAULT)
        schema = build_schema(dataset, feedback or Feedback(), text_encoder, reviews)
        corpus = schema.corpus(dataset, seed, within, progress)
        if not bool((corpus.tasks.grades > 0).any()):
            types = ", ".join(dataset.events["type"].unique().sort().head(8))
            raise DataError(
                f"None of the {dataset.events.height:,} events ({types}) counts as liked: lower like-from, or give a "
                "type a weight above 0."
            )
        prior = learner.fit(corpus, seed=seed, budget=budget or Budget(), progress=progress)
        return cls(schema, learner, prior, _facts(dataset.items), _simple(corpus, seed))

    @property
    def switched_off(self) -> list[tuple[str | None, str]]:
        """What was found to harm: source domain, target domain, by name.

        Source None: to whom the target is new, they get what is popular there, as nothing else was better.
        """
        if (names := self.schema.domains) is None:
            return []
        found = self.prior.facts.get("switched_off", ())
        pairs = ((None, each) if isinstance(each, int) else each for each in found)
        return [(None if source is None else names[source], names[target]) for source, target in pairs]

    def recommend(
        self,
        events: pl.DataFrame | None = None,
        users: pl.DataFrame | None = None,
        *,
        n: int = 20,
        candidates: pl.Series | None = None,
        names: pl.Series | None = None,
        seed: int = 0,
    ) -> pl.DataFrame:
        """The ``n`` best items for each person: user_id, item_id, rank (Int64, from 1), score (Float32).

        events: clean events (``dataset.read_events``), all that is known of anybody. users: what is known of people.
        Everybody in ``users`` or ``events`` gets a list, or else everybody in ``names``; ids never seen are ordinary.
        An item of any of a person's events, liked or not, is not recommended to them again.
        candidates: the ids of the items that may be recommended; None: all. Ids that the model does not know are
        left out. Scores compare within a person only; equal ones are in an order drawn from the seed and the person.
        """
        events = NO_EVENTS if events is None else events
        if missing := [name for name in EVENT_SCHEMA if name not in events.columns]:
            raise DataError(f"The events have no column {missing[0]!r}: read them with read_events, which adds it.")
        names = people(events, users) if names is None else names.cast(pl.String).unique(maintain_order=True)
        eligible = None if candidates is None else self._eligible(candidates)
        found = [
            self._lists(part, theirs, users, min(n, len(self.schema.item_ids)), eligible, seed)
            for part, theirs in _parts(names, events, chunk_size(len(self.schema.item_ids)))
        ]
        return pl.concat(found)

    def similar(self, item_id: str, n: int = 20) -> pl.DataFrame:
        """What the model recommends to somebody who likes just this item: item_id, rank, score.

        Raises DataError for an item that the model does not know.
        """
        if item_id not in self.schema.item_ids:
            raise DataError(f"The model does not know the item {item_id!r}: give the id of an item it was trained on.")
        like = {"user_id": "", "item_id": item_id, "type": "like", "value": None, "time": None}
        return self.recommend(pl.DataFrame([like], schema=EVENT_SCHEMA), n=n).drop("user_id")

    def with_items(self, items: pl.DataFrame) -> Self:
        """The same with those of ``items`` that it does not know, which can be recommended in the next call.

        items: clean items (``dataset.read_items``). What it says of all others stays the same.
        """
        schema, new = self.schema.with_items(items)
        if not new.n:
            return self
        facts = _facts(items.filter(pl.col("item_id").is_in(schema.item_ids[-new.n :].implode())))
        known = [frame for frame in (self.items, facts) if frame is not None]
        catalogue = pl.concat(known, how="diagonal_relaxed")
        simple = {name: SIMPLE[name].with_items(prior, new) for name, prior in self.simple.items()}
        prior = self.learner.with_items(self.prior, new)
        return replace(self, schema=schema, prior=prior, items=catalogue, simple=simple)

    def likes(self) -> Tensor:
        """(N,) float32: by how many people each item was liked in training; zeros where the model does not know."""
        known = self.simple.get(Popular.name)
        return torch.zeros(len(self.schema.item_ids)) if known is None else known.tensors["counts"]

    def unknown(self, item_ids: pl.Series) -> pl.Series:
        """Which of ``item_ids`` the model does not know, each once."""
        return item_ids.filter(~item_ids.is_in(self.schema.item_ids.implode())).unique(maintain_order=True)

    def save(self, folder: Path | str) -> None:
        """Write the model folder. Raises ModelError, SettingsError as ``modelfile.save`` does."""
        document, tables = self.schema.state()
        own = {"learner": self.prior.learner, "settings": self.prior.settings, "facts": dict(self.prior.facts)}
        simple = {
            f"simple/{name}/{key}": value for name, prior in self.simple.items() for key, value in prior.tensors.items()
        }
        catalogue = {} if self.items is None else {"catalogue": self.items}
        modelfile.save(folder, {**self.prior.tensors, **simple}, {**document, **own}, {**tables, **catalogue})

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model folder. Raises ModelError for one that is damaged or that this version cannot use."""
        tensors, document, tables = modelfile.load(folder)
        if document.get("task") == "scenario":
            raise ModelError(f"The model in {folder} answers yes or no: use `firstlight predict` with it.")
        schema = Schema.of(document, tables)
        name, settings = _said(folder, document, "learner", str), _said(folder, document, "settings", dict)
        own, simple = _parted(tensors)
        prior = Prior(name, settings, own, _said(folder, document, "facts", dict))
        try:
            return cls(schema, make(name, settings), prior, tables.get("catalogue"), simple)
        except SettingsError as error:
            raise ModelError(f"The model in {folder} needs another version of firstlight: {error}") from error

    def _lists(
        self,
        names: pl.Series,
        events: pl.DataFrame,
        users: pl.DataFrame | None,
        n: int,
        eligible: Tensor | None,
        seed: int,
    ) -> pl.DataFrame:
        support, _ = self.schema.support(events, users, names, seed)
        scores = self.learner.adapt(self.prior, support).scores()
        allowed = scores.clone()
        allowed[self._seen(events, names)] = -torch.inf
        lists = top(allowed, n, eligible=eligible, seed=seed, keys=keys_of(names))
        rows, places = (lists >= 0).nonzero(as_tuple=True)
        items = lists[rows, places]
        ranked = {
            "user_id": names.gather(rows.numpy()),
            "item_id": self.schema.item_ids.gather(items.numpy()),
            "rank": places.numpy() + 1,
            "score": scores[rows, items].numpy(),
        }
        return pl.DataFrame(ranked, schema_overrides={"user_id": pl.String, "item_id": pl.String})

    def _seen(self, events: pl.DataFrame, names: pl.Series) -> tuple[Tensor, Tensor]:
        """(row of the person, position of the item) of every event of a known item."""
        place = pl.DataFrame({"item_id": self.schema.item_ids}).with_row_index("place")
        row = pl.DataFrame({"user_id": names}).with_row_index("row")
        seen = events.select("user_id", "item_id").join(place, on="item_id").join(row, on="user_id")
        rows, places = (torch.from_numpy(seen[name].to_numpy().astype(np.int64)) for name in ("row", "place"))
        return rows, places

    def _eligible(self, candidates: pl.Series) -> Tensor:
        chosen = self.schema.item_ids.is_in(candidates.cast(pl.String).implode())
        return torch.from_numpy(chosen.to_numpy().copy())


def people(events: pl.DataFrame, users: pl.DataFrame | None) -> pl.Series:
    """Everybody in ``users``, then everybody else in ``events``, each once, in the order of the tables."""
    named = [frame["user_id"] for frame in (users, events) if frame is not None]
    return pl.concat(named).unique(maintain_order=True)


def _parts(names: pl.Series, events: pl.DataFrame, size: int) -> Iterator[tuple[pl.Series, pl.DataFrame]]:
    """``names`` cut into parts of ``size``, each with its people's events; one empty part where there is nobody."""
    part = pl.DataFrame({"user_id": names, "part": np.arange(len(names)) // size}, schema_overrides={"part": pl.Int64})
    theirs = events.join(part, on="user_id", maintain_order="left").partition_by(
        "part", as_dict=True, include_key=False
    )
    for number in range(max(1, -(-len(names) // size))):
        yield names.slice(number * size, size), theirs.get((number,), events.clear())


def _facts(items: pl.DataFrame | None) -> pl.DataFrame | None:
    return None if items is None else items.select(pl.col([name for name in FACTS if name in items.columns]))


def _simple(corpus: Corpus, seed: int) -> dict[str, Prior]:
    return {name: learner.fit(corpus, seed=seed) for name, learner in SIMPLE.items()}


def _parted(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Prior]]:
    """The tensors of a model folder: the learner's own, and the priors of ``SIMPLE``."""
    simple = {name: _named(tensors, f"simple/{name}/") for name in SIMPLE}
    own = {key: value for key, value in tensors.items() if not key.startswith("simple/")}
    return own, {name: SIMPLE[name].prior(part) for name, part in simple.items() if part}


def _named(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}


def _said(folder: Path | str, document: Mapping[str, Any], key: str, kind: type) -> Any:
    if not isinstance(document.get(key), kind):
        raise ModelError(f"The manifest of {folder} does not say the {key} of the model: train again.")
    return document[key]
