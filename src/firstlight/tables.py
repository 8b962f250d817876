"""The rows of a file that are used, the rows that are not, and why: accepted + rejected = read, always."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from firstlight.errors import DataError
from firstlight.reading import RawTable
from firstlight.textlines import FAULT, LINE, ROW

REASON = "#reason"
REJECTED_SCHEMA = {"file": pl.String, "row": pl.UInt32, "reason": pl.String, "raw": pl.String}


@dataclass(frozen=True)
class Rejection:
    """Rows that are not used, all for one reason. example_row: the first of them, counted from 1 below the header."""

    reason: str
    count: int
    example_row: int

    @property
    def remedy(self) -> str:
        """What to do about it, in a few words."""
        return _REMEDIES.get(self.reason, "correct the row")


_REMEDIES = {
    "too few fields": "quote fields that contain the separator or a line end",
    "too many fields": "quote fields that contain the separator",
    "a quote that is never closed, or stands inside a field": 'double the quotes inside quoted fields: ""',
    "not a JSON object": "write one JSON object a line",
    "missing user_id": "leave such rows out, or log an id of the visit",
    "missing item_id": "leave such rows out, or log the item",
    "missing type": "fill in the type, or leave out the whole column",
    "unreadable time": "write times as ISO 8601, or as seconds since 1970",
    "time before 1970": "correct the time, or leave it empty if it is not known",
    "time in the future": "correct the time, or leave it empty if it is not known",
    "unreadable value": "write a number such as 4.5, or leave it empty",
    "value is NaN or infinite": "write a number such as 4.5, or leave it empty",
    "rating without a value": "fill in the rating",
    "repeated row": "nothing, if the row is in the log twice by mistake",
    "a later row has the same item_id": "keep one row an item",
    "a later row has the same user_id": "keep one row a user",
}


@dataclass(frozen=True)
class TableReport:
    """What became of one file.

    recognised: our name -> the file's. others: columns that are kept as they are.
    time_format: how the file writes times; None without a time column.
    notes: sentences for the reader that are not about rejected rows.
    """

    file: str
    read: int
    accepted: int
    rejected: tuple[Rejection, ...] = ()
    recognised: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    time_format: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Clean rows (``frame``), the others (``rejected``: file, row, reason, raw as JSON), and the report on both."""

    frame: pl.DataFrame
    rejected: pl.DataFrame
    report: TableReport


def settle(
    raw: RawTable,
    frame: pl.DataFrame,
    recognised: Mapping[str, str],
    time_format: str | None = None,
    notes: Sequence[str] = (),
) -> Table:
    """Part the rows by ``#reason``: null is accepted.

    frame: ``#row``, ``#reason`` and the clean columns, one row for every row of ``raw``.
    """
    bad = frame.lazy().filter(pl.col(REASON).is_not_null()).select(ROW, REASON).collect()
    good = frame if bad.is_empty() else frame.filter(pl.col(REASON).is_null())
    kinds = bad.group_by(REASON).agg(pl.len(), pl.col(ROW).min()).sort("len", REASON, descending=[True, False])
    rejections = tuple(Rejection(reason, count, row) for reason, count, row in kinds.iter_rows())
    others = tuple(column for column in good.columns if column in raw.schema and column not in recognised)
    report = TableReport(raw.name, frame.height, good.height, rejections, recognised, others, time_format, tuple(notes))
    return Table(good.drop(ROW, REASON), _as_they_were(raw, bad), report)


def need_column(raw: RawTable, found: Mapping[str, str], ours: str) -> None:
    """Raise DataError when no column of the file is known to be ``ours``."""
    if ours not in found:
        what = ours.removesuffix("_id")
        listed = ", ".join(raw.schema) or "none"
        raise DataError(
            f"{raw.name} has no {what} column (its columns: {listed}); rename one to {ours}, "
            f'or write {ours} = "their name" below [columns] in a TOML file of column names.'
        )


def id_text(raw: RawTable, column: str) -> pl.Expr:
    """A column of ids as text without white space around it; null where there is none.

    Numbers become text, 12.0 becomes "12". Raises DataError for a column that holds no ids (lists, times).
    """
    cells, dtype = pl.col(column), raw.schema[column]
    if dtype.is_float():
        whole = cells.cast(pl.Int64, strict=False)
        cells = pl.when(whole == cells).then(whole.cast(pl.String)).otherwise(cells.fill_nan(None).cast(pl.String))
    elif not (dtype.is_integer() or dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Decimal, pl.Null)):
        raise DataError(f"{raw.name}: column {column!r} holds {dtype}, which cannot be ids; write them as text.")
    trim = _trim_numbers if raw.is_text else _trim
    return cells.cast(pl.String).map_batches(trim, return_dtype=pl.String, is_elementwise=True)


def label(raw: RawTable, column: str) -> pl.Expr:
    """A column of names as ``id_text`` gives them; lists and times stay as they are."""
    dtype = raw.schema[column]
    return text(raw, column) if dtype.is_nested() or dtype.is_temporal() else id_text(raw, column)


def _trim(cells: pl.Series) -> pl.Series:
    trimmed = cells.str.strip_chars()
    empty = trimmed == ""
    return trimmed.set(empty, None) if empty.any() else trimmed


def _trim_numbers(cells: pl.Series) -> pl.Series:
    trimmed = _trim(cells)
    return trimmed.str.replace(r"^(-?\d+)\.0$", "${1}") if trimmed.str.ends_with(".0").any() else trimmed


def text(raw: RawTable, column: str) -> pl.Expr:
    """A column as it is; where it is text, empty cells are null."""
    cells = pl.col(column)
    return pl.when(cells.str.strip_chars() != "").then(cells) if raw.schema[column] == pl.String else cells


def number(raw: RawTable, column: str, dtype: type[pl.DataType]) -> pl.Expr:
    """A column as numbers; null where a cell is empty or unreadable."""
    kind = raw.schema[column]
    if kind.is_nested() or kind.is_temporal() or kind == pl.Binary:
        raise DataError(f"{raw.name}: column {column!r} holds {kind}, which cannot be numbers; write them as numbers.")
    cells = pl.col(column)
    cells = cells.cast(pl.String).str.strip_chars() if not (kind.is_numeric() or kind == pl.Boolean) else cells
    return cells.cast(pl.Float64, strict=False).cast(dtype, strict=False)


def filled(raw: RawTable, column: str) -> pl.Expr:
    """True where a cell holds anything."""
    return text(raw, column).is_not_null()


def unreadable_cells(raw: RawTable, parsed: Mapping[str, pl.Expr]) -> list[str]:
    """A note for every column in which cells that hold something come out empty. parsed: their name -> our reading."""
    if not parsed:
        return []
    lost = [(filled(raw, column) & clean.is_null()).sum().alias(column) for column, clean in parsed.items()]
    counts = raw.collect(raw.rows.filter(pl.col(FAULT).is_null()).select(lost)).row(0, named=True)
    return [f"unreadable cells of {column} count as empty ({n:,})" for column, n in counts.items() if n]


def left_out(raw: RawTable, found: Mapping[str, str], frame: pl.DataFrame) -> list[str]:
    """A note for every column that is not used because another one has been taken for what its name says."""
    unused = [column for column in raw.schema if column in frame.columns and column not in found.values()]
    return [f"column {ours} is left out: {found[ours]} is taken as {ours}" for ours in unused if ours in found]


def _as_they_were(raw: RawTable, bad: pl.DataFrame) -> pl.DataFrame:
    """The rejected rows, read once more: most files have few or none, and need not be held twice."""
    if bad.is_empty():
        return pl.DataFrame(schema=REJECTED_SCHEMA)
    rows = raw.rows.with_columns(pl.col(ROW).cast(pl.UInt32)).join(
        bad.lazy().select(ROW, REASON), on=ROW, how="inner", maintain_order="left"
    )
    whole = pl.struct(_printable(raw, column) for column in raw.schema) if raw.schema else pl.struct(LINE)
    line = pl.struct(pl.col(LINE).alias("line")).struct.json_encode()
    as_json = pl.when(pl.col(FAULT).is_null()).then(whole.struct.json_encode()).otherwise(line)
    file = pl.lit(raw.name).alias("file")
    return raw.collect(
        rows.select(file, pl.col(ROW).alias("row"), pl.col(REASON).alias("reason"), as_json.alias("raw"))
    )


_TICKS = {"ms": 10**3, "us": 10**6, "ns": 10**9}


def _printable(raw: RawTable, column: str) -> pl.Expr:
    """The column in a type that Polars can write as JSON."""
    dtype = raw.schema[column]
    if dtype == pl.Binary:
        return pl.col(column).bin.encode("hex")
    if isinstance(dtype, pl.Date | pl.Datetime):
        ticks = pl.col(column).to_physical()
        year_10000 = 2_932_897 * (86_400 * _TICKS[dtype.time_unit] if isinstance(dtype, pl.Datetime) else 1)
        dated = pl.when(ticks.abs() < year_10000).then(pl.col(column)).cast(pl.String)
        return pl.coalesce(dated, ticks.cast(pl.String)).alias(column)
    if dtype.is_nested() and "Binary" in str(dtype):
        return pl.lit("(bytes)").alias(column)
    return pl.col(column)
