"""Weights by name, their gradients, and the same by finite differences."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def differences(function: Callable[[Weights], Tensor], at: Weights, width: float = 1e-5) -> dict[str, Tensor]:
    """Central finite differences of a scalar function, one weight after another."""
    found = {name: torch.zeros_like(value) for name, value in at.items()}
    for name, value in at.items():
        for place in range(value.numel()):
            moved = torch.zeros_like(value)
            moved.view(-1)[place] = width
            up, down = (float(function({**at, name: value + sign * moved})) for sign in (1, -1))
            found[name].view(-1)[place] = (up - down) / (2 * width)
    return found


def gradients(function: Callable[[Weights], Tensor], at: Weights) -> dict[str, Tensor]:
    leaves = {name: value.detach().clone().requires_grad_() for name, value in at.items()}
    found = torch.autograd.grad(function(leaves), list(leaves.values()), materialize_grads=True)
    return dict(zip(leaves, found, strict=True))


def apart(left: Weights, right: Weights) -> float:
    """The relative distance of two sets of weights."""
    one, other = (torch.cat([part[name].flatten() for name in left]) for part in (left, right))
    return float((one - other).norm() / other.norm())
