"""The inner loop: descent of a task's fast weights, a pure function, to be mapped over tasks with ``vmap``.

θ_i = θ − α ∇_θ L(θ; support_i), several times over (Finn, Abbeel, Levine, ICML 2017, equation 1). Nothing is copied,
restored or kept: fast weights are values.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.func import grad

Weights = Mapping[str, Tensor]


def descend(
    loss: Callable[[Weights], Tensor],
    start: Weights,
    rates: Mapping[str, Tensor | float],
    *,
    steps: int,
    first_order: bool = False,
    clip: float = math.inf,
) -> dict[str, Tensor]:
    """The fast weights of one task after ``steps`` steps from ``start``.

    loss: of fast weights, a scalar. rates: name -> step size, a scalar or one for each parameter.
    first_order: the outer gradient takes the inner gradient for a constant (FOMAML). clip: the largest norm of the
    gradient of a step, over all fast weights; a longer one is shortened.
    """
    fast = dict(start)
    slope = grad(loss)
    for _ in range(steps):
        slopes = shortened(slope(fast), clip)
        if first_order:
            slopes = {name: value.detach() for name, value in slopes.items()}
        fast = {name: value - rates[name] * slopes[name] for name, value in fast.items()}
    return fast


def shortened(slopes: Weights, longest: float) -> dict[str, Tensor]:
    """The same direction, of norm ``longest`` at most."""
    if math.isinf(longest):
        return dict(slopes)
    squared = torch.stack([value.square().sum() for value in slopes.values()]).sum()
    # The root is taken where it cannot be that of 0, whose slope is infinite.
    share = longest / squared.clamp(min=longest**2).sqrt()
    return {name: value * share for name, value in slopes.items()}
