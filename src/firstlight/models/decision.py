"""MeLU's decision layers as pure functions, adapted to many tasks at once without a weight matrix per task.

Lee et al., MeLU: Meta-Learned User Preference Estimator for Cold-Start Recommendation, KDD 2019: the embeddings of a
person and an item, side by side, pass two hidden layers with ReLU to one number; the inner loop descends on these
layers and leaves the embeddings as they are. Here the gradient is exact, also to the second order (MeLU's public code
cuts it), and the loss is a weighted mean of squared errors.

What a step subtracts from a layer is a sum of outer products, Σ_s δ_s a_sᵀ, a_s the layer's input and δ_s the
gradient at its output for support example s. So an adapted layer is applied to a new input b as
W b + bias − rate Σ_s (a_s·b + 1) δ_s, the 1 being the bias: factors of rank S (or steps × S) stand for the matrices.
The inner gradient is written out, so autograd passes through it once for the meta-gradient.

Shapes: ``T`` tasks, ``S`` support and ``Q`` query examples, ``N`` items, ``F`` inputs, ``H`` hidden, ``K`` steps.
Where a ``person`` (T, Fp) is given, it is the first part of every input of its task, and x holds the rest: half the
work where both are equally long.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import linear

from firstlight.errors import SettingsError

Weights = Mapping[str, Tensor]

BLOCK = 16_384
"""How many pairs of task and item are ranked at a time: a hidden layer of them stays in a processor's cache."""


@dataclass(frozen=True)
class Fast:
    """What the inner steps have subtracted from the weights, summed over the steps and not yet times the rate.

    rate: a number, () or (T, 1, 1). x: (T, S, F) and first: (T, S, H), the factors of the first layer.
    hidden: (T, K·S, H) and second: (T, K·S, H), those of the second. last: (T, 1, H); last_bias: (T, 1, 1).
    person: (T, Fp), what came before x, or None.
    """

    rate: float | Tensor
    x: Tensor
    first: Tensor
    hidden: Tensor
    second: Tensor
    last: Tensor
    last_bias: Tensor
    person: Tensor | None

    def rows(self, index: slice) -> "Fast":
        """The tasks at ``index``."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return Fast(**{n: part[index] if isinstance(part, Tensor) and part.ndim else part for n, part in parts.items()})


def start(inputs: int, hidden: int, chance: torch.Generator) -> dict[str, Tensor]:
    """Weights to begin with (He et al., 2015): first (H, F), second (H, H), last (H,), and a bias of 0 for each."""
    return {
        "first": torch.randn(hidden, inputs, generator=chance) * (2 / inputs) ** 0.5,
        "first_bias": torch.zeros(hidden),
        "second": torch.randn(hidden, hidden, generator=chance) * (2 / hidden) ** 0.5,
        "second_bias": torch.zeros(hidden),
        "last": torch.randn(hidden, generator=chance) / hidden**0.5,
        "last_bias": torch.zeros(()),
    }


def adapt(
    weights: Weights,
    x: Tensor,
    target: Tensor,
    weight: Tensor,
    *,
    rate: float | Tensor,
    steps: int,
    first_order: bool = False,
    person: Tensor | None = None,
) -> Fast:
    """Descend ``steps`` times on Σ weight · (prediction − target)² / max(Σ weight, 1) of each task.

    x: (T, S, F) and target: (T, S), finite also where masked; weight: (T, S), 0 where masked. rate: a number, () or
    (T, 1, 1); it may be learned. first_order: the inner gradients are constants. Raises SettingsError for less than
    one step.
    """
    if steps < 1:
        raise SettingsError(f"inner_steps is {steps}: take at least 1 step.")
    x, person = (x.detach(), None if person is None else person.detach()) if first_order else (x, person)
    with torch.set_grad_enabled(torch.is_grad_enabled() and not first_order):
        share = 2 * weight / weight.sum(1, keepdim=True).clamp(min=1)
        alike = _alike(x, x, _shared(person, person), rate) if steps > 1 else None
        support = _Support(x, person, target, share, _first(weights, x, person), alike)
        fast = _step(weights, None, support, rate)
        for _ in range(steps - 1):
            fast = _sum(fast, _step(weights, fast, support, rate))
    return fast


def predict(weights: Weights, fast: Fast | None, x: Tensor, person: Tensor | None = None) -> Tensor:
    """(T, Q) predictions for x (T, Q, F) after adapting; fast None: not adapted."""
    first = _first(weights, x, person)
    if fast is None:
        return _forward(weights, None, first, None)[2]
    return _forward(weights, fast, first, _alike(x, fast.x, _shared(person, fast.person), fast.rate))[2]


def rank_all(weights: Weights, fast: Fast | None, person: Tensor, items: Tensor) -> Tensor:
    """(T, N): `predict` of [person; item] for every item, without building those inputs.

    person: (T, Fp), items: (N, Fi), Fp + Fi = F. The items pass the first layer once for all tasks, (N, H); the rest
    goes in blocks of tasks and items, a few hidden layers of BLOCK rows at a time (4 MB each where H is 64).
    """
    before, rest = _apart(weights["first"], person)
    own, shown = linear(person, before, weights["first_bias"]), linear(items, rest)
    tasks = max(1, BLOCK // max(1, len(items)))
    blocks = [slice(at, at + tasks) for at in range(0, len(person), tasks)]
    parts = [_rank(weights, fast and fast.rows(b), person[b], own[b], items, shown) for b in blocks]
    return torch.cat(parts) if parts else person.new_zeros(0, len(items))


def _rank(weights: Weights, fast: Fast | None, person: Tensor, own: Tensor, items: Tensor, shown: Tensor) -> Tensor:
    """The same for a few tasks. own: (T, H) and shown: (N, H), the first layer's output for person and items."""
    if fast is None:
        parts = [_forward(weights, None, own.unsqueeze(1) + some, None)[2] for some in torch.split(shown, BLOCK)]
        return torch.cat(parts, 1)
    shared, x = _between(person, fast)
    second = weights["second"] - fast.rate * (fast.second.mT @ fast.hidden)
    bias = weights["second_bias"] - fast.rate * fast.second.sum(1, keepdim=True)
    parts = []
    for some, first in zip(torch.split(items, BLOCK), torch.split(shown, BLOCK), strict=True):
        alike = (some @ x.flatten(0, 1).T).reshape(len(some), *x.shape[:2]).transpose(0, 1)
        one = torch.baddbmm(first, (alike + shared) * -fast.rate, fast.first).add_(own.unsqueeze(1)).relu_()
        two = torch.baddbmm(bias, one, second.mT).relu_()
        parts.append((two @ _last(weights, fast).mT).squeeze(2))
    return torch.cat(parts, 1) + (weights["last_bias"] - fast.rate * fast.last_bias).squeeze(2)


def _between(person: Tensor, fast: Fast) -> tuple[Tensor, Tensor]:
    """How alike person and support are beside the items, (T, 1, S) or (T, 1, 1), and the items of the support."""
    if fast.person is not None:
        return _shared(person, fast.person), fast.x
    before, x = _apart(fast.x, person)
    return 1 + person.unsqueeze(1) @ before.mT, x


def _apart(inputs: Tensor, person: Tensor) -> tuple[Tensor, Tensor]:
    """The part of the last axis that belongs to the person, and the rest."""
    return inputs[..., : person.shape[1]], inputs[..., person.shape[1] :]


def _first(weights: Weights, x: Tensor, person: Tensor | None) -> Tensor:
    """(T, Q, H): the output of the first layer, not adapted."""
    if person is None:
        return linear(x, weights["first"], weights["first_bias"])
    before, rest = _apart(weights["first"], person)
    return linear(x, rest).add_(linear(person, before, weights["first_bias"]).unsqueeze(1))


def _forward(weights: Weights, fast: Fast | None, first: Tensor, alike: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Both hidden layers (T, Q, H) and the predictions (T, Q).

    first: (T, Q, H) the first layer's output before it is adapted. alike: (T, Q, S) of its inputs.
    """
    if fast is None or alike is None:
        one = torch.relu(first)
        two = linear(one, weights["second"], weights["second_bias"]).relu_()
        return one, two, two @ weights["last"] + weights["last_bias"]
    one = torch.baddbmm(first, alike, fast.first).relu_()
    second = linear(one, weights["second"], weights["second_bias"])
    two = torch.baddbmm(second, _alike(one, fast.hidden, one.new_ones(()), fast.rate), fast.second).relu_()
    bias = weights["last_bias"] - fast.rate * fast.last_bias
    return one, two, torch.baddbmm(bias, two, _last(weights, fast).mT).squeeze(2)


@dataclass(frozen=True)
class _Support:
    """What every step needs. share: (T, S), the slope of the loss by half the squared error of each example."""

    x: Tensor
    person: Tensor | None
    target: Tensor
    share: Tensor
    first: Tensor
    alike: Tensor | None


def _step(weights: Weights, fast: Fast | None, support: _Support, rate: float | Tensor) -> Fast:
    """What one more step subtracts."""
    one, two, prediction = _forward(weights, fast, support.first, support.alike)
    error = (support.share * (prediction - support.target)).unsqueeze(2)
    last = weights["last"] if fast is None else _last(weights, fast)
    second = _where_positive(two, error * last)
    below = second @ weights["second"]
    if fast is not None:
        below = torch.baddbmm(below, second @ fast.second.mT * -rate, fast.hidden)
    first = _where_positive(one, below)
    return Fast(rate, support.x, first, one, second, error.mT @ two, error.sum(1, keepdim=True), support.person)


def _where_positive(hidden: Tensor, slope: Tensor) -> Tensor:
    """``slope`` where the ReLU lets it pass, else 0: one operation where a comparison and a product would be three."""
    passed: Tensor = torch.ops.aten.threshold_backward(slope, hidden.detach(), 0)
    return passed


def _sum(fast: Fast, step: Fast) -> Fast:
    """Both together: where the inputs of a layer are the same, its factors add up; else they stand side by side."""
    return Fast(
        fast.rate,
        fast.x,
        fast.first + step.first,
        torch.cat([fast.hidden, step.hidden], 1),
        torch.cat([fast.second, step.second], 1),
        fast.last + step.last,
        fast.last_bias + step.last_bias,
        fast.person,
    )


def _shared(person: Tensor | None, before: Tensor | None) -> Tensor:
    """(T, 1, 1) or (): what the inputs have in common beside x: the bias, and the person."""
    if person is None or before is None:
        return torch.ones(())
    return 1 + (person * before).sum(1).reshape(-1, 1, 1)


def _alike(inputs: Tensor, support: Tensor, shared: Tensor, rate: float | Tensor) -> Tensor:
    """(T, Q, S): −rate (b·a + shared) for inputs b (T, Q, F) and support inputs a (T, S, F)."""
    return torch.baddbmm(shared.to(inputs), inputs, support.mT) * -rate


def _last(weights: Weights, fast: Fast) -> Tensor:
    """(T, 1, H): the last layer's weights after the steps."""
    return weights["last"] - fast.rate * fast.last
