"""What every learner of scenarios holds to, and that adapting helps where the truth says that it must."""

import pytest
import torch
from torch import Tensor

from firstlight.errors import SettingsError
from firstlight.scenarios.base import ScenarioLearner
from firstlight.scenarios.calibration import calibrate, platt
from firstlight.scenarios.examples import Episode, Examples, Rows, padded, turns
from firstlight.scenarios.learners import LEARNERS, make
from firstlight.scenarios.linear import Pooled, Ridge, Separate, fit_pooled
from firstlight.scenarios.metrics import log_losses
from firstlight.scenarios.validation import Said, held_out, tune

NONE = torch.zeros(0, dtype=torch.float64)
NO_ROWS, _ = padded(NONE.reshape(0, 3), NONE, NONE.long(), 1)


def world(scenarios: int = 24, rows: int = 80, *, apart: float = 1.5, seed: int = 0) -> Examples:
    """Two features of the same effect everywhere; the level of a scenario has the deviation ``apart``."""
    chance = torch.Generator().manual_seed(seed)
    scenario = torch.arange(scenarios).repeat_interleave(rows)
    features = torch.randn(len(scenario), 3, generator=chance, dtype=torch.float64)
    features[:, 0] = 1.0
    level = apart * torch.randn(scenarios, generator=chance, dtype=torch.float64)
    logits = features @ torch.tensor([-1.0, 1.5, -1.0], dtype=torch.float64) + level[scenario]
    labels = (torch.rand(len(scenario), generator=chance) < torch.sigmoid(logits)).double()
    return Examples.of(features, labels, scenario)


def quick(name: str) -> ScenarioLearner:
    return make(name, {"steps": 5} if "steps" in LEARNERS[name].model_fields else {})


def cut(examples: Examples, shots: int, seed: int = 0) -> Episode:
    tasks = torch.arange(len(examples))
    ones = torch.ones_like(tasks)
    return examples.cut(tasks, shots * ones, 30 * ones, torch.Generator().manual_seed(seed))


def loss(learner: ScenarioLearner, prior: dict[str, Tensor], episode: Episode) -> float:
    said = learner.logits(prior, episode.support, episode.query.features)
    return float(log_losses(said, episode.query.labels)[episode.query.mask > 0].mean())


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_is_pure_deterministic_and_better_than_chance(name: str) -> None:
    learner, examples = quick(name), world()
    prior = learner.fit(examples, 1)
    again = learner.fit(examples, 1)
    assert all(torch.equal(value, again[key]) for key, value in prior.items())
    episode = cut(world(seed=1), 30)
    said = learner.logits(prior, episode.support, episode.query.features)
    assert said.isfinite().all()
    alone = learner.logits(prior, episode.support.of(torch.tensor([3])), episode.query.features[[3]])
    assert torch.allclose(alone, said[[3]], atol=1e-8)
    few = learner.logits(prior, episode.support, episode.query.features[:, :4])
    assert torch.allclose(few, said[:, :4], atol=1e-8)
    level = float(log_losses(torch.zeros_like(said), episode.query.labels).mean())
    assert loss(learner, prior, episode) < 0.9 * level


@pytest.mark.parametrize("name", LEARNERS)
def test_no_row_and_rows_of_one_class_have_an_answer(name: str) -> None:
    learner = quick(name)
    prior = learner.fit(world(6), 0)
    query = world(1, 5).features[None]
    assert learner.logits(prior, NO_ROWS, query).isfinite().all()
    yes = torch.ones(1, 8, dtype=torch.float64)
    support = Rows(world(1, 8, seed=2).features[None], yes, yes)
    more = learner.logits(prior, support, query).mean()
    if name != "pooled":
        assert more > learner.logits(prior, NO_ROWS, query).mean()


@pytest.mark.parametrize("name", sorted(set(LEARNERS) - {"pooled"}))
def test_what_adapts_learns_the_level_of_a_scenario(name: str) -> None:
    strong = {"steps": 5, "inner_lr": 0.3, "level": 1.0, "strength": 5.0}
    learner = make(name, {key: value for key, value in strong.items() if key in LEARNERS[name].model_fields})
    prior = learner.fit(world(), 0)
    before, after = cut(world(seed=1), 0), cut(world(seed=1), 30)
    assert loss(learner, prior, after) < loss(learner, prior, before) - 0.05


def test_ridge_beats_pooled_and_separate_where_scenarios_differ_and_is_pooled_where_not() -> None:
    for apart, gain in ((1.5, 0.015), (0.0, -0.003)):
        examples, episode = world(15, 60, apart=apart), cut(world(40, apart=apart, seed=1), 30)
        ridge, pooled, separate = tune(Ridge(), examples), tune(Pooled(), examples), tune(Separate(), examples)
        best = min(loss(kind, kind.fit(examples), episode) for kind in (pooled, separate))
        assert loss(ridge, ridge.fit(examples), episode) < best - gain
        assert (ridge.level > 0.1) == (apart > 0)


def test_tuning_leaves_alone_what_was_set() -> None:
    coin = tune(Ridge(level=0.3, reg=3.0, each=0.003), world(6, 40, apart=0.0))
    assert (coin.level, coin.reg, coin.each) == (0.3, 3.0, 0.003)


def test_levels_that_differ_do_not_flatten_the_shared_slopes() -> None:
    examples = world(60, apart=2.0)
    true = torch.tensor([1.5, -1.0], dtype=torch.float64)
    pooled, mixed = (fit_pooled(examples, 0.1, level)["mean"][1:] for level in (0.0, 4.0))
    assert (mixed - true).norm() < 0.2 < (pooled - true).norm()


def test_the_mixed_model_with_levels_that_hardly_differ_is_the_pooled_one() -> None:
    examples = world(10)
    for key, value in fit_pooled(examples, 10.0).items():
        assert torch.allclose(fit_pooled(examples, 10.0, 1e-9)[key], value, rtol=1e-4, atol=1e-4)


def test_a_support_of_pooled_counts_like_rows_of_a_further_scenario() -> None:
    examples, other = world(12), world(1, seed=1)
    support, _ = padded(other.features[:30], other.labels[:30], torch.zeros(30, dtype=torch.int64), 1)
    whole = Examples.of(
        torch.cat([examples.features, other.features[:30]]),
        torch.cat([examples.labels, other.labels[:30]]),
        torch.cat([torch.arange(12).repeat_interleave(80), torch.full((30,), 12)]),
    )
    learner = Pooled()
    adapted = learner.logits(fit_pooled(examples, 10.0), support, other.features[None])
    refitted = learner.logits(fit_pooled(whole, 10.0), NO_ROWS, other.features[None])
    assert torch.allclose(adapted, refitted, atol=5e-3)


def test_the_query_is_the_same_for_any_support_and_disjoint_from_it() -> None:
    examples = Examples.of(torch.arange(200.0, dtype=torch.float64)[:, None], torch.zeros(200), torch.arange(200) % 4)
    few, many = cut(examples, 5), cut(examples, 30)
    assert torch.equal(few.query.features, many.query.features)
    for task in range(4):
        known, asked = many.support.features[task, :, 0], many.query.features[task, :, 0]
        assert sorted([*known.tolist(), *asked.tolist()]) == list(range(task, 200, 4))


def test_turns_and_selection_keep_the_order_of_rows() -> None:
    task = torch.tensor([1, 0, 1, 1, 0])
    assert turns(task).tolist() == [0, 0, 1, 2, 1]
    examples = Examples.of(torch.arange(5.0)[:, None], torch.zeros(5), task)
    assert examples.features[:, 0].tolist() == [1, 4, 0, 2, 3]
    assert examples.select(torch.tensor([1])).features[:, 0].tolist() == [0, 2, 3]


def test_tuning_never_sees_the_rows_it_is_judged_on() -> None:
    """With labels that are chance no learner is better than the share of yes on held-out scenarios."""
    examples = world(20)
    coin = (torch.rand(len(examples.labels), generator=torch.Generator().manual_seed(5)) < 0.3).double()
    said = held_out(Pooled(), Examples(examples.features, coin, examples.starts, examples.counts))
    share = -(0.3 * torch.tensor(0.3).log() + 0.7 * torch.tensor(0.7).log())
    assert said.losses().sum() / len(said.labels) > float(share) - 0.02
    assert set(said.shots.tolist()) == {0, 10, 30}


def test_calibration_is_found_where_it_is_and_left_alone_where_not() -> None:
    chance = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, generator=chance, dtype=torch.float64)
    scenario = torch.arange(20_000) % 25
    labels = (torch.rand(20_000, generator=chance) < torch.sigmoid(0.5 * logits - 1)).double()
    found = calibrate(Said(logits, labels, scenario, scenario))
    assert (found.slope, found.offset) == pytest.approx((0.5, -1.0), abs=0.06)
    right = platt(Said(0.5 * logits - 1, labels, scenario, scenario))
    assert (right.slope, right.offset) == pytest.approx((1.0, 0.0), abs=0.06)
    levels = torch.randn(25, generator=chance, dtype=torch.float64)[scenario]
    shifted = (torch.rand(20_000, generator=chance) < torch.sigmoid(logits + levels)).double()
    assert calibrate(Said(logits + levels.mean(), shifted, scenario, scenario)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("name", "settings", "what"),
    [("lasso", {}, "no learner 'lasso'"), ("ridge", {"level": -1}, "'level'"), ("maml", {"speed": 3}, "'speed'")],
)
def test_a_wrong_name_or_setting_is_named(name: str, settings: dict[str, int], what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        make(name, settings)
