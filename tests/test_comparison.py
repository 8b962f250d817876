"""Intervals that hold the truth as often as they say, and differences person by person."""

import pytest
import torch

from firstlight.evaluate.comparison import Interval, difference, intervals, resamples, verdict


def test_resamples_are_means_over_people() -> None:
    weights = resamples(50, seed=0, count=200)
    assert weights.shape == (200, 50)
    assert torch.allclose(weights.sum(1), torch.ones(200), atol=1e-5)
    assert torch.allclose(weights.mean(0), torch.full((50,), 0.02), atol=0.005)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    chance, people, truth = torch.Generator().manual_seed(0), 200, 0.6 * 0.5
    hit = torch.rand(people, 400, generator=chance) < 0.6  # zeros and a skewed rest, like NDCG
    values = hit * torch.rand(people, 400, generator=chance)
    found = intervals(values, resamples(people, seed=1))
    inside = sum(each.low <= truth <= each.high for each in found) / len(found)
    assert 0.92 <= inside <= 0.975
    widths = torch.tensor([each.half for each in found]) / (1.96 * values.std(0) / people**0.5)
    assert widths.min() > 0.9 and widths.max() < 1.1


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    chance = torch.Generator().manual_seed(0)
    person = torch.rand(300, generator=chance)
    ours = person + 0.02 + 0.02 * torch.randn(300, generator=chance)
    theirs = person + 0.02 * torch.randn(300, generator=chance)
    weights = resamples(300)
    paired, (mine, yours) = difference(ours, theirs, weights), intervals(torch.stack([ours, theirs], 1), weights)
    assert paired.half < 0.2 * mine.half
    assert mine.low < yours.high  # apart they overlap,
    assert verdict(paired) == "better"  # person by person they do not
    assert paired.mean == pytest.approx(mine.mean - yours.mean, abs=1e-6)


def test_verdicts() -> None:
    assert verdict(Interval(0.1, 0.01, 0.2)) == "better"
    assert verdict(Interval(0.1, -0.01, 0.2)) == "level"
    assert verdict(Interval(0.0, 0.0, 0.0)) == "level"
    assert verdict(Interval(-0.1, -0.2, -0.01)) == "worse"
