"""Exploration: the plain order without a share, and propensities that are the frequencies of a simulation."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.errors import SettingsError
from firstlight.explore import POOL, explored


def test_without_a_share_it_is_the_order_as_it_is() -> None:
    assert explored(range(9), 4, 0.0, np.random.default_rng(0)) == ([0, 1, 2, 3], [1.0] * 4, [False] * 4)


@given(size=st.integers(0, 60), n=st.integers(1, 9), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_each_is_shown_once_and_comes_from_the_pool(size: int, n: int, share: float, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(1_000)[:size].tolist()
    chosen, propensities, by_chance = explored(order, n, share, np.random.default_rng(seed))
    assert len(chosen) == len(set(chosen)) == len(propensities) == len(by_chance) == min(n, size)
    assert set(chosen) <= set(order[: POOL * n + n])
    assert all(0 <= propensity <= 1 for propensity in propensities)
    left = list(order)
    for item, propensity, chance in zip(chosen, propensities, by_chance, strict=True):
        assert chance == (item != left[0])
        pool = min(POOL * n, len(left))
        assert propensity == pytest.approx((1 - share) * (not chance) + share / pool)
        left.remove(item)


def test_propensities_are_how_often_it_happens() -> None:
    rng, rounds = np.random.default_rng(3), 20_000
    once: dict[int, float] = {}
    twice: dict[tuple[int, int], float] = {}
    first: Counter[int] = Counter()
    second: Counter[tuple[int, int]] = Counter()
    for _ in range(rounds):
        (a, b), propensities, _ = explored(range(6), 2, 0.4, rng)
        first[a] += 1
        second[a, b] += 1
        once[a], twice[a, b] = propensities
    assert sum(once.values()) == pytest.approx(1.0)
    for a in range(6):
        assert first[a] / rounds == pytest.approx(once[a], abs=0.015)
        assert sum(twice[a, b] for b in range(6) if b != a) == pytest.approx(1.0)
    assert second[0, 1] / first[0] == pytest.approx(twice[0, 1], abs=0.015)
    assert second[2, 0] / first[2] == pytest.approx(twice[2, 0], abs=0.05)


def test_the_seed_says_what_is_drawn() -> None:
    drawn = [explored(range(100), 10, 0.5, np.random.default_rng(seed))[0] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_nothing_is_shown_of_nothing() -> None:
    assert explored([], 5, 0.5, np.random.default_rng(0)) == ([], [], [])


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_between_0_and_1(share: float) -> None:
    with pytest.raises(SettingsError, match="from 0 to 1"):
        explored(range(5), 2, share, np.random.default_rng(0))
