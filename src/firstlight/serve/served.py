"""A model as it is served: its catalogue in arrays, so that an answer looks things up and computes no table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from firstlight.recommender import Recommender
from firstlight.serve.fields import Field, Labels, fields_of, moment
from firstlight.serve.history import Reader

SCHEMA: Mapping[str, pl.DataType] = {
    "item_id": pl.String(),
    "title": pl.String(),
    "domain": pl.String(),
    "category": pl.String(),
    "text": pl.String(),
    "tags": pl.List(pl.String),
    "brand": pl.String(),
    "price": pl.Float64(),
    "time": pl.Datetime("us"),
}
"""What a row of items may say; anything else is among its ``attributes``."""


@dataclass(frozen=True, eq=False)
class Served:
    """A model, ready to answer.

    facts: a row for each of the ``N`` items, in the model's order. place: item_id -> position. ids: the other way
    round. titles, prices: (N,), None where not known. category, domain: of each item. liked: (N,) float32, by how many
    people each was liked in training. reader: reads histories.
    """

    version: str
    recommender: Recommender
    facts: pl.DataFrame
    place: Mapping[str, int]
    ids: Sequence[str]
    titles: Sequence[str | None]
    prices: Sequence[float | None]
    category: Labels
    domain: Labels
    liked: NDArray[np.float32]
    reader: Reader

    @classmethod
    def of(cls, recommender: Recommender, version: str) -> Self:
        """The model as it was trained."""
        return cls._with(recommender, version, recommender.items)

    @classmethod
    def _with(cls, recommender: Recommender, version: str, known: pl.DataFrame | None) -> Self:
        """known: what is known of items, one row each, in any order."""
        facts = pl.DataFrame({"item_id": recommender.schema.item_ids})
        if known is not None:
            facts = facts.join(known, on="item_id", how="left", maintain_order="left")
        ids = facts["item_id"].to_list()
        place = {name: number for number, name in enumerate(ids)}
        columns = {name: _column(facts, name) for name in ("title", "price", "category", "domain")}
        return cls(
            version,
            recommender,
            facts,
            place,
            ids,
            columns["title"].to_list(),
            columns["price"].to_list(),
            Labels.of(columns["category"]),
            Labels.of(columns["domain"]),
            np.nan_to_num(recommender.likes().numpy()),
            Reader.of(recommender.schema, place),
        )

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """What filters can ask for, by name; made when it is first needed, so that new items need not wait for it."""
        return fields_of(self.facts)

    @cached_property
    def any_liked(self) -> bool:
        """Whether anybody has liked anything."""
        return bool(self.liked.any())

    def __len__(self) -> int:
        return len(self.ids)

    def with_items(self, rows: Sequence[Mapping[str, Any]]) -> Self:
        """The same with new items, which can be listed in the next answer, and with what has changed of others.

        rows: of ``SCHEMA``, and ``attributes``: name -> value; only item_id is needed. A row replaces all that was
        known of its item, the last of several counts. What the model makes of an item that it knows stays as it is.
        """
        if not rows:
            return self
        frame = table(rows)
        rest = self.facts.filter(~pl.col("item_id").is_in(frame["item_id"].implode()))
        known = pl.concat([rest, frame], how="diagonal_relaxed")
        return self._with(self.recommender.with_items(frame), self.version, known)


def table(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows of items → one row an item, the last of several, with the types of ``SCHEMA`` and a column an attribute.

    An attribute of numbers alone is Float64, of lists a list of strings, any other a string.
    """
    last = list({row["item_id"]: row for row in rows}.values())
    said = [name for name in SCHEMA if any(row.get(name) is not None for row in last)]
    columns = {name: [row.get(name) for row in last] for name in said}
    if "time" in columns:
        columns["time"] = [None if time is None else moment(time) for time in columns["time"]]
    frame = pl.DataFrame(columns, schema={name: SCHEMA[name] for name in said})
    attributes = [row.get("attributes") or {} for row in last]
    more = {name: None for each in attributes for name in each if name not in SCHEMA}
    return frame.with_columns(_attribute(name, [each.get(name) for each in attributes]) for name in more)


def _attribute(name: str, values: Sequence[Any]) -> pl.Series:
    there = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in there):
        return pl.Series(name, values, pl.Float64, strict=False)
    if any(isinstance(value, list) for value in there):
        lists = [value if isinstance(value, list) or value is None else [value] for value in values]
        texts = [None if each is None else [_text(word) for word in each] for each in lists]
        return pl.Series(name, texts, pl.List(pl.String))
    return pl.Series(name, [None if value is None else _text(value) for value in values], pl.String)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _column(facts: pl.DataFrame, name: str) -> pl.Series:
    """A column of the facts; nothing where they have none."""
    return facts[name] if name in facts.columns else pl.Series(name, [None] * facts.height, SCHEMA[name])
