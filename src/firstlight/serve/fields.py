"""The columns of a catalogue in the form in which filters, re-ranking and answers ask for them: an array an attribute.

A comparison looks at all N codes or numbers at once, some 10 µs for 50,000 items; that is less than the upkeep of a
list of items for each value.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
EPOCH = datetime(1970, 1, 1)
COMPARISONS = {"lt": np.less, "lte": np.less_equal, "gt": np.greater, "gte": np.greater_equal}


class Field(ABC):
    """What is known of ``N`` items in one respect. A value of None means: not known."""

    @abstractmethod
    def equal(self, value: Any) -> Mask:
        """(N,): which items have the value. Raises ValueError, with what is wanted, for one of another kind."""

    @abstractmethod
    def at(self, place: int) -> Any:
        """The value of one item, as ``equal`` and ``compared`` take it."""

    def compared(self, how: str, value: Any) -> Mask:
        """(N,): which items are, by `COMPARISONS`, before or after the value; those not known are neither."""
        raise ValueError("has no order: use eq or in")


@dataclass(frozen=True, eq=False)
class Labels(Field):
    """One word for each item. codes: (N,) int32, a position in ``names``, -1 where not known."""

    codes: NDArray[np.int32]
    names: list[str]

    @classmethod
    def of(cls, column: pl.Series) -> Self:
        """From strings or truth values."""
        words = column.cast(pl.String)
        names = words.drop_nulls().unique(maintain_order=True)
        codes = words.cast(pl.Enum(names)).to_physical().cast(pl.Int32).fill_null(-1)
        return cls(codes.to_numpy(), names.to_list())

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Name -> code."""
        return {name: code for code, name in enumerate(self.names)}

    def equal(self, value: Any) -> Mask:
        return np.asarray(self.codes == (-1 if value is None else self.numbers.get(_word(value), -2)))

    @cached_property
    def words(self) -> list[str | None]:
        """(N,): the word of each item, for look-ups of one by one."""
        names = [*self.names, None]
        return [names[code] for code in self.codes.tolist()]

    def at(self, place: int) -> str | None:
        return self.words[place]


@dataclass(frozen=True, eq=False)
class Lists(Field):
    """Several words for each item. owners: (E,) int64, ascending, whose each of codes (E,) is."""

    n: int
    owners: NDArray[np.int64]
    codes: NDArray[np.int32]
    names: list[str]

    @classmethod
    def of(cls, column: pl.Series) -> Self:
        """From lists of strings; a word counts once an item."""
        rows = pl.DataFrame({"row": np.arange(len(column)), "word": column.cast(pl.List(pl.String))})
        rows = rows.explode("word").drop_nulls().unique(maintain_order=True)
        words = Labels.of(rows["word"])
        return cls(len(column), rows["row"].to_numpy(), words.codes, words.names)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Name -> code."""
        return {name: code for code, name in enumerate(self.names)}

    @cached_property
    def pointers(self) -> NDArray[np.int64]:
        """(N + 1,): where the words of each item begin."""
        return np.searchsorted(self.owners, np.arange(self.n + 1))

    def equal(self, value: Any) -> Mask:
        """Which items have the word among theirs."""
        if value is None:
            return np.asarray(np.diff(self.pointers) == 0)
        found = np.zeros(self.n, np.bool_)
        words = value if isinstance(value, list) else [value]
        codes = [self.numbers.get(_word(word), -2) for word in words]
        found[self.owners[np.isin(self.codes, codes)]] = True
        return found

    def at(self, place: int) -> list[str] | None:
        """Of a list as a value each word counts: ``equal`` finds items that share any."""
        words = [self.names[code] for code in self.codes[self.pointers[place] : self.pointers[place + 1]].tolist()]
        return words or None


@dataclass(frozen=True, eq=False)
class Numbers(Field):
    """A number for each item. values: (N,) float64, NaN where not known."""

    values: NDArray[np.float64]

    @classmethod
    def of(cls, column: pl.Series) -> Self:
        """From numbers."""
        return cls(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())

    def equal(self, value: Any) -> Mask:
        return np.asarray(np.isnan(self.values) if value is None else self.values == self.read(value))

    def compared(self, how: str, value: Any) -> Mask:
        found: Mask = COMPARISONS[how](self.values, np.nan if value is None else self.read(value))
        return found

    def at(self, place: int) -> float | None:
        value = float(self.values[place])
        return None if np.isnan(value) else value

    def read(self, value: Any) -> float:
        """A value of a filter as a number. Raises ValueError."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError("needs a number")
        return float(value)


@dataclass(frozen=True, eq=False)
class Times(Numbers):
    """A time for each item. values: (N,) float64, seconds since 1970, UTC."""

    @classmethod
    def of(cls, column: pl.Series) -> Self:
        """From times or dates, UTC."""
        return cls((column.cast(pl.Datetime("us")).dt.timestamp("us") / 1e6).fill_null(float("nan")).to_numpy())

    def read(self, value: Any) -> float:
        """From ISO 8601, UTC where it names no zone; or seconds since 1970. Raises ValueError."""
        return float(value) if type(value) in (int, float) else (moment(value) - EPOCH).total_seconds()


def fields_of(facts: pl.DataFrame) -> dict[str, Field]:
    """The columns that filters can ask for, by name; item_id and long texts are none of them."""
    found: dict[str, Field] = {}
    for column in facts:
        if column.name in ("item_id", "title", "text"):
            continue
        kind = column.dtype
        if kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
            found[column.name] = Labels.of(column)
        elif kind.is_numeric():
            found[column.name] = Numbers.of(column)
        elif kind in (pl.Datetime, pl.Date):
            found[column.name] = Times.of(column)
        elif isinstance(kind, pl.List):
            found[column.name] = Lists.of(column)
    return found


def moment(value: Any) -> datetime:
    """A datetime, a date or an ISO 8601 text as UTC without a zone; so it is read where it names none.

    Raises ValueError.
    """
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError) as error:
        raise ValueError("needs a time in ISO 8601") from error


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ValueError("needs a text")
    return str(value)
