"""Re-ranking: as scored by default, the share from elsewhere as far as there is any, variety by what items share."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from shops import shop

from firstlight.serve.fields import Labels, Lists
from firstlight.serve.rerank import Likeness, reranked


def scores(n: int) -> NDArray[np.float32]:
    return np.linspace(5, 1, n, dtype=np.float32)


def likeness(*categories: str | None) -> Likeness:
    codes = Labels.of(pl.Series(categories, dtype=pl.String)).codes
    return Likeness([(1.0, codes)], np.zeros((len(categories), 0), np.float32), 0.0)


marks = st.lists(st.booleans(), min_size=1, max_size=30)


@given(outside=marks, n=st.integers(1, 40), share=st.floats(0, 1), diversity=st.sampled_from([0.0, 0.3, 1.0]))
def test_the_share_is_reached_where_there_is_enough(
    outside: list[bool], n: int, share: float, diversity: float
) -> None:
    size, alike = len(outside), likeness(*["ab"[place % 2] for place in range(len(outside))])
    order = reranked(scores(size), n, np.array(outside), share, diversity, alike)
    assert sorted(order.tolist()) == list(range(size))
    shown = order[:n]
    assert sum(outside[place] for place in shown) >= min(np.floor(share * len(shown)), sum(outside))


@given(outside=marks, n=st.integers(1, 40), share=st.floats(0, 1))
def test_of_two_ways_to_the_share_both_are_the_best_first(outside: list[bool], n: int, share: float) -> None:
    apart, size = np.array(outside), len(outside)
    plain = reranked(scores(size), n, apart, share)
    faint = reranked(scores(size), n, apart, share, 1e-9, likeness(*["a"] * size))
    assert plain[:n].tolist() == sorted(plain[:n].tolist())
    assert set(faint[:n].tolist()) == set(plain[:n].tolist())
    left = [place for place in range(size) if place not in plain[:n]]
    assert plain[n:].tolist() == left


def test_no_diversity_and_no_share_is_the_order_as_scored() -> None:
    assert reranked(scores(9), 4).tolist() == list(range(9))
    assert reranked(scores(9), 4, np.ones(9, np.bool_), 0.0).tolist() == list(range(9))
    assert reranked(scores(0), 4).tolist() == []


def test_the_best_from_elsewhere_take_the_last_places() -> None:
    outside = np.array([False] * 6 + [True] * 3)
    assert reranked(scores(9), 4, outside, 0.5)[:4].tolist() == [0, 1, 6, 7]
    assert reranked(scores(9), 4, outside, 0.51)[:4].tolist() == [0, 6, 7, 8]


def test_variety_takes_the_next_of_another_kind() -> None:
    alike = likeness("a", "a", "a", "b", "b", "c")
    values = np.array([5.0, 4.9, 4.8, 4.7, 4.6, 1.0], np.float32)
    assert reranked(values, 3, diversity=0.3, likeness=alike)[:3].tolist() == [0, 3, 1]
    assert reranked(values, 3, diversity=1.0, likeness=alike)[:3].tolist() == [0, 3, 5]
    assert reranked(values, 6, diversity=1e-6, likeness=alike).tolist() == list(range(6))


def test_equal_scores_are_varied_too() -> None:
    alike = likeness("a", "a", None, None)
    assert reranked(np.ones(4, np.float32), 4, diversity=0.5, likeness=alike).tolist() == [0, 2, 3, 1]


def test_likeness_is_what_is_shared() -> None:
    served = shop()
    places = np.arange(len(served))
    alike = Likeness.of(served, places)
    matrix = np.stack([alike.to(place) for place in range(len(served))])
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    assert (matrix >= 0).all() and matrix.max() <= 1 + 1e-6
    tags = served.fields["tags"]
    assert isinstance(tags, Lists)
    rows = served.facts.rows(named=True)
    for one, other in ((0, 1), (3, 77), (5, 149)):
        left, right = rows[one], rows[other]
        both, either = {*left["tags"]} & {*right["tags"]}, {*left["tags"]} | {*right["tags"]}
        wanted = 0.4 * (left["category"] == right["category"]) + 0.2 * (left["domain"] == right["domain"])
        wanted += 0.15 * (left["brand"] is not None and left["brand"] == right["brand"])
        assert matrix[one, other] == pytest.approx(wanted + 0.25 * len(both) / max(len(either), 1), abs=1e-6)


def test_a_catalogue_without_columns_is_all_different() -> None:
    served = shop()
    bare = Likeness.of(type(served).of(served.recommender, "v"), np.arange(3))
    assert bare.to(0).shape == (3,)
