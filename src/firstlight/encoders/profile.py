"""What is known of each person, as a multi-hot row: one term a label, one a bin of numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from firstlight.encoders.cells import bin_numbers, is_text, quantile_edges, texts

BINS = 8
"""How many bins a column of numbers is cut into, where it has more than ``MOST_CATEGORIES`` distinct ones."""
MOST_CATEGORIES = 12
MOST_LABELS = 500
"""A column of more labels that enough people have says too little with each, and is not read."""


@dataclass(frozen=True, eq=False)
class ProfileEncoder:
    """A vocabulary of ``P`` terms, learned from a table of people.

    vocabulary: term; the row of a term is its column in the encoding.
    columns: column, edges; how a column is read: as numbers in the bins between the edges, as labels where null.
    """

    vocabulary: pl.DataFrame
    columns: pl.DataFrame

    def tables(self) -> Mapping[str, pl.DataFrame]:
        """All there is to save; ``ProfileEncoder(**tables)`` is this encoder again."""
        return {"vocabulary": self.vocabulary, "columns": self.columns}

    def encode(self, users: pl.DataFrame | None, names: pl.Series) -> Tensor:
        """(T, P) float32: 1 for each term that holds of each of ``names``; zeros for a person not in ``users``.

        users: user_id, one row each, and any of the columns the encoder has learned from.
        """
        profile = torch.zeros(len(names), self.vocabulary.height)
        if users is None:
            return profile
        rows = pl.DataFrame({"user_id": names}).with_columns(row=pl.int_range(pl.len()))
        places = self.vocabulary.with_columns(place=pl.int_range(pl.len()))
        known = _terms(users.join(rows, on="user_id", how="inner"), self.columns).join(places, on="term")
        profile[torch.tensor(known["row"].to_numpy()), torch.tensor(known["place"].to_numpy())] = 1.0
        return profile


def fit_profile(users: pl.DataFrame | None, least: int = 10) -> ProfileEncoder | None:
    """Learn the vocabulary of a table of people; None where it has no term that ``least`` people share.

    users: user_id, one row each, and columns of any type. Times and lists of numbers are not read.
    """
    if users is None:
        return None
    known = users.with_columns(row=pl.int_range(pl.len()))
    columns = _columns(known)
    counts = _terms(known, columns).unique().group_by("column", "term").len().filter(pl.col("len") >= least)
    kept = counts.filter(pl.len().over("column") <= MOST_LABELS).sort("column", "term")
    return ProfileEncoder(kept.select("term"), columns) if kept.height else None


def _columns(users: pl.DataFrame) -> pl.DataFrame:
    ways: list[tuple[str, list[float] | None]] = []
    for name in users.columns:
        if name in ("user_id", "row"):
            continue
        numeric = users[name].dtype.is_numeric() and not is_text(users[name])
        if numeric and users[name].n_unique() > MOST_CATEGORIES:
            ways.append((name, quantile_edges(users[name], BINS)))
        elif numeric or is_text(users[name]):
            ways.append((name, None))
    return pl.DataFrame(ways, {"column": pl.String, "edges": pl.List(pl.Float64)}, orient="row")


def _terms(users: pl.DataFrame, columns: pl.DataFrame) -> pl.DataFrame:
    """row, column, term: what holds of each person."""
    parts = [pl.DataFrame(schema={"row": pl.Int64, "column": pl.String, "term": pl.String})]
    for name, edges in columns.iter_rows():
        if name not in users.columns:
            continue
        if edges is None:
            cells, sign = texts(users["row"], users[name]), "="
        else:
            cells, sign = pl.DataFrame({"row": users["row"], "text": bin_numbers(users[name], edges)}).drop_nulls(), "~"
        parts.append(cells.select("row", pl.lit(name).alias("column"), term=f"{name}{sign}" + pl.col("text")))
    return pl.concat(parts)
