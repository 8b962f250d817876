"""Columns of a table as a row of numbers that a logistic model can use, learned from the training scenarios alone."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from firstlight.scenarios.table import Kind, need, numbers

MOST_LABELS = 50
LEAST_ROWS = 5
CURVE = 0.5
"""Deviation of a term of a curve; that of the number itself is 1. A ridge so prefers straight lines."""


class Code(BaseModel):
    """How one column is read.

    origin, unit: a number x becomes asinh((x - origin) / unit), or (x - origin) / unit where ``straight``.
    low, high: what is beyond is read as this; a curve ends where the training rows end, a line goes on as far again.
    center, spread: of each term, the number and then its curve: max(0, number - knot). missing: share of empty cells.
    levels: of a category, its labels; center is then the share of rows of each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    straight: bool = False
    origin: float = 0.0
    unit: float = 1.0
    low: float = 0.0
    high: float = 0.0
    knots: tuple[float, ...] = ()
    center: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    missing: float = 0.0
    levels: tuple[str, ...] = ()


class Encoder(BaseModel):
    """The code of every feature. ``encode`` gives ``F`` terms a row, the first of them 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codes: tuple[Code, ...]

    def encode(self, frame: pl.DataFrame) -> Tensor:
        """(R, F) float64, always finite. An empty or unreadable number is an average one, a new label is none.

        Raises DataError where a column is missing.
        """
        need(frame, [code.name for code in self.codes])
        blocks = [np.ones((frame.height, 1)), *(_terms(frame[code.name], code) for code in self.codes)]
        return torch.from_numpy(np.concatenate(blocks, 1))


def fit_encoder(frame: pl.DataFrame, kinds: Mapping[str, Kind], knots: int = 8) -> Encoder:
    """Learn how to read the columns. knots: of the curve of a number; 0: straight lines and no logarithm."""
    return Encoder(codes=tuple(_learn(frame[name], kind, knots) for name, kind in kinds.items()))


def _learn(column: pl.Series, kind: Kind, knots: int) -> Code:
    if kind == "category":
        return _learn_labels(column)
    cells = numbers(column, kind)
    known = cells.drop_nulls().to_numpy()
    missing = cells.null_count() / max(len(cells), 1)
    if not len(known) or known.min() == known.max():
        return Code(name=column.name, kind=kind, missing=missing)
    origin = float(known.min()) if kind == "time" else 0.0
    size = np.abs(known - origin)
    unit = float(np.median(size[size > 0])) if size.any() else 1.0
    values = _bent(known, origin, unit, knots == 0)
    places = np.unique(np.quantile(values, np.arange(1, knots + 1) / (knots + 1))) if knots else np.empty(0)
    places = places[(places > values.min()) & (places < values.max())]
    room = (values.max() - values.min()) * (knots == 0)
    terms = _curve(values, places)
    spread = np.maximum(terms.std(0), 1e-9) / np.array([1.0] + [CURVE] * len(places))
    return Code(
        name=column.name,
        kind=kind,
        straight=knots == 0,
        origin=origin,
        unit=unit,
        low=float(values.min() - room),
        high=float(values.max() + room),
        knots=tuple(places.tolist()),
        center=tuple(terms.mean(0).tolist()),
        spread=tuple(spread.tolist()),
        missing=missing,
    )


def _learn_labels(column: pl.Series) -> Code:
    cells = _labels(column)
    counts = cells.drop_nulls().value_counts(name="rows", sort=False).filter(pl.col("rows") >= LEAST_ROWS)
    kept = counts.sort("rows", column.name, descending=[True, False]).head(MOST_LABELS)
    share = (kept["rows"] / max(len(cells), 1)).to_list()
    return Code(name=column.name, kind="category", levels=tuple(kept[column.name].to_list()), center=tuple(share))


def _terms(column: pl.Series, code: Code) -> np.ndarray:
    """(R, terms of the column)."""
    center = np.asarray(code.center)
    if code.kind == "category":
        held = _labels(column).to_numpy()[:, None] == np.asarray(code.levels, dtype=object)
        return np.asarray(held - center, dtype=np.float64)
    cells = numbers(column, code.kind)
    empty = cells.is_null().to_numpy()
    flag = (empty - code.missing)[:, None] if 0 < code.missing < 1 else np.empty((len(cells), 0))
    if not code.center:
        return flag
    values = _bent(cells.fill_null(code.origin).to_numpy(), code.origin, code.unit, code.straight)
    values = values.clip(code.low, code.high)
    terms = (_curve(values, np.asarray(code.knots)) - center) / np.asarray(code.spread)
    return np.concatenate([np.where(empty[:, None], 0.0, terms), flag], 1)


def _bent(values: np.ndarray, origin: float, unit: float, straight: bool) -> np.ndarray:
    with np.errstate(over="ignore"):
        scaled = (values - origin) / unit
    return scaled if straight else np.arcsinh(scaled)


def _curve(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """(R, 1 + knots): the values, and how far they are above each knot."""
    return np.concatenate([values[:, None], np.maximum(values[:, None] - knots, 0.0)], 1)


def _labels(column: pl.Series) -> pl.Series:
    return column.cast(pl.String).str.strip_chars().str.to_lowercase().replace("", None)
