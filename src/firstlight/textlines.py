"""CSV and JSON lines, however messy, as tables of strings: every line becomes a row, and no line raises.

Ready-made readers stop at the first malformed line or repair it silently. Here a file is first a column of lines, then
the lines are split with Polars expressions, so that a line that does not fit keeps its number and gets a reason.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from firstlight.errors import DataError

ROW, FAULT, LINE = "#row", "#fault", "#line"
"""Columns that stand beside a file's own: the row's number from 1, what is wrong with its form, the line itself."""

LONGEST_RECORD = 1000
"""A quoted CSV field that is still open after so many lines is taken for a stray quote."""

MOST_KEYS = 1000
_KEY_SAMPLE = 1000
_STRING = r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u(?:[0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))*"'
_SCALAR = rf"(?:{_STRING}|-?(?:0|[1-9][0-9]{{0,14}})(?:\.[0-9]{{1,15}})?|true|false|null)"
_PAIR = rf"{_STRING}\s*:\s*{_SCALAR}"
_FLAT = rf"^\s*\{{\s*{_PAIR}(?:\s*,\s*{_PAIR})*\s*\}}\s*$"


def scan_lines(source: Path | bytes) -> pl.LazyFrame:
    """The lines of a file (plain, gzip or zstd): ``#row`` (UInt32, from 1) and ``#line``.

    Bytes that are not UTF-8 become U+FFFD; a byte order mark and carriage returns at the ends of lines are left out.
    """
    # With the line end as the separator no line has a second field, so nothing can be ragged or quoted.
    lines = pl.scan_csv(
        source,
        has_header=False,
        separator="\n",
        quote_char=None,
        schema={LINE: pl.String},
        encoding="utf8-lossy",
        raise_if_empty=False,
        glob=False,
        row_index_name=ROW,
        row_index_offset=1,
    )
    return lines.with_columns(pl.col(ROW).cast(pl.UInt32), pl.col(LINE).fill_null(""))


def not_blank() -> pl.Expr:
    """True for a line that is more than white space."""
    return pl.col(LINE).str.strip_chars() != ""


def refuse_names(columns: Sequence[str], name: str) -> None:
    """Raise DataError if a file has a column of a name that is used here, or that Polars takes for a pattern."""
    unusable = [column for column in columns if column in (ROW, FAULT, LINE, "*") or column[:1] + column[-1:] == "^$"]
    if unusable:
        raise DataError(f"{name} has a column {unusable[0]!r}, a name that cannot be used; rename it.")


def split_csv(source: Path | bytes, name: str) -> pl.LazyFrame:
    """The rows of a CSV file: ``#row`` (from 1, below the header), ``#fault``, ``#line`` and its columns.

    The separator is the one of ``, ; tab |`` that the header has most of. A quoted field may span lines; its row then
    has the number of its first line. A row with too few or too many fields has a fault.
    """
    lines = scan_lines(source)
    head = lines.filter(not_blank()).head(1).collect(engine="streaming")
    if head.is_empty():
        return lines.clear().with_columns(pl.lit(None, pl.String).alias(FAULT))
    header, at = head[LINE][0], head[ROW][0]
    separator = max(",;\t|", key=header.count)
    names = _header(header, separator, name)
    below = lines.filter(pl.col(ROW) > at).with_columns(pl.col(ROW) - at)
    return _csv_fields(_records(below, names, separator).filter(not_blank()), names, separator)


def _header(line: str, separator: str, name: str) -> list[str]:
    """The names in a header: ``column_3`` for a blank third one, ``name_5`` for a fifth one that repeats a name."""
    try:
        given = next(csv.reader([line.replace("\r", " ")], delimiter=separator))
    except csv.Error as error:
        raise DataError(f"{name} has a header that cannot be read ({error}); write the column names in it.") from error
    names: list[str] = []
    for place, column in enumerate(map(str.strip, given), 1):
        names.append(column if column and column not in names else f"{column or 'column'}_{place}")
    refuse_names(names, name)
    return names


def _records(lines: pl.LazyFrame, names: Sequence[str], separator: str) -> pl.LazyFrame:
    """Lines joined where a quoted field goes on; a joined record that does not fit is left as single lines."""
    odd = pl.col(LINE).str.count_matches('"', literal=True) % 2 == 1
    if not lines.select(odd.any()).collect(engine="streaming").item():
        return lines
    inside = odd.cum_sum() % 2 == 1
    framed = lines.collect(engine="streaming").with_columns(record=(~inside).shift(1, fill_value=True).cum_sum())
    several = framed.lazy().filter(pl.len().over("record").is_between(2, LONGEST_RECORD))
    joined = several.group_by("record", maintain_order=True).agg(pl.col(ROW).first(), pl.col(LINE).str.join("\n"))
    fitting = _csv_fields(joined, names, separator).filter(pl.col(FAULT).is_null()).select(ROW)
    kept = joined.join(fitting, on=ROW, how="semi").collect()
    single = framed.join(kept, on="record", how="anti").select(ROW, LINE)
    return pl.concat([single, kept.select(ROW, LINE)]).sort(ROW).lazy()


def _csv_fields(lines: pl.LazyFrame, names: Sequence[str], separator: str) -> pl.LazyFrame:
    width, cut, line = len(names), f"\\{separator}", pl.col(LINE)
    quoted = line.str.contains('"', literal=True)
    pattern = rf'{cut}("(?:[^"]|"")*"|[^{cut}"\n][^{cut}\n]*|)'
    plain = pl.when(~quoted).then(line).str.splitn(separator, width + 1)
    found = (separator + pl.when(quoted).then(line)).str.extract_all(pattern)
    # With quotes, the matches must cover the whole line; else a quote stands where none can be.
    whole = found.list.eval(pl.element().str.len_bytes()).list.sum() == line.str.len_bytes() + 1
    split = lines.with_columns(
        plain.struct.rename_fields([f"{i}" for i in range(width + 1)]).alias("#plain"),
        found.list.eval(_unquoted(pl.element().str.slice(1))).alias("#quoted"),
        whole.alias("#whole"),
    )
    bare, size = pl.col("#plain").struct, pl.col("#quoted").list.len()
    fault = (
        pl.when(~pl.col("#whole")).then(pl.lit("a quote that is never closed, or stands inside a field"))
        .when((size < width) | (size.is_null() & bare.field(f"{width - 1}").is_null())).then(pl.lit("too few fields"))
        .when((size > width) | bare.field(f"{width}").is_not_null()).then(pl.lit("too many fields"))
    )  # fmt: skip
    cells = [
        pl.coalesce(bare.field(f"{i}"), pl.col("#quoted").list.get(i, null_on_oob=True)).alias(name)
        for i, name in enumerate(names)
    ]
    return split.select(ROW, fault.alias(FAULT), LINE, *cells)


def _unquoted(field: pl.Expr) -> pl.Expr:
    inner = field.str.slice(1, field.str.len_chars() - 2).str.replace_all('""', '"', literal=True)
    return pl.when(field.str.starts_with('"')).then(inner).otherwise(field)


def split_json(source: Path | bytes, name: str) -> pl.LazyFrame:
    """The rows of JSON lines: ``#row`` (the line's number), ``#fault``, ``#line`` and a column for every key.

    Numbers and truth values become text; lists and objects stay JSON text. A line that is not an object has a fault.
    Lines with nothing nested in them take a fast way; keys that only nested lines have are looked for in the first
    thousand of those.
    """
    lines = scan_lines(source).filter(not_blank()).with_columns(pl.col(LINE).str.contains(_FLAT).alias("#flat"))
    keys = _json_keys(lines)
    refuse_names(keys, name)
    if len(keys) > MOST_KEYS:
        raise DataError(f"{name} has {len(keys)} different keys; leave in it the few that are columns.")
    flat, line = pl.col("#flat"), pl.col(LINE)
    shape = pl.Struct({key: pl.String for key in keys or ["#none"]})
    split = lines.with_columns(
        pl.when(flat).then(line).otherwise(pl.lit("{}")).str.json_decode(shape).alias("#plain"),
        pl.when(~flat).then(line).alias("#nested"),
    )
    is_object = pl.col("#nested").str.json_path_match("$").str.starts_with("{").fill_null(False)
    fault = pl.when(~flat & ~is_object).then(pl.lit("not a JSON object"))
    return split.select(ROW, fault.alias(FAULT), LINE, *[_json_value(key).alias(key) for key in keys])


def _json_keys(lines: pl.LazyFrame) -> list[str]:
    flat = lines.filter(pl.col("#flat")).select(pl.col(LINE).str.extract_all(rf"{_STRING}\s*:").explode().unique())
    nested = lines.filter(~pl.col("#flat")).head(_KEY_SAMPLE).select(LINE)
    found = [json.loads(key.rstrip()[:-1]) for key in flat.collect(engine="streaming").to_series().drop_nulls()]
    return sorted({*found, *(key for line in nested.collect(engine="streaming").to_series() for key in _keys_of(line))})


def _keys_of(line: str) -> list[str]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return []
    return list(value) if isinstance(value, dict) else []


def _json_value(key: str) -> pl.Expr:
    plain = pl.col("#plain").struct.field(key)
    quote = '"' if "'" in key else "'"
    if "\\" in key or quote in key:  # JSON path has no way to write such a key
        return plain
    return pl.coalesce(plain, pl.col("#nested").str.json_path_match(f"$[{quote}{key}{quote}]"))
