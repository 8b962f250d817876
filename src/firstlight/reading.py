"""A file of any known format as a raw table: nothing cast, nothing left out, every row with its number."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from firstlight.errors import DataError
from firstlight.textlines import FAULT, LINE, ROW, refuse_names, split_csv, split_json

STDIN = Path("-")
TEXT_SUFFIXES = (".csv", ".jsonl", ".ndjson")
SUFFIXES = (".parquet", *(text + packed for text in TEXT_SUFFIXES for packed in ("", ".gz", ".zst")))

_DAMAGE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


@dataclass(frozen=True)
class RawTable:
    """A file as it stands.

    name: what messages call it.
    schema: its own columns and their types, strings in text formats; empty for a file with nothing in it.
    rows: ``#row`` (UInt32, from 1), ``#fault`` (why the row cannot be taken apart, else null), ``#line`` (the line;
    null in parquet), then the columns.
    is_text: whether it is CSV or JSON lines.
    """

    name: str
    schema: Mapping[str, pl.DataType]
    rows: pl.LazyFrame
    is_text: bool

    def sample(self, cells: pl.Expr, n: int = 10_000) -> pl.Series:
        """The first ``n`` values of ``cells`` that are not null."""
        return self.collect(self.rows.select(cells).drop_nulls().head(n)).to_series()

    def collect(self, rows: pl.LazyFrame) -> pl.DataFrame:
        """Run a query on the rows; DataError if the file turns out to be damaged."""
        try:
            return rows.collect(engine="streaming")
        except _DAMAGE as error:
            reason = _first_line(error)
            raise DataError(f"{self.name} cannot be read to its end ({reason}); write it anew.") from error


def find_table(folder: Path, name: str) -> Path | None:
    """The one file of ``folder`` that holds the table ``name``; None if there is none, DataError if there are two."""
    found = [folder / (name + suffix) for suffix in SUFFIXES if (folder / (name + suffix)).is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{folder} has {names} for the same table; keep one of them.")
    return found[0] if found else None


def open_table(path: Path) -> RawTable:
    """The raw table in a file; ``-`` is JSON lines from standard input. A file of 0 bytes is a table without rows.

    Raises DataError for a file that is missing, of an unknown format, or not what its name says.
    """
    if path == STDIN:
        return _open("standard input", sys.stdin.buffer.read(), ".jsonl")
    suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
    if suffix is None:
        raise DataError(f"{path} has no known format; use one of {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise DataError(f"{path} does not exist or is not a file; check the name.")
    return _open(path.name, path if path.stat().st_size else b"", suffix)


def _open(name: str, source: Path | bytes, suffix: str) -> RawTable:
    try:
        rows = _rows(name, source, suffix) if source else _NOTHING
        schema = rows.collect_schema()
    except _DAMAGE as error:
        reason = _first_line(error)
        raise DataError(f"{name} cannot be read ({reason}); write it anew, or correct its name.") from error
    columns = {column: dtype for column, dtype in schema.items() if column not in (ROW, FAULT, LINE)}
    return RawTable(name, columns, rows, suffix != ".parquet")


def _rows(name: str, source: Path | bytes, suffix: str) -> pl.LazyFrame:
    if suffix.startswith(".csv"):
        return split_csv(source, name)
    if suffix != ".parquet":
        return split_json(source, name)
    rows = pl.scan_parquet(source, glob=False)
    refuse_names(rows.collect_schema().names(), name)
    unused = [pl.lit(None, pl.String).alias(FAULT), pl.lit(None, pl.String).alias(LINE)]
    return rows.with_row_index(ROW, offset=1).with_columns(pl.col(ROW).cast(pl.UInt32), *unused)


_NOTHING = pl.LazyFrame(schema={ROW: pl.UInt32, FAULT: pl.String, LINE: pl.String})


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".:")
