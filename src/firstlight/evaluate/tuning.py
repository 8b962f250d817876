"""The same tuning for everyone: each variant is fitted once, people of validation choose one at each number of shots.

Winners are not fitted again with the people of validation: a learner of one variant and one of ten learn from exactly
the same people, and every learner has a figure on validation by which baselines can be chosen.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.evaluate import metrics
from firstlight.evaluate.protocols import ColdUser
from firstlight.evaluate.ranking import rank
from firstlight.learners.base import Learner, Prior
from firstlight.tasks import Corpus, TaskBatch


@dataclass(frozen=True)
class Choice:
    """A variant, what it learned, and its mean NDCG@10 on the people of validation."""

    learner: Learner
    prior: Prior
    validation: float


@dataclass(frozen=True)
class Tuned:
    """choices: shots -> the best variant there. tried: how many of the ``variants`` the budget allowed.

    seconds: spent in ``fit``, all variants together.
    """

    choices: Mapping[int, Choice]
    tried: int
    variants: int
    seconds: float


def tune(
    learner: Learner,
    corpus: Corpus,
    protocol: ColdUser,
    *,
    seed: int = 0,
    seconds: float = 240.0,
    device: str = "cpu",
    progress: Progress = silent,
) -> Tuned:
    """Fit the variants of ``learner`` one after another and keep the best at each number of events.

    seconds: for all of it, of which each variant may fit for an equal part of what is left. The first variant is
    always tried; one that would begin after the end is not. Of equally good variants the earlier wins. Up to one prior
    for each number of shots is kept. device: where learners that descend do so.
    """
    training, clock, spent = protocol.training(corpus), Budget(seconds, device=device), 0.0
    cases = {shots: protocol.cases(corpus, protocol.validation, shots) for shots in protocol.shots}
    variants, choices, tried = learner.variants(), dict[int, Choice](), 0
    for variant in variants:
        if tried and not clock.left():
            break
        progress(f"{learner.name} {tried + 1}/{len(variants)}", tried / len(variants))
        before = time.perf_counter()
        prior = variant.fit(training, seed=seed, budget=clock.share(1 / (len(variants) - tried)))
        spent += time.perf_counter() - before
        tried += 1
        for shots, batch in cases.items():
            found = _validate(variant, prior, batch, corpus.n_items, seed)
            if shots not in choices or found > choices[shots].validation:
                choices[shots] = Choice(variant, prior, found)
    return Tuned(choices, tried, len(variants), spent)


def _validate(learner: Learner, prior: Prior, batch: TaskBatch, n_items: int, seed: int) -> float:
    lists = rank(learner, prior, batch.support, n_items, seed).lists
    return float(measure(lists, batch)[metrics.MAIN].mean())


def measure(lists: Tensor, batch: TaskBatch) -> Mapping[str, Tensor]:
    """Name of metric -> (T,) of the ranked ``lists`` (T, n) against the query of ``batch``."""
    hits, relevant = metrics.match(lists, batch.query, batch.query_mask), batch.query_mask.sum(1)
    return {name: metric(hits, relevant) for name, metric in metrics.METRICS.items()}
