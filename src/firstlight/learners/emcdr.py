"""EMCDR: factors in each domain, and a linear bridge from what somebody is in one to what they will be in another.

Man, Shen, Jin, Cheng: Cross-domain recommendation: an embedding and mapping approach, IJCAI 2017. By an SVD of each
domain alone a person has factors u_d there, and a like is x_j ≈ p_j + r_jᵀ(u_d − μ_d). Ridge regression on the people
known in both finds the bridge: of somebody with events in s alone one expects

    m_t = μ_t + c_st + B_st (û_s − μ_s)

Differs: m_t is the mean of a Gaussian, whose covariance is that of the people of t, and the person's own events in t
are conditioned on (one small solve), so that a bridge counts the less the better somebody is known there. û_s is the
same posterior in s. Bridges of several sources are averaged; one that does harm to people put aside is switched off.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.pairs import Twins, counted
from firstlight.learners.spaces import Spaces, features, spaces, standing
from firstlight.learners.transfer import (
    Gain,
    crossing,
    facts,
    grown,
    known,
    pairs,
    places,
    put_aside,
    reached,
    switches,
)
from firstlight.learners.validation import LEAST
from firstlight.tasks import Corpus, NewItems, Support, TaskBatch

REACH = 30
"""Twins are found among items that so many likes at most lie between."""


class Emcdr(Learner):
    """factors: how many in each domain. noise: the variance of a like that they do not explain, in units of what they
    do explain of the usual item. bridge_reg: the ridge of the bridges, in people.
    """

    name: ClassVar[str] = "emcdr"
    summary: ClassVar[str] = "factors in each domain and a linear bridge between them for people known in both"

    factors: int = Field(default=64, ge=1)
    noise: float = Field(default=30.0, gt=0)
    bridge_reg: float = Field(default=100.0, gt=0)

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        place = places(corpus)
        rest, aside = put_aside(corpus.tasks, place, seed)
        progress(f"{self.name}: measuring the bridges", 0.0)
        gains = self._gains(corpus, rest, aside, seed, budget or Budget()) if len(aside) else []
        progress(f"{self.name}: factors and bridges", 0.5)
        tensors = self._learned(corpus, seed, budget or Budget())
        tensors["used"] = tensors["used"] * switches(gains, place)
        return self.prior(tensors, **facts(gains))

    def adapt(self, prior: Prior, support: Support) -> "BridgedPreference":
        return BridgedPreference(self, prior, support)

    def with_items(self, prior: Prior, new: NewItems) -> Prior:
        return grown(super().with_items(prior, new), new, ("vectors", "project"))

    def variants(self) -> Sequence[Self]:
        grid = [{"factors": factors, "noise": noise} for factors in (32, 64, 128) for noise in (10.0, 100.0)]
        return [self, *(other for update in grid if (other := self.model_copy(update=update)) != self)]

    def bridge(self, found: Spaces, batch: TaskBatch, source: int, target: int, budget: Budget) -> dict[str, Tensor]:
        """What is learned of a pair of domains. batch: the people known in both, of `crossing`."""
        here, there = standing(found, source, batch.support), features(found, target, batch)
        centre, offset, size = here.mean(0), there.mean(0), here.shape[1]
        ridge = self.bridge_reg * here.var(0).mean().clamp(min=1e-12) * torch.eye(size)
        across = torch.linalg.solve((here - centre).T @ (here - centre) + ridge, (here - centre).T @ (there - offset))
        return {"across": across, "shift": offset - centre @ across}

    def crossed(self, bridge: dict[str, Tensor], found: Spaces, here: Tensor, support: Support, source: int) -> Tensor:
        """(T, d) what is expected of u_t − μ_t. here: (T, d), û_s − μ_s, of the events of ``support`` in the source."""
        return bridge["shift"] + here @ bridge["across"]

    def _gains(self, corpus: Corpus, rest: Tensor, aside: Tensor, seed: int, budget: Budget) -> list[Gain]:
        place, judged, gains = places(corpus), corpus.tasks.select(aside), []
        prior = self.prior(self._learned(corpus.select(rest), seed, budget))
        twins = Twins.of(prior.tensors)
        for source, target in pairs(place):
            batch = twins.apart(crossing(judged, place, source, target))
            if len(batch) >= LEAST:
                scores = self.adapt(prior, batch.support).scores()
                without = prior.tensors["popularity"].expand_as(scores)
                gains.append(Gain.of(source, target, *(reached(s, batch, place == target) for s in (scores, without))))
        return gains

    def _learned(self, corpus: Corpus, seed: int, budget: Budget) -> dict[str, Tensor]:
        """The tensors of a prior that uses all bridges there are."""
        tasks, place = corpus.tasks.likes(), places(corpus)
        found = spaces(tasks, place, self.factors, self.noise, seed)
        knows = (known(tasks, place) > 0).float()
        both = knows.T @ knows
        twins = counted(corpus, REACH).twins()
        tensors = {**found.tensors(), **twins.tensors(), "used": torch.zeros_like(both)}
        tensors["follows"] = both / both.diagonal().clamp(min=1)[:, None]
        for source, target in pairs(place):
            batch = twins.apart(crossing(tasks, place, source, target))
            if len(batch) >= LEAST:
                learned = self.bridge(found, batch, source, target, budget)
                tensors |= {f"{source}-{target}.{name}": value for name, value in learned.items()}
                tensors["used"][source, target] = 1.0
        return tensors


class BridgedPreference(Preference):
    """score(j) = π (p_j + r_jᵀ(u − μ)), everything of j's domain t; π: 1 for people with events in t, for others the
    share of people of their domains who are known in t too."""

    def __init__(self, learner: Emcdr, prior: Prior, support: Support) -> None:
        self.learner, self.tensors, self.support = learner, prior.tensors, support
        self.spaces = Spaces.of(prior.tensors)

    def scores(self) -> Tensor:
        """(T, N) float32."""
        tensors, found, width = self.tensors, self.spaces, len(self.tensors["used"])
        liked = self.support.grades * self.support.mask != 0
        met = torch.stack([(liked & (found.domain[self.support.items] == d)).any(1) for d in range(width)], 1)
        here = [standing(found, domain, self.support) for domain in range(width)]
        out = tensors["popularity"].repeat(len(self.support), 1)
        known = met.float()
        for target in range(width):
            inside = (found.domain == target).nonzero()[:, 0]
            mean = self._mean(target, here, known)
            person = standing(found, target, self.support, mean)
            often = torch.where(met[:, target], 1.0, (known * tensors["follows"][:, target]).amax(1))
            often = torch.where(met.any(1), often, found.people[target])
            share = tensors["popularity"][inside] / found.people[target].clamp(min=1e-12)
            out[:, inside] = often[:, None] * (share + person @ found.vectors[inside].T)
        return out * Twins.of(tensors).wanted(self.support, found.domain)

    def _mean(self, target: int, here: list[Tensor], known: Tensor) -> Tensor:
        """(T, d): what the sources say of u − μ in the target."""
        total, count = torch.zeros_like(here[target]), torch.zeros(len(known), 1)
        for source in self.tensors["used"][:, target].nonzero()[:, 0].tolist():
            head = f"{source}-{target}."
            bridge = {n.removeprefix(head): value for n, value in self.tensors.items() if n.startswith(head)}
            there = known[:, source : source + 1]
            total += there * self.learner.crossed(bridge, self.spaces, here[source], self.support, source)
            count += there
        return total / count.clamp(min=1)
