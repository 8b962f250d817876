"""Logistic regression with a Gaussian prior, many tasks at once: Newton steps to the mode, and Laplace around it.

Bishop, Pattern Recognition and Machine Learning (2006), sections 4.3.3, 4.4 and 4.5.2.
"""

from typing import NamedTuple

import torch
from torch import Tensor

STEPS = 50
LONGEST = 5.0
"""The longest Newton step, in any weight: far from the mode the quadratic is a bad guide."""
ENOUGH = 1e-9


class Gaussian(NamedTuple):
    """Weights that are known so well: ``mean`` (..., F) and ``precision`` (..., F, F)."""

    mean: Tensor
    precision: Tensor

    def covariance(self) -> Tensor:
        """(..., F, F)."""
        return torch.cholesky_inverse(torch.linalg.cholesky(self.precision))


def cost(weights: Tensor, features: Tensor, labels: Tensor, prior: Gaussian, mask: Tensor) -> Tensor:
    """(T,): what ``posterior`` minimises, -log p(labels | weights) - log p(weights) up to a constant.

    weights: (T, F). features: (T, S, F). labels, mask: (T, S); a row counts as often as its mask says.
    """
    scores = (features @ weights[..., None])[..., 0]
    losses = torch.nn.functional.softplus(scores) - labels * scores
    away = weights - prior.mean
    return (losses * mask).sum(-1) + 0.5 * torch.einsum("...f,...fg,...g->...", away, prior.precision, away)


def posterior(features: Tensor, labels: Tensor, prior: Gaussian, mask: Tensor | None = None) -> Gaussian:
    """The mode of the weights of each task after seeing its rows, and the curvature there. Shapes as in `cost`.

    The prior may be one for all tasks. The cost is convex and the step is halved where it would not fall, so that
    the mode is found from anywhere, also for one class alone.
    """
    mask = torch.ones_like(labels) if mask is None else mask
    weights = prior.mean.expand(len(features), -1).clone()
    reached = cost(weights, features, labels, prior, mask)
    for _ in range(STEPS):
        chance = torch.sigmoid((features @ weights[..., None])[..., 0])
        slope = ((chance - labels) * mask)[:, None] @ features
        slope = slope[:, 0] + ((weights - prior.mean)[..., None, :] @ prior.precision)[..., 0, :]
        curve = _curvature(features, chance * (1 - chance) * mask) + prior.precision
        step = torch.linalg.solve(curve, slope)
        step = step * (LONGEST / step.abs().amax(1, keepdim=True).clamp(min=LONGEST))
        tried = weights - step
        found = cost(tried, features, labels, prior, mask)
        for _ in range(20):
            worse = found > reached + ENOUGH
            if not worse.any():
                break
            step = torch.where(worse[:, None], step / 2, step)
            tried = weights - step
            found = cost(tried, features, labels, prior, mask)
        weights, reached = tried, found
        if float(step.abs().max()) < ENOUGH**0.5:
            break
    chance = torch.sigmoid((features @ weights[..., None])[..., 0])
    return Gaussian(weights, _curvature(features, chance * (1 - chance) * mask) + prior.precision)


def predicted(features: Tensor, known: Gaussian) -> Tensor:
    """(T, Q) logits of the probability of yes, averaged over what the weights may be.

    features: (T, Q, F). The average of a sigmoid over a Gaussian is close to a sigmoid of logits that are shrunk by
    their variance (MacKay 1992).
    """
    scores = (features @ known.mean[..., None])[..., 0]
    root = torch.linalg.cholesky(known.precision)
    wide = torch.linalg.solve_triangular(root.expand(len(features), -1, -1), features.mT, upper=False)
    found: Tensor = scores / (1 + torch.pi / 8 * wide.square().sum(1)).sqrt()
    return found


def _curvature(features: Tensor, weight: Tensor) -> Tensor:
    """(T, F, F): the sum of the weighted outer products of the rows."""
    found: Tensor = (features * weight[..., None]).mT @ features
    return found
