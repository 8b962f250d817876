"""What the catalogue says of each item: TF-IDF over words, labels, list elements, bins of numbers and of its age.

Weights as in Salton and Buckley (1988), with a sublinear term frequency and a smoothed inverse document frequency:
(1 + ln tf) (ln((1 + N) / (1 + df)) + 1), rows scaled to length 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl
import torch
from torch import Tensor

from firstlight.encoders.cells import UNBROKEN, bin_numbers, is_text, quantile_edges, texts
from firstlight.encoders.prices import BINS, EDGES, price_edges, price_ranks

LABEL_LENGTH = 60
"""A text of at most so many characters is also a label: a term of its own."""
RESOLUTIONS = (8, 32)
"""How many bins a column of numbers is cut into: coarse ones that many items share, fine ones that tell more."""
LEAST_ITEMS, MOST_SHARE, MOST_TERMS = 2, 0.5, 100_000
CHUNK = 20_000


@dataclass(frozen=True, eq=False)
class ContentEncoder:
    """A vocabulary of ``C`` terms, learned from a catalogue.

    vocabulary: term, idf (Float32); the row of a term is its column in the encoding.
    columns: column, bins (0 for text), edges; the columns of the catalogue that are read, and how. prices: category,
    edge, rank; what is dear and what is cheap in a category.
    """

    vocabulary: pl.DataFrame
    columns: pl.DataFrame
    prices: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EDGES))

    def tables(self) -> Mapping[str, pl.DataFrame]:
        """All there is to save; ``ContentEncoder(**tables)`` is this encoder again."""
        return {"vocabulary": self.vocabulary, "columns": self.columns, "prices": self.prices}

    def encode(self, items: pl.DataFrame, item_ids: pl.Series) -> Tensor:
        """Sparse CSR (N, C) float32: a row of length 1 for each of ``item_ids``, empty where nothing is known of it.

        items: item_id, one row each, and any of the columns the encoder has learned from.
        """
        rows = pl.DataFrame({"item_id": item_ids}).with_columns(row=pl.int_range(pl.len()))
        known = items.join(rows, on="item_id", how="inner")
        places = self.vocabulary.with_columns(column=pl.int_range(pl.len()))
        parts = [
            _terms(part, self.columns, self.prices)
            .join(places, on="term")
            .group_by("row", "column")
            .agg(pl.len(), pl.first("idf"))
            for part in known.iter_slices(CHUNK)
        ]
        counts = pl.concat(parts) if parts else places.head(0).select("column", "idf", row="column", len="column")
        entries = counts.select("row", "column", weight=(1 + pl.col("len").log()) * pl.col("idf")).sort("row", "column")
        return _csr(entries, (len(item_ids), places.height))


def fit_content(items: pl.DataFrame | None, item_ids: pl.Series) -> ContentEncoder | None:
    """Learn the vocabulary of a catalogue; None where it says nothing that some items share and others do not.

    items: item_id, one row each, and columns of any type. Times but that of arrival (``time``), lists of numbers and
    rows of items that are not among ``item_ids`` are not read. A term is kept if at least two items and at most half of
    all have it.
    """
    if items is None:
        return None
    known = items.filter(pl.col("item_id").is_in(item_ids.implode())).with_columns(row=pl.int_range(pl.len()))
    columns, prices = _columns(known), price_edges(known)
    parts = [
        _terms(part, columns, prices).unique().group_by("term").agg(df=pl.len().cast(pl.Int64))
        for part in known.iter_slices(CHUNK)
    ]
    if not parts:
        return None
    shared = pl.col("df").is_between(LEAST_ITEMS, known.height * MOST_SHARE)
    counts = pl.concat(parts).group_by("term").agg(pl.sum("df")).filter(shared)
    kept = counts.sort("df", "term", descending=[True, False]).head(MOST_TERMS).sort("term")
    idf = ((1 + known.height) / (1 + pl.col("df"))).log() + 1
    return ContentEncoder(kept.select("term", idf=idf.cast(pl.Float32)), columns, prices) if kept.height else None


def _columns(items: pl.DataFrame) -> pl.DataFrame:
    """One row for each way in which a column is read."""
    ways: list[tuple[str, int, list[float]]] = []
    for name in items.columns:
        if name in ("item_id", "row"):
            continue
        if is_text(items[name]):
            ways.append((name, 0, []))
        elif items[name].dtype.is_numeric() or (name == "time" and items[name].dtype.is_temporal()):
            ways += [(name, bins, quantile_edges(items[name], bins)) for bins in RESOLUTIONS]
    return pl.DataFrame(ways, {"column": pl.String, "bins": pl.Int32, "edges": pl.List(pl.Float64)}, orient="row")


def _terms(items: pl.DataFrame, columns: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """row, term: all terms of all items, as often as they occur."""
    parts = [pl.DataFrame(schema={"row": pl.Int64, "term": pl.String})]
    for name, bins, edges in columns.iter_rows():
        if name not in items.columns:
            continue
        if bins:
            parts.append(_prefixed(items["row"], bin_numbers(items[name], edges), f"{name}~{bins}."))
        else:
            cells = texts(items["row"], items[name])
            short = cells.filter(pl.col("text").str.len_chars() <= LABEL_LENGTH)
            parts += [_prefixed(short["row"], short["text"], f"{name}="), _words(cells)]
    if prices.height:
        parts.append(_prefixed(items["row"], price_ranks(items, prices), f"price in category~{BINS}."))
    return pl.concat(parts)


def _prefixed(rows: pl.Series, values: pl.Series, prefix: str) -> pl.DataFrame:
    return pl.DataFrame({"row": rows, "value": values}).drop_nulls().select("row", term=prefix + pl.col("value"))


def _words(cells: pl.DataFrame) -> pl.DataFrame:
    """The words of each text; of those in an unbroken script also every two neighbouring characters."""
    words = cells.select("row", term=pl.col("text").str.extract_all(r"\w+")).explode("term").drop_nulls()
    long = words.filter(pl.col("term").str.contains(UNBROKEN) & (pl.col("term").str.len_chars() > 2))
    pairs = [
        long.select("row", pl.col("term").str.slice(start).str.extract_all("..")).explode("term").drop_nulls()
        for start in (0, 1)
    ]
    return pl.concat([words, *pairs])


def _csr(entries: pl.DataFrame, size: tuple[int, int]) -> Tensor:
    """entries: row, column, weight, sorted. Rows are scaled to length 1."""
    rows, columns = (torch.tensor(entries[name].to_numpy(), dtype=torch.int64) for name in ("row", "column"))
    weights = torch.tensor(entries["weight"].to_numpy(), dtype=torch.float32)
    length = torch.zeros(size[0]).index_add_(0, rows, weights.square()).sqrt()
    pointers = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(rows, minlength=size[0]).cumsum(0)])
    return torch.sparse_csr_tensor(pointers, columns, weights / length[rows], size, check_invariants=False)
