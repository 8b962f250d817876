"""Newton's answer against finite differences, known optima and numerical integration."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from firstlight.scenarios.logistic import Gaussian, cost, posterior, predicted

FEATURES = 4


def problem(seed: int, tasks: int = 3, rows: int = 25) -> tuple[torch.Tensor, torch.Tensor, Gaussian]:
    chance = torch.Generator().manual_seed(seed)
    features = torch.randn(tasks, rows, FEATURES, generator=chance, dtype=torch.float64)
    labels = (torch.rand(tasks, rows, generator=chance) < 0.3).double()
    root = torch.randn(FEATURES, FEATURES, generator=chance, dtype=torch.float64)
    precision = root @ root.T + 0.1 * torch.eye(FEATURES, dtype=torch.float64)
    return features, labels, Gaussian(torch.randn(FEATURES, generator=chance, dtype=torch.float64), precision)


@given(st.integers(0, 1_000))
def test_the_slope_of_the_cost_is_zero_at_the_mode(seed: int) -> None:
    features, labels, prior = problem(seed)
    mask = torch.ones_like(labels)
    mode = posterior(features, labels, prior).mean
    step = 1e-4 * torch.eye(FEATURES, dtype=torch.float64)
    slopes = [
        (cost(mode + way, features, labels, prior, mask) - cost(mode - way, features, labels, prior, mask)) / 2e-4
        for way in step
    ]
    assert torch.stack(slopes).abs().max() < 1e-5


def test_the_precision_is_the_curvature_of_the_cost() -> None:
    features, labels, prior = problem(0, tasks=1)
    known = posterior(features, labels, prior)
    mask = torch.ones_like(labels)

    def of(weights: torch.Tensor) -> torch.Tensor:
        return cost(weights[None], features, labels, prior, mask)[0]

    found = torch.autograd.functional.hessian(of, known.mean[0])  # type: ignore[no-untyped-call]
    assert torch.allclose(found, known.precision[0], atol=1e-6)


def test_a_single_level_finds_the_log_odds() -> None:
    labels = torch.tensor([[1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    free = Gaussian(torch.zeros(1, dtype=torch.float64), 1e-9 * torch.eye(1, dtype=torch.float64))
    known = posterior(torch.ones(1, 4, 1, dtype=torch.float64), labels, free)
    assert known.mean.item() == pytest.approx(torch.tensor(0.25).logit().item(), abs=1e-5)
    assert known.precision.item() == pytest.approx(4 * 0.25 * 0.75, abs=1e-5)


def test_padding_and_company_change_nothing() -> None:
    features, labels, prior = problem(1)
    mask = torch.ones_like(labels)
    mask[:, 20:] = 0.0
    together = posterior(features, labels, prior, mask).mean
    alone = [posterior(features[[task], :20], labels[[task], :20], prior).mean[0] for task in range(3)]
    assert torch.allclose(together, torch.stack(alone), atol=1e-7)


def test_one_class_alone_and_no_row_have_an_answer() -> None:
    features, labels, prior = problem(2)
    certain = posterior(1e3 * features, torch.ones_like(labels), prior)
    assert certain.mean.isfinite().all()
    nothing = posterior(features[:, :0], labels[:, :0], prior)
    assert torch.equal(nothing.mean, prior.mean.expand(3, -1))


def test_a_second_support_goes_on_where_the_first_ended() -> None:
    """To second order: the posterior of a first half is the prior of the second."""
    features, labels, prior = problem(3, tasks=1, rows=400)
    first = posterior(features[:, :390], labels[:, :390], prior)
    second = posterior(features[:, 390:], labels[:, 390:], first)
    whole = posterior(features, labels, prior)
    assert torch.allclose(second.mean, whole.mean, atol=2e-3)


def test_the_average_chance_is_that_of_many_weights() -> None:
    known = Gaussian(torch.tensor([[0.8]], dtype=torch.float64), torch.tensor([[[0.5]]], dtype=torch.float64))
    features = torch.tensor([[[1.0], [2.0], [-1.5]]], dtype=torch.float64)
    weights = 0.8 + torch.randn(200_000, generator=torch.Generator().manual_seed(0)).double() / 0.5**0.5
    drawn = torch.sigmoid(features[0] @ weights[None]).mean(1)
    assert torch.allclose(torch.sigmoid(predicted(features, known)[0]), drawn, atol=0.02)
