"""A table of rows with a yes/no outcome: which column is the label, the scenario, a feature, and of which kind."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from firstlight.errors import DataError
from firstlight.reading import open_table
from firstlight.textlines import FAULT, LINE, ROW
from firstlight.times import TimeFormat

Kind = Literal["number", "time", "category"]

ISO = TimeFormat("ISO 8601")
YES, NO = ("1", "1.0", "true"), ("0", "0.0", "false")


def read_table(path: Path) -> pl.DataFrame:
    """The rows of a CSV, JSON lines or Parquet file, cells as they stand.

    Raises DataError for a file that cannot be read, a line that cannot be taken apart, and a table without rows.
    """
    raw = open_table(path)
    frame = raw.collect(raw.rows)
    broken = frame.filter(pl.col(FAULT).is_not_null())
    if broken.height:
        row, fault = broken.select(ROW, FAULT).row(0)
        raise DataError(f"{raw.name}: row {row:,} cannot be read ({fault}); correct it or leave it out.")
    if frame.is_empty():
        raise DataError(f"{raw.name} has no rows; give a table with one row an example.")
    return frame.drop(ROW, FAULT, LINE)


def labels(frame: pl.DataFrame, column: str) -> pl.Series:
    """The label of each row as Float64, 0 or 1.

    Raises DataError without such a column and for a cell that is not 0, 1, true or false.
    """
    need(frame, [column])
    if frame.schema[column].is_nested():
        raise DataError(f"The label {column} holds {frame.schema[column]}; write 0, 1, true or false.")
    cells = frame[column].cast(pl.String, strict=False).str.strip_chars().str.to_lowercase()
    said = cells.replace_strict(dict.fromkeys(YES, 1.0) | dict.fromkeys(NO, 0.0), default=None, return_dtype=pl.Float64)
    if lost := said.null_count():
        row = int(said.is_null().arg_true()[0])
        raise DataError(
            f"The label {column} is {frame[column][row]!r:.40} in row {row + 1:,} ({lost:,} such rows); "
            "write 0, 1, true or false, or leave those rows out."
        )
    return said


def scenarios(frame: pl.DataFrame, column: str) -> pl.Series:
    """The name of each row's scenario. Raises DataError without such a column and for a row without a name."""
    need(frame, [column])
    if frame.schema[column].is_nested():
        raise DataError(f"The scenario column {column} holds {frame.schema[column]}; write the names as text.")
    names = frame[column].cast(pl.String).str.strip_chars().replace("", None)
    if lost := names.null_count():
        row = int(names.is_null().arg_true()[0])
        raise DataError(f"The scenario {column} is empty in row {row + 1:,} ({lost:,} such rows); fill it in.")
    return names


def choose(frame: pl.DataFrame, label: str, scenario: str, named: Sequence[str] | None = None) -> Mapping[str, Kind]:
    """Feature → kind: those ``named``, or all columns that are not the label, the scenario, an id (``*_id``) or nested.

    Raises DataError for a named column that is not there or cannot be a feature, and where no feature is left.
    """
    if named:
        need(frame, named)
        if taken := {label, scenario} & set(named):
            raise DataError(f"{taken.pop()} is the label or the scenario and cannot be a feature; leave it out.")
        if nested := [name for name in named if _nested(frame.schema[name])]:
            raise DataError(f"The feature {nested[0]} holds {frame.schema[nested[0]]}; give numbers, times or labels.")
    fit = [
        name
        for name, dtype in frame.schema.items()
        if name not in (label, scenario) and not name.endswith("_id") and not _nested(dtype)
    ]
    found = {name: kind(frame[name]) for name in named or fit}
    if not found:
        raise DataError(f"The table has no features beside {label} and {scenario}; add columns that tell rows apart.")
    return found


def kind(column: pl.Series) -> Kind:
    """What a column holds. Text is of the kind that all its filled cells can be read as."""
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return "number"
    if column.dtype in (pl.Date, pl.Datetime):
        return "time"
    filled = column.drop_nulls().cast(pl.String).str.strip_chars()
    filled = filled.filter(filled != "")
    if len(filled) and not numbers(filled, "number").null_count():
        return "number"
    return "time" if len(filled) and not numbers(filled, "time").null_count() else "category"


def numbers(column: pl.Series, kind: Kind) -> pl.Series:
    """The cells as finite Float64, times in days since 1970; null where a cell is empty, unreadable or not finite."""
    if kind == "time":
        times = column.to_frame().select(ISO.parse(pl.col(column.name), column.dtype)).to_series()
        return times.cast(pl.Datetime("us"), strict=False).dt.epoch("s").cast(pl.Float64) / 86_400
    trimmed = column.str.strip_chars() if column.dtype == pl.String else column
    read = trimmed.cast(pl.Float64, strict=False)
    return read.set(~read.is_finite(), None)


def need(frame: pl.DataFrame, columns: Sequence[str]) -> None:
    """Raise DataError for the first of ``columns`` that the table does not have."""
    for name in columns:
        if name not in frame.columns:
            raise DataError(
                f"The table has no column {name!r} (its columns: {', '.join(frame.columns)}); name another."
            )


def _nested(dtype: pl.DataType) -> bool:
    return dtype.is_nested() or dtype in (pl.Binary, pl.Object, pl.Time, pl.Duration)
