"""Cells of any column as terms: texts in one form, numbers as quantile bins."""

import numpy as np
import polars as pl

# Scripts that are written without blanks between words, or that put several words into one.
UNBROKEN = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}]"


def is_text(column: pl.Series) -> bool:
    """Whether the cells are texts, labels, truth values, or lists of such; also ids of something else (``*_id``)."""
    dtype = column.dtype
    inner = dtype.inner if isinstance(dtype, pl.List | pl.Array) else dtype
    labels = inner in (pl.String, pl.Categorical, pl.Enum, pl.Boolean)
    return labels or (inner.is_integer() and column.name.endswith("_id"))


def texts(rows: pl.Series, column: pl.Series) -> pl.DataFrame:
    """row, text: the cells in lower case without blanks around them, list elements one by one; empty ones left out."""
    cells = pl.DataFrame({"row": rows, "text": column})
    if isinstance(column.dtype, pl.List | pl.Array):
        cells = cells.explode("text")
    if cells.schema["text"].is_float():
        whole = pl.col("text").cast(pl.Int64, strict=False)
        # 3.0 in one file and 3 in another are the same label.
        cells = cells.select("row", pl.when(whole == pl.col("text")).then(whole.cast(pl.String)).otherwise("text"))
    text = pl.col("text").cast(pl.String).str.strip_chars().str.to_lowercase()
    return cells.select("row", text).filter(pl.col("text") != "")


def quantile_edges(values: pl.Series, bins: int) -> list[float]:
    """At most ``bins - 1`` ascending edges that part the finite ``values`` into bins of about the same size.

    Edges are values that occur, and a bin begins with its edge: few distinct values have a bin each.
    """
    ordered = _finite(values).drop_nulls().sort()
    if ordered.is_empty():
        return []
    edges = ordered.gather(np.arange(1, bins) * len(ordered) // bins).unique().sort()
    return edges.filter(edges > ordered[0]).to_list()


def bin_numbers(values: pl.Series, edges: list[float]) -> pl.Series:
    """The bin of each value as text, "0" below the first edge; null where the value is no finite number."""
    numbers = _finite(values)
    places = np.searchsorted(np.asarray(edges), numbers.fill_null(0.0).to_numpy(), side="right")
    return pl.Series(values.name, places).cast(pl.String).set(numbers.is_null(), None)


def _finite(values: pl.Series) -> pl.Series:
    """As Float64, times in seconds since 1970; null where a value is no finite number, or no number at all."""
    if values.dtype in (pl.Datetime, pl.Date):
        values = values.dt.epoch("s")
    numbers = values.cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite(), None)
