"""Ridge: conformance, its closed form, and its deviations."""

import math

import torch
from conformance import Conformance, cases, training
from gradients import chance
from torch import Tensor

from firstlight.learners import ridge
from firstlight.learners.base import Prior
from firstlight.learners.ridge import Ridge
from firstlight.tasks import Support


class TestRidge(Conformance):
    learner = Ridge(embedding_size=32, steps=40, batch=128)
    floor = 1.8
    exact = False


def solved() -> tuple[dict[str, Tensor], Tensor, Tensor]:
    names = {"vectors": (7, 3), "readout": (7, 3), "bias": (7,)}
    weights = {name: torch.randn(size, generator=chance(1)) for name, size in names.items()}
    weights |= {"log_noise": torch.tensor(0.3), "log_gain": torch.tensor(0.4), "profile": torch.zeros(0, 3)}
    weights["log_unseen"] = torch.tensor([-1.0, 0.5])
    return (
        weights,
        torch.tensor([[1, 4, 0], [2, 0, 0], [0, 0, 0]]),
        torch.tensor([[1.0, -1.0, 0.0], [2.0, 0, 0], [0, 0, 0]]),
    )


def test_ridge_is_its_closed_form_with_its_deviations() -> None:
    weights, columns, grades = solved()
    weights = {**weights, "usual": weights["vectors"].T @ weights["vectors"] / 7}
    popular, everything = torch.rand(7, generator=chance(5)), torch.arange(7)
    extra = {"chosen": everything, "place": everything.int(), "popularity": popular, "log_popularity": popular.log()}
    prior = Prior("ridge", {}, {**weights, **extra, "usual_likes": torch.ones(1)})
    preference = Ridge().adapt(prior, Support(columns, grades, grades != 0, torch.zeros(3, 0)))
    tastes = ridge.solve(weights, columns, grades)
    v, w, noise, gain = weights["vectors"].double(), weights["readout"].double(), math.exp(0.3), math.exp(0.4)
    for row in range(3):
        count = float(grades[row].abs().sum())
        precision = math.exp(-1 + 0.5 * math.log1p(count)) * v.T @ v / 7 + noise * torch.eye(3).double()
        target = torch.zeros(3).double()
        for column, grade in zip(columns[row].tolist(), grades[row].tolist(), strict=True):
            precision = precision + abs(grade) * torch.outer(v[column], v[column])
            target = target + grade * v[column]
        torch.testing.assert_close(
            tastes[row].double(), gain * torch.linalg.solve(precision, target), rtol=1e-4, atol=1e-5
        )
        inverse = torch.linalg.inv(precision)
        deviations = torch.stack([gain * (noise * item @ inverse @ item).sqrt() for item in w])
        torch.testing.assert_close(preference.deviations()[row].double(), deviations, rtol=1e-4, atol=1e-5)


def test_deviations_fall_with_events() -> None:
    prior = TestRidge.learner.fit(training(), seed=0)
    found = []
    for shots in (0, 1, 3, 5):
        known = cases(5).support
        part = Support(known.items[:, :shots], known.grades[:, :shots], known.mask[:, :shots], known.profile)
        deviations = TestRidge.learner.adapt(prior, part).deviations()
        assert deviations is not None
        assert deviations.shape == (len(known), training().n_items)
        found.append(deviations[:, prior.tensors["chosen"]])
    for more, less in zip(found[1:], found, strict=False):
        assert bool((more <= less * (1 + 1e-5)).all())
        assert float(more.mean()) < 0.99 * float(less.mean())
    assert float(found[0].min()) > 0
