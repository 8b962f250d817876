"""A corpus and the tables it was made of: when, where and in what category each of its examples is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import torch
from torch import Tensor

from firstlight.corpus import Schema
from firstlight.dataset import Dataset
from firstlight.errors import DataError
from firstlight.tasks import Corpus

NAMED = 12
"""How many of the names there are an error lists."""


@dataclass(frozen=True, eq=False)
class Categories:
    """column: "domain" or "category". names: in their order. of: (N,) int64, which an item is in, -1 not known."""

    column: str
    names: Sequence[str]
    of: Tensor

    def find(self, name: str) -> int:
        """The number of that name. Raises DataError, which lists the names there are."""
        if name not in self.names:
            raise DataError(f"No item is in the {self.column} {name!r}: take one of {listed(self.names)}.")
        return self.names.index(name)


@dataclass(frozen=True, eq=False)
class Source:
    """What protocols are drawn from. corpus: ``schema.corpus(dataset, seed)``; seed: draws people, items, order."""

    dataset: Dataset
    schema: Schema
    corpus: Corpus
    seed: int = 0

    @classmethod
    def of(cls, dataset: Dataset, schema: Schema, seed: int = 0) -> "Source":
        """With the corpus that the schema makes of the data set."""
        return cls(dataset, schema, schema.corpus(dataset, seed), seed)

    @property
    def liked(self) -> Tensor:
        """(E,) bool."""
        return self.corpus.tasks.grades > 0

    @cached_property
    def categories(self) -> Categories | None:
        """The domains of the items where there are several, else their categories; None where there are neither."""
        return categories(self.dataset, self.schema.item_ids)

    def need_categories(self, protocol: str) -> Categories:
        """The same. Raises DataError where there are none."""
        if self.categories is None:
            raise DataError(
                f"{protocol} needs items of several domains or categories, and the data say of none: add a column "
                "'domain' or 'category' to the items."
            )
        return self.categories

    @cached_property
    def times(self) -> Tensor | None:
        """(E,) int64, microseconds since 1970 of each example; None where not all are known."""
        found = self._examples()["time"]
        return None if found.null_count() else torch.tensor(found.cast(pl.Int64).to_numpy())

    def need_times(self, protocol: str) -> Tensor:
        """The same. Raises DataError where they are not known."""
        if self.times is None:
            missing = self._examples()["time"].null_count()
            raise DataError(
                f"{protocol} needs the time of every event, and {missing:,} of {len(self.liked):,} have none: add a "
                "column 'time' to the events, or leave out those without."
            )
        return self.times

    def column(self, name: str) -> pl.Series:
        """(E,) what the events say in a column of theirs."""
        return self._examples(name)[name]

    def sequence(self, mask: Tensor) -> Tensor:
        """(n,) int64: the examples of ``mask`` (E,; bool), the first first; in seeded random order without times."""
        places = mask.nonzero()[:, 0]
        shuffled = torch.randperm(len(mask), generator=torch.Generator().manual_seed(self.seed))[places]
        if self.times is None:
            return places[shuffled.argsort()]
        return places[torch.from_numpy(np.lexsort((shuffled.numpy(), self.times[places].numpy())))]

    def _examples(self, *columns: str) -> pl.DataFrame:
        """user_id, item_id, time and ``columns`` of each example: of its first like, if there is one, else of its last
        grade."""
        tasks = self.corpus.tasks
        user, item = tasks.names.gather(tasks.owner.numpy()), self.schema.item_ids.gather(tasks.items.numpy())
        pairs = pl.DataFrame({"user_id": user, "item_id": item})
        graded = self.dataset.events.select("user_id", "item_id", "time", *columns, self.schema.feedback.grade())
        said = graded.lazy().filter(pl.col("grade") != 0).sort("time", nulls_last=True, maintain_order=True)
        keys = ["user_id", "item_id"]
        liked = said.filter(pl.col("grade") > 0).unique(keys, keep="first", maintain_order=True)
        others = said.filter(pl.col("grade") < 0).unique(keys, keep="last", maintain_order=True)
        one = pl.concat([liked, others]).unique(keys, keep="first", maintain_order=True)
        return pairs.lazy().join(one, on=keys, how="left", maintain_order="left").collect()


def categories(dataset: Dataset, item_ids: pl.Series) -> Categories | None:
    """The domain of each item where there are several, else its category; None where there are not several of either.

    What the catalogue says holds, else what most events of the item say.
    """
    for column in ("domain", "category"):
        said = [_said(frame, column) for frame in (dataset.items, dataset.events) if frame is not None]
        first = pl.concat(said).unique("item_id", keep="first", maintain_order=True)
        found = pl.DataFrame({"item_id": item_ids}).join(first, on="item_id", how="left", maintain_order="left")
        names = found[column].drop_nulls().unique().sort()
        if len(names) > 1:
            number = found[column].rank("dense").cast(pl.Int64).fill_null(0) - 1
            return Categories(column, names.to_list(), torch.tensor(number.to_numpy()))
    return None


def _said(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """item_id and what most of its rows say in ``column``, of equals the first by name."""
    if column not in frame.columns:
        return pl.DataFrame(schema={"item_id": pl.String, column: pl.String})
    rows = frame.lazy().select("item_id", pl.col(column).cast(pl.String)).drop_nulls()
    ordered = rows.group_by("item_id", column).len().sort("item_id", "len", column, descending=[False, True, False])
    return ordered.unique("item_id", keep="first", maintain_order=True).select("item_id", column).collect()


def listed(names: Sequence[str]) -> str:
    """The names, the first twelve of them."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
