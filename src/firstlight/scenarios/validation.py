"""Learners judged on scenarios they have not learned from, and their settings tuned on what is found."""

from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from firstlight.scenarios.base import ScenarioLearner
from firstlight.scenarios.examples import Examples
from firstlight.scenarios.metrics import log_losses

SHOTS = (0, 10, 30)
FOLDS = 5
DRAWS = 4
ROOM = 20_000_000
"""Numbers that all queries of a fold may have together; of scenarios too large for that some rows are asked for."""
LEAST_ASKED = 50

Chosen = TypeVar("Chosen", bound=ScenarioLearner)


class Said(NamedTuple):
    """What was said of rows of scenarios that were held out: (n,) each.

    logits, labels: of the row. scenario: which one it is of. shots: how many labelled rows of it were known.
    """

    logits: Tensor
    labels: Tensor
    scenario: Tensor
    shots: Tensor

    def select(self, rows: Tensor) -> "Said":
        """Those rows (a mask or places) alone."""
        return Said(*(part[rows] for part in self))

    def losses(self) -> Tensor:
        """(T,): the log-loss of each scenario, summed over its rows."""
        size = int(self.scenario.max()) + 1
        losses = log_losses(self.logits, self.labels)
        return torch.zeros(size, dtype=losses.dtype).index_add_(0, self.scenario, losses)


def held_out(learner: ScenarioLearner, examples: Examples, seed: int = 0) -> Said:
    """What the learner says of every scenario after 0, 10 and 30 rows, having learned from four fifths of the others.

    The query is the same for each number of rows; a small scenario gives at most half of its rows as support.
    """
    chance = torch.Generator().manual_seed(seed)
    fold = torch.randperm(len(examples), generator=chance) % min(FOLDS, len(examples))
    parts = []
    for turn in range(int(fold.max()) + 1):
        prior = learner.fit(examples.select((fold != turn).nonzero()[:, 0]), seed)
        parts.append(_said(learner, prior, examples, (fold == turn).nonzero()[:, 0], chance))
    return Said(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def _said(
    learner: ScenarioLearner, prior: dict[str, Tensor], examples: Examples, tasks: Tensor, chance: torch.Generator
) -> Said:
    tasks = tasks.repeat(DRAWS)
    apart = (examples.counts[tasks] // 2).clamp(max=max(SHOTS))
    most = max(LEAST_ASKED, ROOM // (len(tasks) * examples.features.shape[1]))
    support, query = examples.cut(tasks, apart, apart, chance, most=most)
    asked = query.mask > 0
    of = tasks[:, None].expand_as(asked)[asked]
    parts = []
    for shots in SHOTS:
        logits = learner.logits(prior, support.first(shots), query.features)[asked]
        parts.append(Said(logits, query.labels[asked], of, torch.full_like(of, shots)))
    return Said(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def tune(learner: Chosen, examples: Examples, seed: int = 0) -> Chosen:
    """The learner with its dials set, one after another, to what is best on held-out scenarios.

    What was set by whoever made the learner stays. A dial is turned only where that is better by more than one
    standard error of the difference, scenario by scenario. Fewer than three scenarios say nothing of a further one:
    the learner is given back as it is.
    """
    if len(examples) < 3 or not learner.dials:
        return learner
    reached = held_out(learner, examples, seed).losses()
    for dial in [name for name in learner.dials if name not in learner.model_fields_set]:
        values = learner.dials[dial]
        tried = [learner.model_copy(update={dial: value}) for value in values if value != getattr(learner, dial)]
        losses = [held_out(other, examples, seed).losses() for other in tried]
        best = min(range(len(tried)), key=lambda number: float(losses[number].sum()))
        if surely_above_zero(reached - losses[best]):
            learner, reached = tried[best], losses[best]
    return learner


def surely_above_zero(gains: Tensor) -> bool:
    """Whether the mean of what each scenario gains (T,) is above 0 by more than one standard error."""
    return bool(gains.mean() > gains.std() / len(gains) ** 0.5)
