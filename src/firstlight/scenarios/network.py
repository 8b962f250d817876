"""A small network over the terms, beside a linear part that begins as the pooled regression, and its training.

logit(x) = b·x + v·tanh(W x): what bends and interacts is learned on top of what is straight.
"""

from abc import abstractmethod
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.func import vmap
from torch.nn.functional import softplus

from firstlight.budget import Budget, silent
from firstlight.meta.inner import Weights, descend
from firstlight.meta.outer import Outer, learn
from firstlight.scenarios.base import Prior, ScenarioLearner
from firstlight.scenarios.examples import Episode, Examples, Rows
from firstlight.scenarios.linear import fit_pooled

BATCH = 16
"""Tasks of an outer step."""
ASKED = 128
"""Rows of a query in training."""
MOST = 30
"""The largest support in training."""
CALM = 10.0
"""A support of so many rows moves the weights half as far as a very large one."""


class Trained(ScenarioLearner):
    """A learner whose tensors descend on the log-loss of the query of episodes.

    steps, learning_rate, reg: of the outer loop (AdamW). hidden: width. A third of the episodes has no support, the
    others 1 to 30 rows; a scenario is drawn as often as it has rows, as it is judged.
    """

    steps: int = Field(default=100, ge=0)
    learning_rate: float = Field(default=3e-3, gt=0, allow_inf_nan=False)
    reg: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    hidden: int = Field(default=16, ge=1)

    @abstractmethod
    def start(self, examples: Examples, chance: torch.Generator) -> dict[str, Tensor]:
        """The weights before training."""

    @abstractmethod
    def objective(self, weights: Weights, episode: Episode) -> tuple[Tensor, Weights]:
        """The loss of a batch of episodes, and weights that are written rather than descended."""

    def fit(self, examples: Examples, seed: int = 0) -> dict[str, Tensor]:
        chance = torch.Generator().manual_seed(seed)

        def step(weights: Weights, turn: int) -> tuple[Tensor, Weights]:
            return self.objective(weights, episodes(examples, torch.Generator().manual_seed(seed * 1_000_003 + turn)))

        outer = Outer(self.steps, self.learning_rate, reg=self.reg)
        start = self.start(examples, chance)
        return learn(start, step, outer, budget=Budget(3600.0), progress=silent, name=self.name)


class InnerLoop(Trained):
    """A network whose weights descend on each task's support. inner_steps, inner_lr: of that descent."""

    head_only: ClassVar[bool] = False

    inner_steps: int = Field(default=5, ge=0)
    inner_lr: float = Field(default=0.03, ge=0, allow_inf_nan=False)

    def start(self, examples: Examples, chance: torch.Generator) -> dict[str, Tensor]:
        return start_network(examples, self.hidden, chance)

    def adapted(self, weights: Weights, support: Rows) -> dict[str, Tensor]:
        """name → (T, ...): the fast weights of each task."""
        fast = {name: value for name, value in weights.items() if name != "body" or not self.head_only}
        kept = {name: value for name, value in weights.items() if name not in fast}

        def of_task(features: Tensor, labels: Tensor, mask: Tensor) -> dict[str, Tensor]:
            def loss(own: Weights) -> Tensor:
                scores = score({**kept, **own}, features)
                return ((softplus(scores) - labels * scores) * mask).sum() / (mask.sum() + CALM)

            return descend(loss, fast, dict.fromkeys(fast, self.inner_lr), steps=self.inner_steps)

        found: dict[str, Tensor] = vmap(of_task)(*support)
        return found

    def logits(self, prior: Prior, support: Rows, query: Tensor) -> Tensor:
        fast = self.adapted(prior, support)
        kept = {name: value for name, value in prior.items() if name not in fast}

        def of_task(own: Weights, features: Tensor) -> Tensor:
            return score({**kept, **own}, features)

        found: Tensor = vmap(of_task)(fast, query)
        return found


class Finetune(InnerLoop):
    """Pretrained on all scenarios as if they were one, then descends a few steps on the support."""

    name = "finetune"
    summary = "Pretrain on all scenarios, fine-tune on the rows of the new one."

    def objective(self, weights: Weights, episode: Episode) -> tuple[Tensor, Weights]:
        return query_loss(score(weights, episode.query.features), episode.query), {}


class Maml(InnerLoop):
    """The loss is taken after the descent, through its gradient (Finn, Abbeel, Levine, ICML 2017)."""

    name = "maml"
    summary = "MAML: the start from which a few steps on the support lead furthest."

    def objective(self, weights: Weights, episode: Episode) -> tuple[Tensor, Weights]:
        return query_loss(self.logits(weights, episode.support, episode.query.features), episode.query), {}


class Anil(InnerLoop):
    """MAML in which only what reads out of the hidden layer descends (Raghu et al., ICLR 2020)."""

    name = "anil"
    summary = "ANIL: MAML of the read-out alone."
    head_only = True

    def objective(self, weights: Weights, episode: Episode) -> tuple[Tensor, Weights]:
        return query_loss(self.logits(weights, episode.support, episode.query.features), episode.query), {}


class Reptile(InnerLoop):
    """The start moves toward what tasks become after descending on their rows (Nichol, Achiam, Schulman 2018).

    toward: the share of the way of a step.
    """

    name = "reptile"
    summary = "Reptile: the start moves toward the adapted weights of the tasks."

    toward: float = Field(default=0.1, gt=0, le=1)

    def objective(self, weights: Weights, episode: Episode) -> tuple[Tensor, Weights]:
        own = {name: value.detach() for name, value in weights.items()}
        fast = self.adapted(own, episode.query)
        written = {name: value + self.toward * (fast[name].mean(0) - value) for name, value in own.items()}
        # The loss moves nothing by itself: it only tells whether training runs away.
        return sum((value.sum() for value in weights.values()), torch.zeros(())) * 0.0, written


def score(weights: Weights, features: Tensor) -> Tensor:
    """(..., Q) logits of rows (..., Q, F)."""
    return features @ weights["linear"] + torch.tanh(features @ weights["body"]) @ weights["readout"]


def start_network(examples: Examples, hidden: int, chance: torch.Generator) -> dict[str, Tensor]:
    """linear: (F,), the pooled regression; body: (F, H), drawn; readout: (H,), so small that it says nothing yet."""
    linear = fit_pooled(examples, 10.0)["mean"]
    size = len(linear)
    body = torch.randn(size, hidden, generator=chance, dtype=torch.float64) / size**0.5
    readout = 0.01 * torch.randn(hidden, generator=chance, dtype=torch.float64)
    return {"linear": linear, "body": body, "readout": readout}


def episodes(examples: Examples, chance: torch.Generator) -> Episode:
    """A batch: a third without support, the others with 1 to 30 rows of those that leave something to be asked."""
    tasks = torch.multinomial(examples.counts.double(), BATCH, replacement=True, generator=chance)
    shots = torch.randint(-MOST // 2, MOST + 1, (BATCH,), generator=chance).clamp(min=0)
    apart = torch.minimum(shots, examples.counts[tasks] // 2)
    return examples.cut(tasks, apart, apart, chance, most=ASKED)


def query_loss(logits: Tensor, query: Rows) -> Tensor:
    """Mean log-loss of the rows; a scalar."""
    losses = (softplus(logits) - query.labels * logits) * query.mask
    return losses.sum() / query.mask.sum().clamp(min=1)
