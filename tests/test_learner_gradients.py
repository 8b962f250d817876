"""The gradients that learners are trained by, against finite differences on a tiny problem."""

import pytest
import torch
from gradients import Weights, apart, differences, gradients
from kinds import LOSSES, quick
from tiny_problem import EMPTY, beginning, episode, ground, objective
from torch import Tensor

from firstlight.learners.anil import Anil
from firstlight.learners.episodic import EpisodicLearner
from firstlight.learners.fomaml import Fomaml
from firstlight.learners.inner_loop import InnerLoop
from firstlight.learners.maml import Maml
from firstlight.learners.meta_sgd import MetaSgd
from firstlight.learners.ridge import Ridge
from firstlight.learners.set_encoder import SetEncoder
from firstlight.meta.episodes import Task


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize(("kind", "loss"), [(Maml, "softmax"), (Maml, "stars"), (Anil, "stars"), (MetaSgd, "softmax")])
def test_the_meta_gradient_is_that_of_finite_differences(kind: type[InnerLoop], steps: int, loss: str) -> None:
    learner = quick(kind, inner_steps=steps, loss=loss, inner_lr=0.2, negatives=4)
    at = beginning(learner)
    exact = gradients(lambda w: objective(learner, w), at)
    assert apart(exact, differences(lambda w: objective(learner, w), at)) < 1e-6
    # The start alone, which is a small part of all weights.
    assert (
        apart({"taste": exact["taste"]}, differences(lambda w: objective(learner, {**at, **w}), {"taste": at["taste"]}))
        < 1e-6
    )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("steps", [1, 5])
def test_first_order_is_maml_with_the_inner_gradient_held_constant(steps: int, loss: str) -> None:
    settings = {"inner_steps": steps, "loss": loss, "inner_lr": 0.2}
    maml, first = quick(Maml, **settings), quick(Fomaml, **settings)
    assert isinstance(maml, Maml)
    at = beginning(maml)
    fast = maml.fast_weights(maml.settled({**EMPTY, **at}, ground()), episode().task)
    way = {name: at[name] - value for name, value in fast.items()}

    class Constant(Maml):
        def fast_weights(self, tensors: Weights, task: Task) -> dict[str, Tensor]:
            return {name: tensors[name] - value for name, value in way.items()}

    constant = quick(Constant, **settings)
    found = gradients(lambda w: objective(first, w), at)
    torch.testing.assert_close(objective(first, at), objective(maml, at))
    assert apart(found, differences(lambda w: objective(constant, w), at)) < 1e-6
    assert apart(found, gradients(lambda w: objective(maml, w), at)) > 1e-3


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", [Ridge, SetEncoder])
def test_the_gradient_through_the_solve_and_the_encoder_is_right(kind: type[EpisodicLearner], loss: str) -> None:
    learner = quick(kind, loss=loss)
    at = beginning(learner)
    exact = gradients(lambda w: objective(learner, w), at)
    assert apart(exact, differences(lambda w: objective(learner, w), at)) < 1e-6
