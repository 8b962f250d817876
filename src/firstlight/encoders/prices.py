"""How dear an item is among those of its category: 20 is much for a pen and little for a telephone."""

import polars as pl

BINS = 8
EDGES = pl.Schema({"category": pl.String(), "edge": pl.Float64(), "rank": pl.Int32()})


def price_edges(items: pl.DataFrame) -> pl.DataFrame:
    """category, edge, rank (from 1): the prices that part each category into at most ``BINS`` of about the same size.

    As ``cells.quantile_edges``, for every category that has so many prices. Nothing where there are no categories or
    no prices.
    """
    priced = _priced(items)
    if priced is None:
        return pl.DataFrame(schema=EDGES)
    count, place = pl.len().over("category").cast(pl.Int64), pl.int_range(pl.len()).over("category")
    # The k-th edge stands at place k * count // BINS: a place is one if some k leads to it.
    k = (place * BINS + count - 1) // count
    edge = (k * count // BINS == place) & (k > 0) & (count >= BINS)
    distinct = priced.sort("category", "price").with_columns(edge=edge, least=pl.min("price").over("category"))
    kept = distinct.filter(pl.col("edge") & (pl.col("price") > pl.col("least"))).unique(["category", "price"])
    ranked = kept.sort("category", "price").with_columns(rank=pl.int_range(1, pl.len() + 1).over("category"))
    return ranked.select("category", pl.col("price").alias("edge"), pl.col("rank").cast(pl.Int32))


def price_ranks(items: pl.DataFrame, edges: pl.DataFrame) -> pl.Series:
    """(n,) the bin of each item's price in its category as text, "0" for the cheapest; null where it is not known."""
    priced = _priced(items)
    if priced is None:
        return pl.Series("rank", [None], dtype=pl.String).new_from_index(0, items.height)
    known = priced.join(edges.select("category").unique(), on="category", how="semi").sort("price")
    found = known.join_asof(
        edges.sort("edge"), left_on="price", right_on="edge", by="category", check_sortedness=False
    ).select("row", pl.col("rank").fill_null(0).cast(pl.String))
    rows = pl.DataFrame({"row": pl.int_range(items.height, eager=True)})
    return rows.join(found, on="row", how="left", maintain_order="left")["rank"]


def _priced(items: pl.DataFrame) -> pl.DataFrame | None:
    """row (its place), category, price of the items that have both."""
    if not {"category", "price"} <= set(items.columns) or items["price"].dtype.is_nested():
        return None
    price = pl.col("price").cast(pl.Float64, strict=False)
    cells = items.select(row=pl.int_range(pl.len()), category=pl.col("category").cast(pl.String), price=price)
    return cells.drop_nulls().filter(pl.col("price").is_finite())
