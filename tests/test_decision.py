"""The decision layers against a plain reference, one task at a time, and against finite differences."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import linear

from firstlight.errors import SettingsError
from firstlight.models import decision

TASKS, SUPPORT, QUERY, INPUTS, HIDDEN = 5, 4, 3, 6, 7
Weights = dict[str, Tensor]
Batch = dict[str, Tensor]


def make(seed: int = 0, tasks: int = TASKS) -> tuple[Weights, Batch]:
    """Weights with biases and a ragged batch in float64; the second task has one example, the third none."""
    chance = torch.Generator().manual_seed(seed)
    weights = {name: tensor.double() for name, tensor in decision.start(INPUTS, HIDDEN, chance).items()}
    weights |= {n: torch.randn(t.shape, generator=chance).double() for n, t in weights.items() if n.endswith("bias")}
    weight = torch.rand(tasks, SUPPORT, generator=chance, dtype=torch.float64) + 0.5
    weight[1:2, 1:], weight[2:3] = 0, 0
    batch = {
        "x": torch.randn(tasks, SUPPORT, INPUTS, generator=chance, dtype=torch.float64),
        "target": torch.randn(tasks, SUPPORT, generator=chance, dtype=torch.float64),
        "weight": weight,
        "query": torch.randn(tasks, QUERY, INPUTS, generator=chance, dtype=torch.float64),
        "wanted": torch.randn(tasks, QUERY, generator=chance, dtype=torch.float64),
    }
    return weights, batch


def forward(weights: Weights, x: Tensor) -> Tensor:
    one = torch.relu(linear(x, weights["first"], weights["first_bias"]))
    two = torch.relu(linear(one, weights["second"], weights["second_bias"]))
    return two @ weights["last"] + weights["last_bias"]


def one_at_a_time(weights: Weights, batch: Batch, rate: float | Tensor, steps: int, first_order: bool) -> Tensor:
    """(T, Q) by automatic differentiation, each task with weights of its own."""
    out = []
    for row in range(len(batch["x"])):
        x, target, weight = batch["x"][row], batch["target"][row], batch["weight"][row]
        own = dict(weights)
        for _ in range(steps):
            loss = (weight * (forward(own, x) - target) ** 2).sum() / weight.sum().clamp(min=1)
            slopes = torch.autograd.grad(loss, list(own.values()), create_graph=not first_order)
            own = {name: tensor - rate * slope for (name, tensor), slope in zip(own.items(), slopes, strict=True)}
        out.append(forward(own, batch["query"][row]))
    return torch.stack(out)


def together(weights: Weights, batch: Batch, rate: float | Tensor, steps: int, first_order: bool) -> Tensor:
    fast = decision.adapt(
        weights, batch["x"], batch["target"], batch["weight"], rate=rate, steps=steps, first_order=first_order
    )
    return decision.predict(weights, fast, batch["query"])


def loss(predicted: Tensor, batch: Batch) -> Tensor:
    return ((predicted - batch["wanted"]) ** 2).sum()


def slopes(of: Callable[..., Tensor], steps: int, first_order: bool) -> list[Tensor]:
    """The meta-gradient with respect to the weights, the inputs of support and query, and the rate."""
    weights, batch = make()
    rate = torch.tensor(0.05, dtype=torch.float64)
    moved = [*weights.values(), batch["x"], batch["query"], rate]
    for tensor in moved:
        tensor.requires_grad_()
    total = loss(of(weights, batch, rate, steps, first_order), batch)
    return list(torch.autograd.grad(total, moved, materialize_grads=True))


def far(a: Tensor, b: Tensor) -> float:
    """The largest difference, relative to the largest value of b."""
    return float(((a - b).abs().max() / b.abs().max().clamp(min=1e-12)).detach())


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("first_order", [False, True])
def test_equals_one_task_at_a_time(steps: int, first_order: bool) -> None:
    weights, batch = make()
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
    predicted = together(weights, batch, 0.05, steps, first_order)
    assert far(predicted, one_at_a_time(leaves, batch, 0.05, steps, first_order)) < 1e-12
    for ours, plain in zip(
        slopes(together, steps, first_order), slopes(one_at_a_time, steps, first_order), strict=True
    ):
        assert far(ours, plain) < 1e-10


def test_the_orders_differ() -> None:
    pairs = zip(slopes(together, 1, False), slopes(together, 1, True), strict=True)
    assert max(far(second, first) for second, first in pairs) > 1e-3


@pytest.mark.parametrize("steps", [1, 5])
def test_the_meta_gradient_equals_finite_differences(steps: int) -> None:
    weights, batch = make(seed=1)
    moved = {**weights, "x": batch["x"], "query": batch["query"]}
    chance = torch.Generator().manual_seed(2)
    way = {n: torch.randn(t.shape, generator=chance, dtype=torch.float64) for n, t in moved.items()}

    def at(distance: float | Tensor) -> Tensor:
        there = {name: tensor + distance * way[name] for name, tensor in moved.items()}
        inner = {name: there[name] for name in weights}
        return loss(together(inner, {**batch, "x": there["x"], "query": there["query"]}, 0.02, steps, False), batch)

    zero = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(at(zero), zero)
    far_apart = 1e-4
    steep = 8 * (at(far_apart / 2) - at(-far_apart / 2)) - (at(far_apart) - at(-far_apart))
    assert far(steep / (6 * far_apart), slope) < 1e-6


@pytest.mark.parametrize("steps", [1, 5])
def test_a_rate_of_zero_changes_nothing(steps: int) -> None:
    weights, batch = make()
    same = decision.predict(weights, None, batch["query"])
    assert torch.equal(together(weights, batch, 0.0, steps, False), same)
    assert far(together(weights, batch, 0.05, steps, False), same) > 1e-2


@pytest.mark.parametrize("steps", [1, 5])
def test_an_empty_support_changes_nothing(steps: int) -> None:
    weights, batch = make()
    same = decision.predict(weights, None, batch["query"])
    adapted = together(weights, batch, 0.05, steps, False)
    assert torch.equal(adapted[2], same[2])
    nothing = {**batch, "x": batch["x"][:, :0], "target": batch["target"][:, :0], "weight": batch["weight"][:, :0]}
    assert torch.equal(together(weights, nothing, 0.05, steps, False), same)


@pytest.mark.parametrize("steps", [1, 5])
def test_what_is_masked_does_not_matter(steps: int) -> None:
    weights, batch = make()
    masked = batch["weight"] == 0
    wild = {**batch, "x": batch["x"].clone(), "target": batch["target"].clone()}
    wild["x"][masked], wild["target"][masked] = 1e3, -1e6
    assert far(together(weights, wild, 0.05, steps, False), together(weights, batch, 0.05, steps, False)) < 1e-12
    single = {name: tensor.float() for name, tensor in wild.items()}
    single["x"][masked] = 1e12
    leaves = {name: tensor.float().requires_grad_() for name, tensor in weights.items()}
    torch.autograd.backward(loss(together(leaves, single, 0.05, steps, False), single))
    assert all(tensor.grad is not None and tensor.grad.isfinite().all() for tensor in leaves.values())


@pytest.mark.parametrize("steps", [1, 5])
def test_alone_as_in_a_batch(steps: int) -> None:
    weights, batch = make()
    whole = together(weights, batch, 0.05, steps, False)
    for row in range(TASKS):
        one = {name: tensor[row : row + 1] for name, tensor in batch.items()}
        assert far(together(weights, one, 0.05, steps, False), whole[row : row + 1]) < 1e-12


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("first_order", [False, True])
def test_a_person_given_once_equals_a_person_in_every_row(steps: int, first_order: bool) -> None:
    weights, batch = make()
    person = torch.randn(TASKS, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64).requires_grad_()
    found = []
    for once in (True, False):
        x, query = batch["x"][:, :, 2:], batch["query"][:, :, 2:]
        if not once:
            x, query = (torch.cat([person.unsqueeze(1).expand(-1, rows.shape[1], -1), rows], 2) for rows in (x, query))
        given = person if once else None
        fast = decision.adapt(
            weights, x, batch["target"], batch["weight"], rate=0.05, steps=steps, first_order=first_order, person=given
        )
        predicted = decision.predict(weights, fast, query, given)
        found.append((predicted, *torch.autograd.grad(loss(predicted, batch), person)))
    for a, b in zip(*found, strict=True):
        assert far(a, b) < 1e-12


@pytest.mark.parametrize("steps", [0, 1, 5])
@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("block", [1, 9, 10_000])
def test_ranking_equals_predicting_every_pair(
    monkeypatch: pytest.MonkeyPatch, steps: int, once: bool, block: int
) -> None:
    monkeypatch.setattr(decision, "BLOCK", block)
    weights, batch = make()
    chance = torch.Generator().manual_seed(4)
    person = torch.randn(TASKS, 2, generator=chance, dtype=torch.float64)
    items = torch.randn(11, INPUTS - 2, generator=chance, dtype=torch.float64)
    given, x = (person, batch["x"][:, :, 2:]) if once else (None, batch["x"])
    rate = torch.rand(TASKS, 1, 1, generator=chance, dtype=torch.float64) / 10
    fast = None
    if steps:
        fast = decision.adapt(weights, x, batch["target"], batch["weight"], rate=rate, steps=steps, person=given)
    pairs = torch.cat([person.unsqueeze(1).expand(-1, 11, -1), items.expand(TASKS, -1, -1)], 2)
    wanted = (
        decision.predict(weights, fast, pairs[:, :, 2:], person) if once else decision.predict(weights, fast, pairs)
    )
    assert far(decision.rank_all(weights, fast, person, items), wanted) < 1e-12
    assert decision.rank_all(weights, None, person[:0], items).shape == (0, 11)


def test_less_than_one_step_is_refused() -> None:
    weights, batch = make()
    with pytest.raises(SettingsError, match="inner_steps is 0"):
        together(weights, batch, 0.05, 0, False)
