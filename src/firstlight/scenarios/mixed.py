"""Logistic regression in which every scenario has a level of its own, drawn around a shared one.

The generalised linear mixed model with a random intercept, by Laplace's approximation (Breslow and Clayton 1993):
large scenarios do not outvote small ones on the level, and slopes are not flattened by levels that differ.
"""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from firstlight.scenarios.examples import Examples
from firstlight.scenarios.logistic import ENOUGH, LONGEST, STEPS, Gaussian


def fit_mixed(examples: Examples, prior: Gaussian, level: float) -> Gaussian:
    """What is known of the shared weights (F,) after all rows, whatever the levels of the scenarios may be.

    level: the variance of a scenario's level, above 0. Newton on shared weights and levels together; the levels'
    part of the curvature is diagonal and is eliminated. The first feature is 1 in every row.
    """
    scenario = torch.repeat_interleave(torch.arange(len(examples)), examples.counts)
    weights, own = prior.mean, torch.zeros(len(examples), dtype=torch.float64)
    reached = _cost(examples, prior, level, scenario, weights, own)
    marginal = prior.precision
    for _ in range(STEPS):
        chance = torch.sigmoid(examples.features @ weights + own[scenario])
        heavy = (chance * (1 - chance))[:, None] * examples.features
        wrong = (chance - examples.labels)[:, None] * examples.features
        of_scenario = torch.zeros(2, len(own), len(weights), dtype=torch.float64)
        of_scenario.index_add_(1, scenario, torch.stack([heavy, wrong]))
        across, slope = of_scenario[0], of_scenario[1, :, 0] + own / level
        curve = across[:, 0] + 1 / level
        marginal = examples.features.T @ heavy + prior.precision - (across / curve[:, None]).T @ across
        shared = of_scenario[1].sum(0) + prior.precision @ (weights - prior.mean) - (slope / curve) @ across
        step = torch.linalg.solve(marginal, shared)
        own_step = (slope - across @ step) / curve
        share = min(1.0, LONGEST / float(torch.cat([step, own_step]).abs().max().clamp(min=ENOUGH)))
        while (
            _cost(examples, prior, level, scenario, weights - share * step, own - share * own_step) > reached + ENOUGH
        ):
            share /= 2
        weights, own = weights - share * step, own - share * own_step
        reached = _cost(examples, prior, level, scenario, weights, own)
        if float(step.abs().max()) < ENOUGH**0.5:
            break
    return Gaussian(weights, marginal)


def _cost(examples: Examples, prior: Gaussian, level: float, scenario: Tensor, weights: Tensor, own: Tensor) -> float:
    scores = examples.features @ weights + own[scenario]
    losses = softplus(scores) - examples.labels * scores
    away = weights - prior.mean
    return float(losses.sum() + 0.5 * (away @ prior.precision @ away + own.square().sum() / level))
