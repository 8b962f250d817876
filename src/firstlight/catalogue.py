"""The catalogue: items, and what is known of users. One row an id; everything but the id is optional."""

from collections.abc import Mapping

import polars as pl

from firstlight.columns import ITEM_COLUMNS, USER_COLUMNS, ColumnNames
from firstlight.events import time_cells, times_of
from firstlight.reading import RawTable
from firstlight.tables import (
    REASON,
    Table,
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

_LABELS = ("domain", "category", "title", "text", "brand")


def clean_items(raw: RawTable, names: ColumnNames) -> Table:
    """One row an item: ``item_id``, then the file's other columns.

    domain, category, title, text, brand are strings, tags a list of strings, price Float64, time Datetime (UTC).
    Of several rows of one item the last counts. Raises DataError when there is no item column.
    """
    found = names.recognise(raw.schema, ITEM_COLUMNS)
    form = times_of(raw, found)
    columns = {ours: label(raw, found[ours]) for ours in _LABELS if ours in found}
    read = {"price": number(raw, found["price"], pl.Float64)} if "price" in found else {}
    if form is not None:
        read["time"] = time_cells(raw, found["time"], form)
    if "tags" in found:
        columns["tags"] = _tags(raw, found["tags"])
    notes = unreadable_cells(raw, {found[ours]: cells for ours, cells in read.items()})
    return _keyed(raw, "item_id", found, {**columns, **read}, form.name if form else None, notes)


def clean_users(raw: RawTable, names: ColumnNames) -> Table:
    """One row a user: ``user_id``, then the file's other columns as they are; the last of several rows counts.

    Raises DataError when there is no user column.
    """
    return _keyed(raw, "user_id", names.recognise(raw.schema, USER_COLUMNS), {}, None, [])


def _keyed(
    raw: RawTable,
    key: str,
    found: Mapping[str, str],
    columns: Mapping[str, pl.Expr],
    form: str | None,
    notes: list[str],
) -> Table:
    if raw.schema:
        need_column(raw, found, key)
    ids = id_text(raw, found[key]) if key in found else pl.lit(None, pl.String)
    renamed = {ours: text(raw, theirs) for ours, theirs in found.items() if ours not in {key, *columns}}
    taken = {key, *found.values(), *columns, *renamed}
    rest = {column: text(raw, column) for column in raw.schema if column not in taken}
    clean = {key: ids, **columns, **renamed, **rest}
    frame = raw.collect(raw.rows.select(ROW, FAULT, *[cells.alias(column) for column, cells in clean.items()]))
    usable = pl.when(pl.col(FAULT).is_null()).then(pl.col(key))
    reason = pl.coalesce(
        FAULT,
        pl.when(pl.col(key).is_null()).then(pl.lit(f"missing {key}")),
        pl.when(~usable.is_last_distinct()).then(pl.lit(f"a later row has the same {key}")),
    )
    notes = [*left_out(raw, found, frame), *notes]
    return settle(raw, frame.with_columns(reason.alias(REASON)).drop(FAULT), found, form, notes)


def _tags(raw: RawTable, column: str) -> pl.Expr:
    """Lists as they are; text cut at ``|`` or ``;``, or at the commas of a list in JSON or Python."""
    if raw.schema[column].is_nested():
        return pl.col(column).cast(pl.List(pl.String))
    cells = pl.col(column).cast(pl.String).str.strip_chars()
    listed = cells.str.strip_chars("[]").str.strip_chars("\"' ").str.replace_all(r"""["']\s*,\s*["']""", "|")
    tags = pl.when(cells.str.starts_with("[")).then(listed).otherwise(cells).str.replace_all(";", "|", literal=True)
    each = pl.element().str.strip_chars()
    return pl.when(cells != "").then(tags.str.split("|").list.eval(each.filter(each != "")))
