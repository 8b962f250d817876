"""Logistic regression that is transferred, learned anew, or adapted: three priors over one set of weights."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from firstlight.scenarios.base import Prior, ScenarioLearner
from firstlight.scenarios.examples import Examples, Rows
from firstlight.scenarios.logistic import Gaussian, posterior, predicted
from firstlight.scenarios.mixed import fit_mixed

FREE = 1e-3
"""Precision of the level of all scenarios: as good as unknown."""


class Linear(ScenarioLearner):
    """Weights with a Gaussian prior; the support makes it a posterior, and a row's chance is averaged over that.

    reg: precision of the weights of the terms.
    """

    reg: float = Field(default=10.0, gt=0, allow_inf_nan=False)

    @abstractmethod
    def before(self, prior: Prior) -> Gaussian:
        """What is known of the weights of a new scenario before its first row."""

    def logits(self, prior: Prior, support: Rows, query: Tensor) -> Tensor:
        known = posterior(support.features, support.labels, self.before(prior), support.mask)
        return predicted(query, known)


class Pooled(Linear):
    """One regression for all scenarios. A support counts like as many rows of any other scenario (to second order)."""

    name = "pooled"
    summary = "One logistic regression for all scenarios (transfer without adapting)."
    dials: ClassVar[Mapping[str, tuple[float, ...]]] = {"reg": (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)}

    def fit(self, examples: Examples, seed: int = 0) -> dict[str, Tensor]:
        return fit_pooled(examples, self.reg)

    def before(self, prior: Prior) -> Gaussian:
        return Gaussian(prior["mean"], prior["precision"])


class Separate(Linear):
    """One regression a scenario, from its support alone; of the other scenarios it knows the share of yes.

    certainty: precision of that share, as log odds.
    """

    name = "separate"
    summary = "One logistic regression for each scenario, from its own rows alone."
    dials: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "reg": (1.0, 3.0, 10.0, 30.0, 100.0, 300.0),
        "certainty": (0.3, 1.0, 3.0, 10.0),
    }

    certainty: float = Field(default=3.0, gt=0, allow_inf_nan=False)

    def fit(self, examples: Examples, seed: int = 0) -> dict[str, Tensor]:
        mean = torch.zeros(examples.features.shape[1], dtype=torch.float64)
        mean[0] = rate_logit(examples.labels)
        return {"mean": mean}

    def before(self, prior: Prior) -> Gaussian:
        mean = prior["mean"]
        return Gaussian(mean, _diagonal(len(mean), self.certainty, self.reg))


class Ridge(Linear):
    """Hierarchical Bayesian logistic regression: every scenario has weights of its own, around shared ones.

    Their deviation from the shared weights has variance ``level`` for the scenario's level and ``each`` for every
    term; how uncertain the shared weights are is added. Tuning learns both from episodes, so that adapting is as
    strong as it was of use (empirical Bayes).
    """

    name = "ridge"
    summary = "Hierarchical Bayesian logistic regression: closed-form meta-learning of a prior over scenarios."
    dials: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "reg": (3.0, 10.0, 30.0, 100.0),
        "level": (0.0, 0.01, 0.03, 0.1, 0.3, 1.0),
        "each": (0.0, 0.003, 0.03, 0.3),
    }

    level: float = Field(default=0.01, ge=0, allow_inf_nan=False)
    each: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    def fit(self, examples: Examples, seed: int = 0) -> dict[str, Tensor]:
        return fit_pooled(examples, self.reg, self.level)

    def before(self, prior: Prior) -> Gaussian:
        shared = Gaussian(prior["mean"], prior["precision"])
        whole = shared.covariance() + _diagonal(len(shared.mean), self.level, self.each)
        return Gaussian(shared.mean, torch.cholesky_inverse(torch.linalg.cholesky(whole)))


def fit_pooled(examples: Examples, reg: float, level: float = 0.0) -> dict[str, Tensor]:
    """mean: (F,) and precision: (F, F) of the shared weights after all rows of all scenarios.

    level: the variance of the scenarios' levels.
    """
    size = examples.features.shape[1]
    start = torch.zeros(size, dtype=torch.float64)
    start[0] = rate_logit(examples.labels)
    prior = Gaussian(start, _diagonal(size, FREE, reg))
    if level:
        known = fit_mixed(examples, prior, level)
        return {"mean": known.mean, "precision": known.precision}
    known = posterior(examples.features[None], examples.labels[None], prior)
    return {"mean": known.mean[0], "precision": known.precision[0]}


def rate_logit(labels: Tensor) -> float:
    """Log odds of the share of yes, as if half a yes and half a no had been seen before."""
    yes = float(labels.sum())
    return math.log((yes + 0.5) / (len(labels) - yes + 0.5))


def _diagonal(size: int, level: float, rest: float) -> Tensor:
    diagonal = torch.full((size,), float(rest), dtype=torch.float64)
    diagonal[0] = level
    return diagonal.diag()
