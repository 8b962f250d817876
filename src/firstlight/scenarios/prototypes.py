"""Prototypes of yes and no: an outcome is as likely as its prototype is near."""

import torch
from pydantic import Field
from torch import Tensor

from firstlight.meta.inner import Weights
from firstlight.scenarios.base import Prior
from firstlight.scenarios.examples import Episode, Examples, Rows
from firstlight.scenarios.linear import fit_pooled
from firstlight.scenarios.network import Trained, query_loss


class Prototypes(Trained):
    """Prototypical networks (Snell, Swersky, Zemel, NeurIPS 2017) that know something without any row.

    A row is embedded by a linear map. The prototypes of yes and no are means of the support's rows and of a learned
    row that counts like ``strength`` of them, so that few rows move them little; the log odds are the difference of
    the squared distances, and the level of the scenario, a share of yes held toward that of all scenarios.
    """

    name = "prototypes"
    summary = "Prototypical network: nearness to the mean row of yes and of no."

    strength: float = Field(default=100.0, gt=0, allow_inf_nan=False)

    def start(self, examples: Examples, chance: torch.Generator) -> dict[str, Tensor]:
        linear = fit_pooled(examples, 10.0)["mean"]
        size = len(linear)
        embed = torch.randn(size, self.hidden, generator=chance, dtype=torch.float64) * 0.1 / size**0.5
        # The first direction is that of the pooled regression: its prototypes lie 1 apart, half a unit each side.
        embed[:, 0] = linear / 2
        embed[0, 0] = 0.0
        prototypes = torch.zeros(2, self.hidden, dtype=torch.float64)
        prototypes[1, 0], prototypes[0, 0] = 0.5, -0.5
        return {"embed": embed, "prototypes": prototypes, "level": linear[0].clone()}

    def objective(self, weights: Weights, episode: Episode) -> tuple[Tensor, Weights]:
        return query_loss(self.logits(weights, episode.support, episode.query.features), episode.query), {}

    def logits(self, prior: Prior, support: Rows, query: Tensor) -> Tensor:
        rows = (support.features @ prior["embed"]).transpose(1, 2)
        sides = torch.stack([(1 - support.labels) * support.mask, support.labels * support.mask], 1)
        counts = sides.sum(2)
        sums = (rows[:, None] * sides[:, :, None]).sum(3)
        means = (sums + self.strength * prior["prototypes"]) / (counts + self.strength)[..., None]
        apart = (query @ prior["embed"])[:, :, None] - means[:, None]
        nearness = -apart.square().sum(3)
        share = torch.sigmoid(prior["level"]) * self.strength
        odds = ((counts[:, 1] + share) / (counts[:, 0] + self.strength - share)).log()
        return 2.0 * (nearness[..., 1] - nearness[..., 0]) + odds[:, None]
