"""The sampled softmax: all is the whole, and on average a part is too."""

from dataclasses import replace

import pytest
import torch
from episodes import ASKED, KNOWN, episode_of, market, parts
from gradients import Weights, apart, chance, gradients
from torch import Tensor

from firstlight.meta.episodes import Episode
from firstlight.meta.losses import softmax_loss
from firstlight.meta.sampled import Sample, sampled


def varied(episode: Episode, seed: int) -> Episode:
    """The same, with one more query slot that is masked: the draw depends on the episode."""
    column = torch.zeros_like(episode.query[:, :1])
    column[0], column[1] = seed % 100, seed // 100
    empty = torch.zeros_like(episode.query_grades[:, :1])
    return replace(
        episode, query=torch.cat([episode.query, column], 1), query_grades=torch.cat([episode.query_grades, empty], 1)
    )


def sampled_loss(logits: Tensor, episode: Episode, size: int) -> Tensor:
    sample = sampled(episode, logits.shape[1], size)
    return softmax_loss((logits - sample.log_chance)[:, sample.columns], sample.episode)


@pytest.mark.parametrize("pooled", [False, True])
def test_a_sample_of_all_is_the_whole(pooled: bool) -> None:
    pool = torch.ones(4, 6, dtype=torch.bool)
    pool[0, 5] = pool[1, 3] = False
    episode = episode_of(KNOWN, ASKED, pool if pooled else None)
    logits = torch.randn(4, 6, generator=chance(), dtype=torch.float64)
    torch.testing.assert_close(sampled_loss(logits, episode, 6), softmax_loss(logits, episode))
    sample = sampled(episode, 6, 6)
    assert torch.equal(sample.columns, torch.arange(6))
    for left, right in zip(parts(sample.episode), parts(episode), strict=True):
        assert torch.equal(left, right)


def test_positions_count_the_sample() -> None:
    episode = market().batch(0)
    sample = sampled(episode, 120, 30)
    assert 30 < len(sample.columns) < 120
    assert bool((sample.columns.diff() > 0).all())
    for before, grades, after, left in (
        (episode.query, episode.query_grades, sample.episode.query, sample.episode.query_grades),
        (episode.task.columns, episode.task.grades, sample.episode.task.columns, sample.episode.task.grades),
    ):
        there = torch.isin(before, sample.columns) & (grades != 0)
        assert torch.equal(left != 0, there)
        assert torch.equal(left[there], grades[there])
        assert torch.equal(sample.columns[after[there]], before[there])
    again = sampled(episode, 120, 30)
    assert torch.equal(again.columns, sample.columns)
    assert not torch.equal(sampled(varied(episode, 1), 120, 30).columns, sample.columns)


def test_the_gradient_of_samples_is_on_average_that_of_the_whole() -> None:
    episode = market(size=16).batch(0)
    logits = {"x": torch.randn(16, 120, generator=chance())}
    whole = gradients(lambda w: softmax_loss(w["x"], episode), logits)

    def mean(corrected: float) -> Weights:
        total = torch.zeros(16, 120)
        for seed in range(150):
            sample = sampled(varied(episode, seed), 120, 60)

            def loss(w: Weights, sample: Sample = sample) -> Tensor:
                return softmax_loss((w["x"] - corrected * sample.log_chance)[:, sample.columns], sample.episode)

            total += gradients(loss, logits)["x"] / 150
        return {"x": total}

    assert apart(mean(1.0), whole) < 0.1
    assert apart(mean(0.0), whole) > 0.1
