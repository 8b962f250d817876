"""Metrics of probabilities against counting by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from firstlight.scenarios.metrics import auc, brier_scores, ece, figures, log_losses, mean, reliability

LOGITS = torch.tensor([-2.0, -1.0, -1.0, 0.5, 3.0], dtype=torch.float64)
LABELS = torch.tensor([0.0, 1.0, 0.0, 0.0, 1.0], dtype=torch.float64)


def test_losses_are_those_of_the_definition() -> None:
    chance = torch.sigmoid(LOGITS)
    assert torch.allclose(log_losses(LOGITS, LABELS), -torch.where(LABELS > 0, chance, 1 - chance).log())
    assert torch.allclose(brier_scores(LOGITS, LABELS), (chance - LABELS) ** 2)


def test_the_auc_counts_pairs_and_halves_ties() -> None:
    # Of 2 x 3 pairs: 3.0 wins 3; -1.0 wins 1, ties 1, loses 1.
    assert float(auc(LOGITS, LABELS)) == pytest.approx(4.5 / 6)
    assert auc(LOGITS, torch.ones(5)).isnan()


@given(st.lists(st.integers(0, 4), min_size=5, max_size=5).filter(lambda w: w[1] + w[4] > 0 and w[0] + w[2] + w[3] > 0))
def test_weights_are_repetitions(counts: list[int]) -> None:
    weights, often = torch.tensor([counts], dtype=torch.float64), torch.tensor(counts)
    logits, labels = LOGITS.repeat_interleave(often), LABELS.repeat_interleave(often)
    assert float(auc(LOGITS, LABELS, weights)[0]) == pytest.approx(float(auc(logits, labels)))
    assert float(mean(LOGITS, weights)[0]) == pytest.approx(float(logits.mean()))


def test_the_ece_of_the_truth_is_small_and_of_a_shift_is_the_shift() -> None:
    chance = torch.Generator().manual_seed(0)
    probability = 0.2 + 0.5 * torch.rand(50_000, generator=chance)
    labels = (torch.rand(50_000, generator=chance) < probability).float()
    assert float(ece(probability.logit(), labels)) < 0.01
    assert float(ece((probability + 0.1).logit(), labels)) == pytest.approx(0.1, abs=0.01)


def test_the_diagram_has_all_rows_in_bins_of_like_size() -> None:
    logits = torch.linspace(-3, 3, 1_000, dtype=torch.float64)
    rows, predicted, observed = reliability(logits, (logits > 0).double())
    assert rows.tolist() == [100.0] * 10
    assert (predicted.diff() > 0).all()
    assert observed.tolist() == [0.0] * 5 + [1.0] * 5


def test_figures_leave_out_what_cannot_be_told() -> None:
    assert "auc" not in figures(LOGITS, torch.zeros(5, dtype=torch.float64))
    assert set(figures(LOGITS, LABELS)) == {"log_loss", "brier", "auc", "ece"}
