"""The rank of a price in its category, checked against the bins of each category alone."""

import math
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.encoders.cells import bin_numbers, quantile_edges
from firstlight.encoders.content import ContentEncoder, fit_content
from firstlight.encoders.prices import BINS, price_edges, price_ranks

rows = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 12) | st.none()), max_size=80)


def frame(cells: Sequence[tuple[str | None, float | None]]) -> pl.DataFrame:
    return pl.DataFrame(list(cells), {"category": pl.String, "price": pl.Float64}, orient="row")


@given(rows, rows)
def test_ranks_are_the_bins_of_each_category(
    fitted: list[tuple[str | None, float]], new: list[tuple[str, float]]
) -> None:
    known, items = frame(fitted), frame(new)
    edges = price_edges(known)
    ranks = price_ranks(items, edges)
    assert len(ranks) == len(new)
    for category in ("a", "b", "c"):
        prices = known.filter(category=category)["price"].drop_nulls()
        theirs = quantile_edges(prices, BINS) if len(prices) >= BINS else []
        assert edges.filter(category=category)["edge"].to_list() == theirs
        of = (items["category"] == category).fill_null(False)
        if theirs:
            assert ranks.filter(of).to_list() == bin_numbers(items["price"].filter(of), theirs).to_list()
        else:
            assert ranks.filter(of).null_count() == of.sum()


def test_dear_in_one_category_is_cheap_in_another() -> None:
    items = frame([("pen", float(n)) for n in range(16)] + [("phone", 100.0 * n) for n in range(16)])
    ranks = price_ranks(items, price_edges(items))
    assert (ranks[15], ranks[16], ranks[31]) == ("7", "0", "7")


@pytest.mark.parametrize(
    "items",
    [
        pl.DataFrame({"item_id": ["a"]}),
        pl.DataFrame({"price": [1.0]}),
        pl.DataFrame({"category": ["a"] * 9, "price": [2.0] * 9}),
        pl.DataFrame({"category": ["a"] * 9, "price": [math.nan] * 9}),
        pl.DataFrame({"category": ["a"] * 9, "price": ["dear"] * 9}),
        pl.DataFrame({"category": ["a"] * 9, "price": [[1.0, 2.0]] * 9}),
        pl.DataFrame(schema={"category": pl.String, "price": pl.Float64}),
    ],
    ids=["neither", "no category", "one price", "no number", "words", "lists", "empty"],
)
def test_prices_that_tell_nothing_apart_have_no_ranks(items: pl.DataFrame) -> None:
    edges = price_edges(items)
    assert edges.height == 0
    assert price_ranks(items, edges).null_count() == items.height


def test_content_has_the_rank_and_the_age() -> None:
    ids = [f"i{n:02}" for n in range(32)]
    days = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 2, 1), "1d", eager=True)
    cells = {"item_id": ids, "category": ["pen", "phone"] * 16, "price": [float(n) for n in range(32)], "time": days}
    items = pl.DataFrame(cells)
    encoder = fit_content(items, items["item_id"])
    assert encoder is not None
    terms = encoder.vocabulary["term"].to_list()
    newest = encoder.encode(items, pl.Series(["i31"])).to_dense()[0]
    assert newest[terms.index("price in category~8.7")] > 0
    assert newest[terms.index("time~8.7")] > 0
    again = ContentEncoder(**encoder.tables())
    assert (
        again.encode(items, items["item_id"]).to_dense() == encoder.encode(items, items["item_id"]).to_dense()
    ).all()


def test_a_model_from_before_there_were_ranks_is_read() -> None:
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "brand": ["x", "x", "y", "y"]})
    encoder = fit_content(items, items["item_id"])
    assert encoder is not None
    old = ContentEncoder(encoder.vocabulary, encoder.columns)
    assert old.encode(items, items["item_id"]).to_dense().norm() > 0
