"""Numbers in bins."""

import math

import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from firstlight.encoders.cells import bin_numbers, quantile_edges


@example([math.nan, 1.0, math.inf, None, -math.inf], 8)
@given(st.lists(st.floats(allow_nan=True) | st.none(), max_size=60), st.integers(2, 40))
def test_bins_are_in_the_order_of_the_values(values: list[float | None], bins: int) -> None:
    numbers = pl.Series("x", values, dtype=pl.Float64)
    edges = quantile_edges(numbers, bins)
    places = bin_numbers(numbers, edges).cast(pl.Int64)
    assert edges == sorted(set(edges))
    assert len(edges) < bins
    known = [(value, place) for value, place in zip(values, places, strict=True) if place is not None]
    assert len(known) == sum(value is not None and math.isfinite(value) for value in values)
    assert [place for _, place in sorted(known)] == sorted(place for _, place in known)


def test_few_distinct_values_have_a_bin_each() -> None:
    values = pl.Series([1, 1, 2, 2, 2, 3, 3, 10] * 5)
    assert bin_numbers(values, quantile_edges(values, 8)).n_unique() == 4
