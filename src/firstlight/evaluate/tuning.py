"""The same tuning for everyone: each variant is fitted once, people of validation choose one at each stage.

Winners are not fitted again with the people of validation: a learner of one variant and one of ten learn from exactly
the same people, and every learner has a figure on validation by which baselines can be chosen.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from firstlight.budget import Budget, Progress, progress_between, silent
from firstlight.evaluate import metrics
from firstlight.evaluate.protocols.stages import Cases, Stage
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
    """choices: the best variant at each stage. tried: how many of the ``variants`` the budget allowed, at least.

    seconds: spent in ``fit``, all variants together.
    """

    choices: Sequence[Choice]
    tried: int
    variants: int
    seconds: float


def tune(
    learner: Learner,
    stages: Sequence[Stage],
    *,
    seed: int = 0,
    seconds: float = 240.0,
    device: str = "cpu",
    progress: Progress = silent,
) -> Tuned:
    """Fit the variants of ``learner`` one after another and keep the best at each stage.

    seconds: for all variants that learn from the same, of which each may fit for an equal part of what is left. The
    first variant is always tried; one that would begin after the end is not. Of equally good variants the earlier wins.
    Up to one prior a stage is kept. device: where learners that descend do so.
    """
    trainings = list({id(stage.training): stage.training for stage in stages}.values())
    choices, spent, tried = dict[int, Choice](), 0.0, list[int]()
    for place, training in enumerate(trainings):
        together = {number: stage for number, stage in enumerate(stages) if stage.training is training}
        budget = Budget(seconds, device=device)
        steps = partial(progress_between, progress, place / len(trainings), (place + 1) / len(trainings))
        found = _tune(learner, training, together, seed, budget, steps)
        choices |= found.choices
        spent, tried = spent + found.seconds, [*tried, found.tried]
    ordered = [choices[number] for number in range(len(stages))]
    return Tuned(ordered, min(tried), len(learner.variants()), spent)


@dataclass(frozen=True)
class _Found:
    choices: dict[int, Choice]
    tried: int
    seconds: float


def _tune(
    learner: Learner, training: Corpus, stages: Mapping[int, Stage], seed: int, clock: Budget, progress: Progress
) -> _Found:
    """The best variants at ``stages`` that learn from the same ``training``."""
    variants, choices, tried, spent = learner.variants(), dict[int, Choice](), 0, 0.0
    for variant in variants:
        if tried and not clock.left():
            break
        progress(f"{learner.name} {tried + 1}/{len(variants)}", tried / len(variants))
        before = time.perf_counter()
        prior = variant.fit(training, seed=seed, budget=clock.share(1 / (len(variants) - tried)))
        spent += time.perf_counter() - before
        tried += 1
        for number, stage in stages.items():
            found = _validate(variant, prior, stage.validation, training.n_items, seed)
            if number not in choices or found > choices[number].validation:
                choices[number] = Choice(variant, prior, found)
    return _Found(choices, tried, spent)


def _validate(learner: Learner, prior: Prior, cases: Cases, n_items: int, seed: int) -> float:
    lists = rank(learner, prior, cases.batch.support, n_items, seed, cases.eligible).lists
    return float(measure(lists, cases.batch)[metrics.MAIN].mean())


def measure(lists: Tensor, batch: TaskBatch) -> Mapping[str, Tensor]:
    """Name of metric -> (T,) of the ranked ``lists`` (T, n) against the query of ``batch``."""
    hits, relevant = metrics.match(lists, batch.query, batch.query_mask), batch.query_mask.sum(1)
    return {name: metric(hits, relevant) for name, metric in metrics.METRICS.items()}
