"""The inner loop: its gradients against finite differences and a plain loop, and optima that are known."""

import math
from collections.abc import Callable

import pytest
import torch
from conformance import same
from gradients import Weights, apart, chance, differences, gradients
from torch import Tensor
from torch.func import vmap

from firstlight.budget import Budget, silent
from firstlight.meta.inner import descend
from firstlight.meta.outer import Outer, learn


def network(seed: int = 1) -> dict[str, Tensor]:
    """A small nonlinear one in float64."""
    sizes = {"first": (4, 2), "first_bias": (4,), "second": (4,), "second_bias": ()}
    return {name: torch.randn(size, generator=chance(seed), dtype=torch.float64) for name, size in sizes.items()}


def predicted(weights: Weights, x: Tensor) -> Tensor:
    return torch.tanh(x @ weights["first"].T + weights["first_bias"]) @ weights["second"] + weights["second_bias"]


def error(weights: Weights, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    return ((predicted(weights, x) - y).square() * mask).sum() / mask.sum().clamp(min=1)


def problems(tasks: int = 3, seed: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Support and query of seven examples each: x (T, 2, 7, 2), y (T, 2, 7), and a ragged mask."""
    x = torch.randn(tasks, 2, 7, 2, generator=chance(seed), dtype=torch.float64)
    y = torch.sin(2 * x[..., 0]) + torch.randn(tasks, 2, 1, generator=chance(seed + 1), dtype=torch.float64)
    counts = torch.randint(1, 8, (tasks, 2, 1), generator=chance(seed + 2))
    return x, y, (torch.arange(7) < counts).double()


def adapted(
    weights: Weights, x: Tensor, y: Tensor, mask: Tensor, rates: Weights, steps: int, first_order: bool
) -> dict[str, Tensor]:
    return descend(lambda fast: error(fast, x, y, mask), weights, rates, steps=steps, first_order=first_order)


def rates_of(weights: Weights) -> dict[str, Tensor]:
    """One for each parameter, all different."""
    return {
        name: 0.05 + 0.1 * torch.rand(value.shape, generator=chance(9), dtype=torch.float64)
        for name, value in weights.items()
    }


@pytest.mark.parametrize("steps", [1, 5])
def test_the_second_order_gradient_is_that_of_finite_differences(steps: int) -> None:
    x, y, mask = problems(1)
    start = network()
    both = {**start, **{f"rate.{name}": value for name, value in rates_of(start).items()}}

    def after(values: Weights) -> Tensor:
        own = {name: value for name, value in values.items() if name in start}
        rates = {name: values[f"rate.{name}"] for name in start}
        return error(adapted(own, x[0, 0], y[0, 0], mask[0, 0], rates, steps, False), x[0, 1], y[0, 1], mask[0, 1])

    assert apart(gradients(after, both), differences(after, both)) < 1e-6


@pytest.mark.parametrize("steps", [1, 5])
def test_the_first_order_gradient_holds_the_inner_one_constant(steps: int) -> None:
    x, y, mask = problems(1)
    start, rates = network(), rates_of(network())
    ends = adapted(start, x[0, 0], y[0, 0], mask[0, 0], rates, steps, True)
    way = {name: start[name] - ends[name] for name in start}

    def constant(values: Weights) -> Tensor:
        return error({name: value - way[name] for name, value in values.items()}, x[0, 1], y[0, 1], mask[0, 1])

    def after(values: Weights, first_order: bool = True) -> Tensor:
        fast = adapted(values, x[0, 0], y[0, 0], mask[0, 0], rates, steps, first_order)
        return error(fast, x[0, 1], y[0, 1], mask[0, 1])

    first = gradients(after, start)
    assert apart(first, differences(constant, start)) < 1e-6
    assert apart(first, gradients(lambda values: after(values, False), start)) > 1e-2
    assert same(ends, adapted(start, x[0, 0], y[0, 0], mask[0, 0], rates, steps, False))


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_all_at_once_is_one_at_a_time_is_the_plain_loop(steps: int, first_order: bool) -> None:
    x, y, mask = problems(6)
    start, rates = network(), rates_of(network())

    def after(values: Weights, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        return error(adapted(values, x[0], y[0], mask[0], rates, steps, first_order), x[1], y[1], mask[1])

    def plain(values: Weights, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        fast, real = dict(values), mask.bool()
        for _ in range(steps):
            # Only the examples that are there, so that a mask which leaks would be seen.
            loss = error(fast, x[0, real[0]], y[0, real[0]], mask[0, real[0]])
            slopes = torch.autograd.grad(loss, list(fast.values()), create_graph=not first_order)
            fast = {name: fast[name] - rates[name] * slope for name, slope in zip(fast, slopes, strict=True)}
        return error(fast, x[1, real[1]], y[1, real[1]], mask[1, real[1]])

    def at_once(values: Weights) -> Tensor:
        found: Tensor = vmap(lambda *task: after(values, *task))(x, y, mask)
        return found.sum()

    def one_by_one(values: Weights) -> Tensor:
        return torch.stack([after(values, *task) for task in zip(x, y, mask, strict=True)]).sum()

    def looped(values: Weights) -> Tensor:
        return torch.stack([plain(values, *task) for task in zip(x, y, mask, strict=True)]).sum()

    torch.testing.assert_close(at_once(start), one_by_one(start))
    together = gradients(at_once, start)
    assert apart(together, gradients(one_by_one, start)) < 1e-10
    assert apart(together, gradients(looped, start)) < 1e-10


@pytest.mark.parametrize("clip", [0.1, 1e6])
def test_a_long_inner_gradient_is_shortened(clip: float) -> None:
    x, y, mask = problems(1)
    start = network()
    slopes = gradients(lambda w: error(w, x[0, 0], y[0, 0], mask[0, 0]), start)
    norm = float(torch.cat([value.flatten() for value in slopes.values()]).norm())
    assert 0.1 < norm < 1e6
    share = min(1.0, clip / norm)

    def after(values: Weights) -> dict[str, Tensor]:
        rates = dict.fromkeys(values, 0.5)
        return descend(lambda fast: error(fast, x[0, 0], y[0, 0], mask[0, 0]), values, rates, steps=1, clip=clip)

    for name, value in after(start).items():
        torch.testing.assert_close(value, start[name] - 0.5 * share * slopes[name])

    def query(values: Weights) -> Tensor:
        return error(after(values), x[0, 1], y[0, 1], mask[0, 1])

    assert apart(gradients(query, start), differences(query, start)) < 1e-6


def test_a_slope_of_0_has_no_direction_and_is_shortened_all_the_same() -> None:
    def ends(values: Weights) -> Tensor:
        return descend(lambda fast: (fast["a"] * 0).sum(), values, {"a": 1.0}, steps=2, clip=0.1)["a"].sum()

    assert torch.equal(gradients(ends, {"a": torch.ones(2)})["a"], torch.ones(2))


def test_no_rate_no_step_and_no_example_move_nothing() -> None:
    x, y, mask = problems(1)
    start, rates = network(), rates_of(network())
    none = {name: torch.zeros_like(value) for name, value in rates.items()}
    assert same(adapted(start, x[0, 0], y[0, 0], mask[0, 0], none, 5, False), start)
    assert same(adapted(start, x[0, 0], y[0, 0], mask[0, 0], rates, 0, False), start)
    assert same(adapted(start, x[0, 0], y[0, 0], torch.zeros(7), rates, 5, False), start)


def trained(weights: Weights, objective: Callable[[Weights, int], Tensor], steps: int, rate: float) -> Weights:
    return learn(
        weights,
        lambda values, step: (objective(values, step), {}),
        Outer(steps, rate),
        budget=Budget(),
        progress=silent,
        name="",
    )


def wave(weights: Weights, x: Tensor) -> Tensor:
    """A network of 1-40-40-1 at x (..., 1)."""
    one = torch.tanh(x @ weights["first"] + weights["first_bias"])
    two = torch.tanh(one @ weights["second"] + weights["second_bias"])
    return (two @ weights["third"] + weights["third_bias"]).squeeze(-1)


def waves(step: int, tasks: int) -> tuple[Tensor, Tensor]:
    """Sinusoids of amplitude 0.1 to 5 and phase 0 to π at 20 places between -5 and 5: x (T, 20, 1), y (T, 20)."""
    drawn = chance(step)
    amplitude, phase = (
        0.1 + 4.9 * torch.rand(tasks, 1, generator=drawn),
        math.pi * torch.rand(tasks, 1, generator=drawn),
    )
    x = 10 * torch.rand(tasks, 20, 1, generator=drawn) - 5
    return x, amplitude * torch.sin(x.squeeze(-1) - phase)


def test_maml_learns_to_learn_sinusoids() -> None:
    sizes = {"first": (1, 40), "second": (40, 40), "third": (40, 1)}
    start = {name: torch.randn(size, generator=chance(3)) / size[0] ** 0.5 for name, size in sizes.items()}
    start |= {f"{name}_bias": torch.zeros(size[1]) for name, size in sizes.items()}

    def ends(weights: Weights, x: Tensor, y: Tensor, steps: int) -> Tensor:
        """(T, 10): squared errors on the last ten places after adapting on the first ten."""

        def one(x: Tensor, y: Tensor) -> Tensor:
            rates = dict.fromkeys(weights, 0.05)
            fast = descend(lambda w: (wave(w, x[:10]) - y[:10]).square().mean(), weights, rates, steps=steps)
            return (wave(fast, x[10:]) - y[10:]).square()

        found: Tensor = vmap(one)(x, y)
        return found

    meta = trained(start, lambda w, step: ends(w, *waves(step, 25), 1).mean(), 700, 1e-2)
    pretrained = trained(start, lambda w, step: ends(w, *waves(step, 64), 0).mean(), 400, 1e-2)
    unseen = waves(10**6, 1_000)
    # Nobody who does not adapt does better than the mean wave, which leaves E[A²]/2 − (2 E[A]/π)² E[cos²x] = 3.0.
    assert float(ends(pretrained, *unseen, 0).mean()) == pytest.approx(3.0, abs=0.25)
    assert float(ends(pretrained, *unseen, 1).mean()) > 2
    assert float(ends(meta, *unseen, 1).mean()) < 0.8


SPREAD = torch.tensor([0.5, 1.0, 2.0])
MIDDLE = torch.tensor([1.0, -2.0, 0.5])
SHOTS = 24


def line(values: Weights, step: int) -> Tensor:
    """The error after one step on y = (MIDDLE + e)·x, the examples of dimension d being SPREAD[d] wide."""
    drawn = chance(step)
    truth = MIDDLE + torch.randn(128, 3, generator=drawn)
    x = SPREAD * torch.randn(128, 2, SHOTS, 3, generator=drawn)
    rates = {"line": values["log_rate"].exp()}

    def one(x: Tensor, truth: Tensor) -> Tensor:
        own = {"line": values["line"]}
        fast = descend(lambda w: (x[0] @ (w["line"] - truth)).square().mean(), own, rates, steps=1)
        return (x[1] @ (fast["line"] - truth)).square().mean()

    found: Tensor = vmap(one)(x, truth)
    return found.mean()


def test_the_best_start_of_lines_is_their_mean_and_the_best_rates_have_a_closed_form() -> None:
    # One step leads to (I − 2AĤ)(w − truth), Ĥ = XᵀX/S. For Gaussian x of covariance H = diag(s²) and standard
    # normal e, E[(Ĥe)_d e_d] = s_d² and E[(Ĥe)_d²] = s_d² (s_d² (1 + 1/S) + tr H / S); the rate is half their ratio.
    best = 1 / (2 * (SPREAD**2 * (1 + 1 / SHOTS) + (SPREAD**2).sum() / SHOTS))
    found = trained({"line": torch.zeros(3), "log_rate": torch.full((3,), -3.0)}, line, 800, 3e-2)
    torch.testing.assert_close(found["line"], MIDDLE, atol=0.1, rtol=0)
    torch.testing.assert_close(found["log_rate"].exp(), best, atol=0, rtol=0.06)
