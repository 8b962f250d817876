"""Events: who did what when. Cleans the rows of an events file and says of every other row why it is not used."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from firstlight.columns import EVENT_COLUMNS, EVENT_TYPES, RATING_NAMES, ColumnNames
from firstlight.errors import DataError
from firstlight.reading import RawTable
from firstlight.tables import (
    REASON,
    Table,
    filled,
    id_text,
    label,
    left_out,
    need_column,
    number,
    settle,
    text,
    unreadable_cells,
)
from firstlight.textlines import FAULT, ROW
from firstlight.times import TimeFormat, time_format

EVENT_SCHEMA: Mapping[str, pl.DataType] = {
    "user_id": pl.String(),
    "item_id": pl.String(),
    "type": pl.String(),
    "value": pl.Float32(),
    "time": pl.Datetime("us"),
}
"""The columns that clean events always have, in this order; ``value`` and ``time`` (UTC) may be null."""

_LABELS = ("domain", "category", "device", "session_id", "request_id", "split")
_NUMBERS: Mapping[str, type[pl.DataType]] = {"position": pl.Int32, "propensity": pl.Float64, "quantity": pl.Float64}


def clean_events(raw: RawTable, names: ColumnNames, now: datetime) -> Table:
    """Clean events (``EVENT_SCHEMA``, then the file's other columns), in the order of the file.

    now: UTC without a zone; events from more than a day later are rejected.
    Raises DataError when there is no user or item column, or a column is of a type that cannot be what it should be.
    """
    found = names.recognise(raw.schema, EVENT_COLUMNS)
    if raw.schema:
        need_column(raw, found, "user_id")
        need_column(raw, found, "item_id")
    form = times_of(raw, found)
    columns = {**_core(raw, found, form, names), **_others(raw, found)}
    clean = raw.rows.select(ROW, FAULT, *[e.alias(c) for c, e in columns.items()], *_filled(raw, found))
    frame = raw.collect(clean.with_columns(_reason(now).alias(REASON)).drop(FAULT, "#time", "#value"))
    table = settle(raw, _mark_repeats(_mark_unrated(frame)), found, form.name if form else None)
    return replace(table, report=replace(table.report, notes=tuple(_notes(raw, found, table.frame))))


def times_of(raw: RawTable, found: Mapping[str, str]) -> TimeFormat | None:
    """How the file writes times, None without a time column; DataError for a column that holds none."""
    if "time" not in found:
        return None
    form = time_format(raw.sample(text(raw, found["time"])))
    if form is None:
        column = found["time"]
        raise DataError(
            f"{raw.name}: column {column!r} holds {raw.schema[column]}, which cannot be times; write ISO 8601."
        )
    return form


def time_cells(raw: RawTable, column: str, form: TimeFormat) -> pl.Expr:
    """The expression for a column of times: UTC without a zone, null where a cell is empty or unreadable."""
    dtype = raw.schema[column]
    return form.parse(pl.col(column).str.strip_chars() if dtype == pl.String else pl.col(column), dtype)


def _core(raw: RawTable, found: Mapping[str, str], form: TimeFormat | None, names: ColumnNames) -> dict[str, pl.Expr]:
    core = {column: pl.lit(None, dtype) for column, dtype in EVENT_SCHEMA.items()}
    core |= {column: id_text(raw, found[column]) for column in ("user_id", "item_id") if column in found}
    if "value" in found:
        core["value"] = number(raw, found["value"], pl.Float32)
    if form is not None:
        core["time"] = time_cells(raw, found["time"], form)
    core["type"] = _types(raw, found["type"], names) if "type" in found else pl.lit(_type_of_all(raw, found))
    return core


def _types(raw: RawTable, column: str, names: ColumnNames) -> pl.Expr:
    """Our names of the event types; those that are not known stay as they are."""
    ours = names.event_types()
    return id_text(raw, column).map_batches(
        lambda cells: cells.str.to_lowercase().replace_strict(ours, default=cells, return_dtype=pl.String),
        return_dtype=pl.String,
        is_elementwise=True,
    )


def _type_of_all(raw: RawTable, found: Mapping[str, str]) -> str:
    """The type of events without a type column: ``rate`` if the values are ratings by name or by look, else purchase.

    By look: at least three different values, all of them halves or wholes from 0 to 10.
    """
    if "value" not in found:
        return "purchase"
    if found["value"].strip().lower() in RATING_NAMES:
        return "rate"
    sample = raw.sample(number(raw, found["value"], pl.Float64))
    halves = bool(((sample * 2 % 1 == 0) & sample.is_between(0, 10)).all())
    return "rate" if halves and sample.n_unique() >= 3 else "purchase"


def _others(raw: RawTable, found: Mapping[str, str]) -> dict[str, pl.Expr]:
    """The columns beside the core: known ones with their type, then all others as they are."""
    others = {ours: label(raw, found[ours]) for ours in _LABELS if ours in found}
    others |= {ours: number(raw, found[ours], dtype) for ours, dtype in _NUMBERS.items() if ours in found}
    renamed = {ours: text(raw, theirs) for ours, theirs in found.items() if ours not in {*EVENT_SCHEMA, *others}}
    taken = {*found.values(), *EVENT_SCHEMA, *others, *renamed}
    return {**others, **renamed, **{column: text(raw, column) for column in raw.schema if column not in taken}}


def _filled(raw: RawTable, found: Mapping[str, str]) -> list[pl.Expr]:
    """Whether the cells hold anything, so that what cannot be read is told from what is not there."""
    never = pl.lit(False)
    return [
        (filled(raw, found[column]) if column in found else never).alias(f"#{column}") for column in ("time", "value")
    ]


def _reason(now: datetime) -> pl.Expr:
    """Why a row cannot be used, the first reason that holds; null for a good row."""
    time, value = pl.col("time"), pl.col("value")
    reasons = {
        "missing user_id": pl.col("user_id").is_null(),
        "missing item_id": pl.col("item_id").is_null(),
        "missing type": pl.col("type").is_null(),
        "unreadable time": pl.col("#time") & time.is_null(),
        "time before 1970": time < datetime(1970, 1, 1),
        "time in the future": time > now + timedelta(days=1),
        "unreadable value": pl.col("#value") & value.is_null(),
        "value is NaN or infinite": ~value.is_finite(),
    }
    return pl.coalesce(FAULT, *[pl.when(holds).then(pl.lit(reason)) for reason, holds in reasons.items()])


def _mark_unrated(frame: pl.DataFrame) -> pl.DataFrame:
    """Ratings without a value are not used where other ratings have one."""
    rating, empty = pl.col(REASON).is_null() & (pl.col("type") == "rate"), pl.col("value").is_null()
    some = frame.lazy().select(rated=(rating & ~empty).any(), unrated=(rating & empty).any()).collect()
    return _mark(frame, rating & empty, "rating without a value") if all(some.row(0)) else frame


def _mark(frame: pl.DataFrame, rows: pl.Expr, reason: str) -> pl.DataFrame:
    return frame.with_columns(pl.when(rows).then(pl.lit(reason)).otherwise(REASON).alias(REASON))


def _mark_repeats(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows of which every cell is as in an earlier row: the same thing logged twice, if it has a time or is a rating.

    Without a time, an equal row may be a second purchase of the same item, and stays.
    """
    telling = pl.col(REASON).is_null() & (pl.col("time").is_not_null() | (pl.col("type") == "rate"))
    cells = pl.struct(pl.exclude(ROW, REASON))
    # The hash finds the few rows that can be equal at all; only those are compared cell by cell.
    mark = frame.lazy().select(pl.when(telling).then(cells.hash())).collect(engine="streaming").to_series()
    suspects = frame.filter(mark.is_duplicated() & mark.is_not_null())
    repeats = suspects.filter(~cells.is_first_distinct())[ROW]
    return _mark(frame, pl.col(ROW).is_in(repeats.implode()), "repeated row") if len(repeats) else frame


def _notes(raw: RawTable, found: Mapping[str, str], frame: pl.DataFrame) -> list[str]:
    """What a reader should know about the accepted events."""
    notes = left_out(raw, found, frame)
    if "type" not in found and frame.height:
        notes.append(f"no type column: every event counts as a {frame['type'][0]}")
    counts = frame["type"].value_counts(sort=True)
    unknown = counts.filter(~pl.col("type").is_in(list(set(EVENT_TYPES.values())))).head(10)
    notes += [f"unknown event type {name!r} ({n:,} events) is kept as it is" for name, n in unknown.iter_rows()]
    notes += _time_notes(frame["time"], "time" in found)
    notes += _rating_notes(frame.lazy().filter(pl.col("type") == "rate").select("value").collect().to_series())
    numbers = {found[ours]: number(raw, found[ours], dtype) for ours, dtype in _NUMBERS.items() if ours in found}
    return notes + unreadable_cells(raw, numbers)


def _time_notes(times: pl.Series, given: bool) -> list[str]:
    if not given:
        return ["no time column: the order of events is not known"] if len(times) else []
    without, last = times.null_count(), times.max()
    notes = [f"{without:,} of {len(times):,} events have no time"] if without else []
    if isinstance(last, datetime) and last.year == 1970:
        notes.append("all times are in 1970, so they seem to be a counter: their order is used, their distance is not")
    return notes


def _rating_notes(values: pl.Series) -> list[str]:
    if values.is_empty():
        return []
    if values.null_count() == len(values):
        return ["no rating has a value: each counts as a like"]
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    if 4 <= high <= 5:
        return []
    return [f"ratings run from {low:g} to {high:g}: set like_from, the lowest rating that is a like (4 as it stands)"]
