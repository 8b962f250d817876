"""The functional core: gradients against finite differences, known optima, episodes, losses, training that goes on."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conformance import same, support, tiny, training
from safetensors.torch import save_file
from torch import Tensor
from torch.func import vmap

from firstlight.budget import Budget, silent
from firstlight.cooccurrence import most_liked
from firstlight.errors import SettingsError
from firstlight.meta.checkpoint import Snapshot, read_snapshot, write_snapshot
from firstlight.meta.episodes import Episode, Episodes, Task, cut
from firstlight.meta.inner import descend
from firstlight.meta.losses import softmax_loss, squared_loss, support_softmax, support_squared
from firstlight.meta.outer import Objective, Outer, learn
from firstlight.meta.sampled import Sample, sampled

Weights = Mapping[str, Tensor]


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def differences(function: Callable[[Weights], Tensor], at: Weights, width: float = 1e-5) -> dict[str, Tensor]:
    """Central finite differences of a scalar function, one weight after another."""
    found = {name: torch.zeros_like(value) for name, value in at.items()}
    for name, value in at.items():
        for place in range(value.numel()):
            moved = torch.zeros_like(value)
            moved.view(-1)[place] = width
            up, down = (float(function({**at, name: value + sign * moved})) for sign in (1, -1))
            found[name].view(-1)[place] = (up - down) / (2 * width)
    return found


def gradients(function: Callable[[Weights], Tensor], at: Weights) -> dict[str, Tensor]:
    leaves = {name: value.detach().clone().requires_grad_() for name, value in at.items()}
    found = torch.autograd.grad(function(leaves), list(leaves.values()), materialize_grads=True)
    return dict(zip(leaves, found, strict=True))


def apart(left: Weights, right: Weights) -> float:
    """The relative distance of two sets of weights."""
    one, other = (torch.cat([part[name].flatten() for name in left]) for part in (left, right))
    return float((one - other).norm() / other.norm())


# The inner loop.


def network(seed: int = 1) -> dict[str, Tensor]:
    """A small nonlinear one in float64."""
    sizes = {"first": (4, 2), "first_bias": (4,), "second": (4,), "second_bias": ()}
    return {name: torch.randn(size, generator=chance(seed), dtype=torch.float64) for name, size in sizes.items()}


def predicted(weights: Weights, x: Tensor) -> Tensor:
    return torch.tanh(x @ weights["first"].T + weights["first_bias"]) @ weights["second"] + weights["second_bias"]


def error(weights: Weights, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    return ((predicted(weights, x) - y).square() * mask).sum() / mask.sum().clamp(min=1)


def problems(tasks: int = 3, seed: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Support and query of seven examples each: x (T, 2, 7, 2), y (T, 2, 7), and a ragged mask."""
    x = torch.randn(tasks, 2, 7, 2, generator=chance(seed), dtype=torch.float64)
    y = torch.sin(2 * x[..., 0]) + torch.randn(tasks, 2, 1, generator=chance(seed + 1), dtype=torch.float64)
    counts = torch.randint(1, 8, (tasks, 2, 1), generator=chance(seed + 2))
    return x, y, (torch.arange(7) < counts).double()


def adapted(
    weights: Weights, x: Tensor, y: Tensor, mask: Tensor, rates: Weights, steps: int, first_order: bool
) -> dict[str, Tensor]:
    return descend(lambda fast: error(fast, x, y, mask), weights, rates, steps=steps, first_order=first_order)


def rates_of(weights: Weights) -> dict[str, Tensor]:
    """One for each parameter, all different."""
    return {
        name: 0.05 + 0.1 * torch.rand(value.shape, generator=chance(9), dtype=torch.float64)
        for name, value in weights.items()
    }


@pytest.mark.parametrize("steps", [1, 5])
def test_the_second_order_gradient_is_that_of_finite_differences(steps: int) -> None:
    x, y, mask = problems(1)
    start = network()
    both = {**start, **{f"rate.{name}": value for name, value in rates_of(start).items()}}

    def after(values: Weights) -> Tensor:
        own = {name: value for name, value in values.items() if name in start}
        rates = {name: values[f"rate.{name}"] for name in start}
        return error(adapted(own, x[0, 0], y[0, 0], mask[0, 0], rates, steps, False), x[0, 1], y[0, 1], mask[0, 1])

    assert apart(gradients(after, both), differences(after, both)) < 1e-6


@pytest.mark.parametrize("steps", [1, 5])
def test_the_first_order_gradient_holds_the_inner_one_constant(steps: int) -> None:
    x, y, mask = problems(1)
    start, rates = network(), rates_of(network())
    ends = adapted(start, x[0, 0], y[0, 0], mask[0, 0], rates, steps, True)
    way = {name: start[name] - ends[name] for name in start}

    def constant(values: Weights) -> Tensor:
        return error({name: value - way[name] for name, value in values.items()}, x[0, 1], y[0, 1], mask[0, 1])

    def after(values: Weights, first_order: bool = True) -> Tensor:
        fast = adapted(values, x[0, 0], y[0, 0], mask[0, 0], rates, steps, first_order)
        return error(fast, x[0, 1], y[0, 1], mask[0, 1])

    first = gradients(after, start)
    assert apart(first, differences(constant, start)) < 1e-6
    assert apart(first, gradients(lambda values: after(values, False), start)) > 1e-2
    assert same(ends, adapted(start, x[0, 0], y[0, 0], mask[0, 0], rates, steps, False))


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("steps", [1, 3])
def test_all_at_once_is_one_at_a_time_is_the_plain_loop(steps: int, first_order: bool) -> None:
    x, y, mask = problems(6)
    start, rates = network(), rates_of(network())

    def after(values: Weights, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        return error(adapted(values, x[0], y[0], mask[0], rates, steps, first_order), x[1], y[1], mask[1])

    def plain(values: Weights, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        fast, real = dict(values), mask.bool()
        for _ in range(steps):
            # Only the examples that are there, so that a mask which leaks would be seen.
            loss = error(fast, x[0, real[0]], y[0, real[0]], mask[0, real[0]])
            slopes = torch.autograd.grad(loss, list(fast.values()), create_graph=not first_order)
            fast = {name: fast[name] - rates[name] * slope for name, slope in zip(fast, slopes, strict=True)}
        return error(fast, x[1, real[1]], y[1, real[1]], mask[1, real[1]])

    def at_once(values: Weights) -> Tensor:
        found: Tensor = vmap(lambda *task: after(values, *task))(x, y, mask)
        return found.sum()

    def one_by_one(values: Weights) -> Tensor:
        return torch.stack([after(values, *task) for task in zip(x, y, mask, strict=True)]).sum()

    def looped(values: Weights) -> Tensor:
        return torch.stack([plain(values, *task) for task in zip(x, y, mask, strict=True)]).sum()

    torch.testing.assert_close(at_once(start), one_by_one(start))
    together = gradients(at_once, start)
    assert apart(together, gradients(one_by_one, start)) < 1e-10
    assert apart(together, gradients(looped, start)) < 1e-10


@pytest.mark.parametrize("clip", [0.1, 1e6])
def test_a_long_inner_gradient_is_shortened(clip: float) -> None:
    x, y, mask = problems(1)
    start = network()
    slopes = gradients(lambda w: error(w, x[0, 0], y[0, 0], mask[0, 0]), start)
    norm = float(torch.cat([value.flatten() for value in slopes.values()]).norm())
    assert 0.1 < norm < 1e6
    share = min(1.0, clip / norm)

    def after(values: Weights) -> dict[str, Tensor]:
        rates = dict.fromkeys(values, 0.5)
        return descend(lambda fast: error(fast, x[0, 0], y[0, 0], mask[0, 0]), values, rates, steps=1, clip=clip)

    for name, value in after(start).items():
        torch.testing.assert_close(value, start[name] - 0.5 * share * slopes[name])

    def query(values: Weights) -> Tensor:
        return error(after(values), x[0, 1], y[0, 1], mask[0, 1])

    assert apart(gradients(query, start), differences(query, start)) < 1e-6


def test_a_slope_of_0_has_no_direction_and_is_shortened_all_the_same() -> None:
    def ends(values: Weights) -> Tensor:
        return descend(lambda fast: (fast["a"] * 0).sum(), values, {"a": 1.0}, steps=2, clip=0.1)["a"].sum()

    assert torch.equal(gradients(ends, {"a": torch.ones(2)})["a"], torch.ones(2))


def test_no_rate_no_step_and_no_example_move_nothing() -> None:
    x, y, mask = problems(1)
    start, rates = network(), rates_of(network())
    none = {name: torch.zeros_like(value) for name, value in rates.items()}
    assert same(adapted(start, x[0, 0], y[0, 0], mask[0, 0], none, 5, False), start)
    assert same(adapted(start, x[0, 0], y[0, 0], mask[0, 0], rates, 0, False), start)
    assert same(adapted(start, x[0, 0], y[0, 0], torch.zeros(7), rates, 5, False), start)


# Problems whose optimum is known.


def trained(weights: Weights, objective: Callable[[Weights, int], Tensor], steps: int, rate: float) -> Weights:
    return learn(
        weights,
        lambda values, step: (objective(values, step), {}),
        Outer(steps, rate),
        budget=Budget(),
        progress=silent,
        name="",
    )


def wave(weights: Weights, x: Tensor) -> Tensor:
    """A network of 1-40-40-1 at x (..., 1)."""
    one = torch.tanh(x @ weights["first"] + weights["first_bias"])
    two = torch.tanh(one @ weights["second"] + weights["second_bias"])
    return (two @ weights["third"] + weights["third_bias"]).squeeze(-1)


def waves(step: int, tasks: int) -> tuple[Tensor, Tensor]:
    """Sinusoids of amplitude 0.1 to 5 and phase 0 to π at 20 places between -5 and 5: x (T, 20, 1), y (T, 20)."""
    drawn = chance(step)
    amplitude, phase = (
        0.1 + 4.9 * torch.rand(tasks, 1, generator=drawn),
        math.pi * torch.rand(tasks, 1, generator=drawn),
    )
    x = 10 * torch.rand(tasks, 20, 1, generator=drawn) - 5
    return x, amplitude * torch.sin(x.squeeze(-1) - phase)


def test_maml_learns_to_learn_sinusoids() -> None:
    sizes = {"first": (1, 40), "second": (40, 40), "third": (40, 1)}
    start = {name: torch.randn(size, generator=chance(3)) / size[0] ** 0.5 for name, size in sizes.items()}
    start |= {f"{name}_bias": torch.zeros(size[1]) for name, size in sizes.items()}

    def ends(weights: Weights, x: Tensor, y: Tensor, steps: int) -> Tensor:
        """(T, 10): squared errors on the last ten places after adapting on the first ten."""

        def one(x: Tensor, y: Tensor) -> Tensor:
            rates = dict.fromkeys(weights, 0.05)
            fast = descend(lambda w: (wave(w, x[:10]) - y[:10]).square().mean(), weights, rates, steps=steps)
            return (wave(fast, x[10:]) - y[10:]).square()

        found: Tensor = vmap(one)(x, y)
        return found

    meta = trained(start, lambda w, step: ends(w, *waves(step, 25), 1).mean(), 700, 1e-2)
    pretrained = trained(start, lambda w, step: ends(w, *waves(step, 64), 0).mean(), 400, 1e-2)
    unseen = waves(10**6, 1_000)
    # Nobody who does not adapt does better than the mean wave, which leaves E[A²]/2 − (2 E[A]/π)² E[cos²x] = 3.0.
    assert float(ends(pretrained, *unseen, 0).mean()) == pytest.approx(3.0, abs=0.25)
    assert float(ends(pretrained, *unseen, 1).mean()) > 2
    assert float(ends(meta, *unseen, 1).mean()) < 0.8


SPREAD = torch.tensor([0.5, 1.0, 2.0])
MIDDLE = torch.tensor([1.0, -2.0, 0.5])
SHOTS = 24


def line(values: Weights, step: int) -> Tensor:
    """The error after one step on y = (MIDDLE + e)·x, the examples of dimension d being SPREAD[d] wide."""
    drawn = chance(step)
    truth = MIDDLE + torch.randn(128, 3, generator=drawn)
    x = SPREAD * torch.randn(128, 2, SHOTS, 3, generator=drawn)
    rates = {"line": values["log_rate"].exp()}

    def one(x: Tensor, truth: Tensor) -> Tensor:
        own = {"line": values["line"]}
        fast = descend(lambda w: (x[0] @ (w["line"] - truth)).square().mean(), own, rates, steps=1)
        return (x[1] @ (fast["line"] - truth)).square().mean()

    found: Tensor = vmap(one)(x, truth)
    return found.mean()


def test_the_best_start_of_lines_is_their_mean_and_the_best_rates_have_a_closed_form() -> None:
    # One step leads to (I − 2AĤ)(w − truth), Ĥ = XᵀX/S. For Gaussian x of covariance H = diag(s²) and standard
    # normal e, E[(Ĥe)_d e_d] = s_d² and E[(Ĥe)_d²] = s_d² (s_d² (1 + 1/S) + tr H / S); the rate is half their ratio.
    best = 1 / (2 * (SPREAD**2 * (1 + 1 / SHOTS) + (SPREAD**2).sum() / SHOTS))
    found = trained({"line": torch.zeros(3), "log_rate": torch.full((3,), -3.0)}, line, 800, 3e-2)
    torch.testing.assert_close(found["line"], MIDDLE, atol=0.1, rtol=0)
    torch.testing.assert_close(found["log_rate"].exp(), best, atol=0, rtol=0.06)


# The outer loop.


def bowl(values: Weights, step: int) -> tuple[Tensor, Weights]:
    """A noisy one around 3, and weights that count the steps."""
    noise = torch.randn(5, generator=chance(step))
    return (values["at"] - 3 + noise).square().sum() + (values["scale"] * 2 - 1) ** 2, {"count": values["count"] + 1}


def beginning() -> dict[str, Tensor]:
    return {"at": torch.zeros(5), "scale": torch.tensor(0.0), "count": torch.zeros(2), "nothing": torch.zeros(0, 3)}


def run(
    objective: Objective = bowl,
    outer: Outer | None = None,
    *,
    checkpoint: Path | None = None,
    budget: Budget | None = None,
    validate: Callable[[Weights], float] | None = None,
    key: str = "bowl",
) -> dict[str, Tensor]:
    return learn(
        beginning(),
        objective,
        outer or Outer(200, 0.05),
        budget=replace(budget or Budget(), checkpoint=checkpoint),
        progress=silent,
        name="bowl",
        validate=validate,
        key=key,
    )


class Killed(Exception):
    """Stands for whatever ends a run at once."""


def dying(last: int) -> Objective:
    def objective(values: Weights, step: int) -> tuple[Tensor, Weights]:
        if step == last:
            raise Killed
        return bowl(values, step)

    return objective


def far(values: Weights) -> float:
    return float((values["at"] - 2).square().sum())


@pytest.mark.parametrize(
    ("last", "patience"), [*((last, 0) for last in (0, 3, 50, 51, 199)), *((last, 4) for last in (49, 51, 110, 139))]
)
def test_a_killed_run_goes_on_to_the_same_weights(last: int, patience: int, tmp_path: Path) -> None:
    made: list[int] = []

    def counted(values: Weights, step: int) -> tuple[Tensor, Weights]:
        made.append(step)
        return bowl(values, step)

    outer = Outer(200, 0.05, patience=patience, every=20)
    whole, end = run(counted, outer, validate=far), made[-1]
    assert end == (159 if patience else 199)
    with pytest.raises(Killed):
        run(dying(last), outer, validate=far, checkpoint=tmp_path / "state")
    made.clear()
    assert same(run(counted, outer, validate=far, checkpoint=tmp_path / "state"), whole)
    assert (made[0], made[-1]) == (last // 50 * 50, end)
    assert same(run(counted, outer, validate=far, checkpoint=tmp_path / "state"), whole)
    assert made[-1] == end
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_run_whose_time_was_over_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run()
    clock = [0.0]
    monkeypatch.setattr("firstlight.budget.time.monotonic", lambda: clock[0])

    def slow(values: Weights, step: int) -> tuple[Tensor, Weights]:
        clock[0] += 1
        return bowl(values, step)

    parts = [run(slow, budget=Budget(70, start=clock[0]), checkpoint=tmp_path / "state") for _ in range(3)]
    assert [round(float(part["count"][0])) for part in parts] < [200] * 3
    assert not same(parts[0], whole)
    assert not same(parts[1], whole)
    assert same(parts[2], whole)
    assert clock[0] == 200


def test_no_time_means_no_step() -> None:
    assert same(run(budget=Budget(0.0)), beginning())


def test_a_checkpoint_of_another_training_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "state"
    run(checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match=r"state belongs to another training \(bowl\): give another file"):
        run(checkpoint=path, key="another")
    assert path.read_bytes() == before


def written(told: str) -> Callable[[Path], None]:
    return lambda path: save_file({"weights:at": torch.ones(1)}, path, {"snapshot": told})


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"garbage" * 100),
        lambda path: path.mkdir(),
        lambda path: save_file({"weights:at": torch.ones(1)}, path),
        lambda path: save_file({"else:at": torch.ones(1)}, path, {"snapshot": '{"key": "bowl", "step": 1}'}),
        written("[]"),
        written("{"),
        written('{"key": "bowl"}'),
        written('{"key": "bowl", "step": null, "best_loss": "1", "bad": 0}'),
    ],
    ids=["empty", "garbage", "folder", "no facts", "other parts", "list", "no JSON", "too few facts", "no number"],
)
def test_what_is_no_checkpoint_is_refused_in_words(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path / "state")
    with pytest.raises(SettingsError, match=r"^The checkpoint .* cannot be read .*: give another file, or remove it"):
        run(checkpoint=tmp_path / "state")


def test_half_a_checkpoint_is_refused_in_words(tmp_path: Path) -> None:
    run(checkpoint=tmp_path / "state")
    whole = (tmp_path / "state").read_bytes()
    for share in (0.01, 0.5, 0.99):
        (tmp_path / "state").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(SettingsError, match="cannot be read"):
            run(checkpoint=tmp_path / "state")


def test_a_snapshot_is_read_as_it_was_written(tmp_path: Path) -> None:
    parts = [{"a": torch.randn(3, 2, generator=chance(seed)), "b": torch.tensor(float(seed))} for seed in range(4)]
    snapshot = Snapshot(7, parts[0], parts[1], parts[2], parts[3], 1 / 3, 2)
    assert read_snapshot(tmp_path / "state", "key") is None
    write_snapshot(tmp_path / "state", "key", snapshot)
    read = read_snapshot(tmp_path / "state", "key")
    assert read is not None
    assert (read.step, read.best_loss, read.bad) == (7, 1 / 3, 2)
    for part in ("weights", "average", "moments", "best"):
        assert same(getattr(read, part), getattr(snapshot, part))


def test_early_stopping_gives_the_weights_of_the_best_look() -> None:
    looks, made = [], []

    def validate(values: Weights) -> float:
        looks.append(far(values))
        return looks[-1]

    def counted(values: Weights, step: int) -> tuple[Tensor, Weights]:
        made.append(step)
        return (values["at"] - 3).square().sum(), {}

    # Training leads to 3, by way of 2, where the validation tasks are best.
    found = run(counted, Outer(500, 0.1, patience=3, every=5), validate=validate)
    assert far(found) == min(looks)
    assert looks.index(min(looks)) == len(looks) - 4
    assert len(made) == 5 * (len(looks) - 1) < 500
    assert far(run(counted, Outer(500, 0.1), validate=validate)) > 3 * min(looks)


def test_a_look_that_is_no_number_is_no_progress() -> None:
    values = iter([1.0, math.nan, math.nan])
    found = run(bowl, Outer(500, 0.1, patience=2, every=5), validate=lambda _: next(values))
    assert all(bool(value.isfinite().all()) for value in found.values())
    lost = run(bowl, Outer(500, 0.1, patience=2, every=5), validate=lambda _: math.nan)
    assert all(bool(value.isfinite().all()) for value in lost.values())


def test_clipping_bounds_what_one_step_can_do() -> None:
    def spike(height: float, clip: float) -> Tensor:
        def objective(values: Weights, step: int) -> tuple[Tensor, Weights]:
            return values["at"].sum() / 5**0.5 * (height if step == 40 else 1.0), {}

        return run(objective, Outer(100, 0.05, clip))["at"]

    torch.testing.assert_close(spike(1e6, 2.0), spike(2.0, 2.0))
    assert float((spike(1e6, 1e9) - spike(2.0, 2.0)).abs().max()) > 0.1


@pytest.mark.parametrize("kind", ["nan", "infinite", "slope"])
def test_a_step_that_is_no_number_is_left_out(kind: str) -> None:
    bad = {"nan": math.nan, "infinite": math.inf, "slope": 1.0}[kind]

    def objective(values: Weights, step: int) -> tuple[Tensor, Weights]:
        loss, written = bowl(values, step)
        if step % 3 == 1:
            # The slope of the root is infinite at 0, and 0 times that is no number.
            loss = loss + (values["at"] * 0).square().sum().sqrt() if kind == "slope" else loss * bad
            written = {"count": values["count"] * math.nan}
        return loss, written

    found = run(objective, Outer(300, 0.1))
    assert all(bool(value.isfinite().all()) for value in found.values())
    torch.testing.assert_close(found["at"], torch.full((5,), 3.0), atol=0.5, rtol=0)


def test_written_weights_that_are_no_numbers_are_not_written() -> None:
    def objective(values: Weights, step: int) -> tuple[Tensor, Weights]:
        return bowl(values, step)[0], {"count": values["count"] + (math.nan if step == 5 else 1.0)}

    assert float(run(objective, Outer(20, 0.05, patience=1, every=20), validate=far)["count"].max()) < 19
    assert bool(run(objective)["count"].isfinite().all())


@pytest.mark.parametrize("row", [19, 20])
def test_twenty_lost_steps_in_a_row_are_told(row: int) -> None:
    def objective(values: Weights, step: int) -> tuple[Tensor, Weights]:
        loss, written = bowl(values, step)
        return loss * (math.nan if 60 <= step < 60 + row else 1.0), written

    if row < 20:
        assert all(bool(value.isfinite().all()) for value in run(objective).values())
    else:
        with pytest.raises(SettingsError, match=r"^bowl: the loss was no number for 20 steps in a row: lower"):
            run(objective)


def test_what_was_given_is_not_changed_and_the_same_again_is_the_same() -> None:
    given = beginning()
    budget = Budget(device="cpu")
    runs = [
        learn(given, bowl, Outer(60, 0.05), budget=budget, progress=silent, name="") for _ in range(2)
    ]  # one after the other
    assert same(given, beginning())
    assert same(runs[0], runs[1])
    assert not any(value.requires_grad for value in runs[0].values())


def test_progress_ends_at_all() -> None:
    told: list[tuple[str, float]] = []
    learn(beginning(), bowl, Outer(7, 0.1), budget=Budget(), progress=lambda *said: told.append(said), name="bowl")
    assert told[-1] == ("bowl: step 7 of 7", 1.0)
    assert [share for _, share in told] == sorted(share for _, share in told)


# Episodes.


def parts(episode: Episode) -> tuple[Tensor, ...]:
    return (*episode.task, episode.query, episode.query_grades)


def market(**options: float) -> Episodes:
    corpus = training()
    chosen = most_liked(corpus.tasks, corpus.n_items, 120)
    return cut(corpus, chosen, **{"size": 64, "most": 20, "seed": 0, **options})  # type: ignore[arg-type]


def test_the_support_is_not_in_the_query_and_both_are_the_person() -> None:
    corpus = training()
    chosen = most_liked(corpus.tasks, corpus.n_items, 120)
    place = {int(item): column for column, item in enumerate(chosen)}
    people = [
        {place[int(item)] for item in row if int(item) in place}
        for row in torch.split(corpus.tasks.items, corpus.tasks.indptr.diff().tolist())
    ]
    shots = []
    for step in range(4):
        episode = market().batch(step)
        for columns, grades, query, left in zip(*episode.task[:2], episode.query, episode.query_grades, strict=True):
            known, asked = columns[grades != 0].tolist(), query[left != 0].tolist()
            assert len({*known, *asked}) == len(known) + len(asked)
            assert {*known, *asked} in people
            assert len(asked) >= 2
            shots.append(len(known))
    assert {0, 1, 2, 5} <= set(shots)
    assert max(shots) <= 20


def test_a_batch_depends_on_the_seed_and_the_step_alone() -> None:
    for left, right in zip(parts(market().batch(3)), parts(market().batch(3)), strict=True):
        assert torch.equal(left, right)
    assert not torch.equal(market().batch(3).task.columns, market().batch(4).task.columns)
    assert not torch.equal(market().batch(3).task.columns, market(seed=1).batch(3).task.columns)


def test_dropout_keeps_the_mean_and_a_part_of_the_profiles_is_unknown() -> None:
    kept = market(size=256, dimensions=100, drop=0.3).batch(0).task.keep
    assert float(kept.mean()) == pytest.approx(1, abs=0.02)
    assert float((kept == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert torch.equal(market(dimensions=4).batch(0).task.keep, torch.ones(64, 4))
    profiles = torch.cat([market().batch(step).task.profile for step in range(20)])
    assert 0.1 < float((profiles == 0).all(1).float().mean()) < 0.4


@pytest.mark.parametrize(
    ("rows", "able"),
    [
        ([[0], [1], []], [0, 1]),
        ([[0, 1], [2], []], [0, 1]),
        ([[0, 1, 2], [2], []], [0]),
        ([[], []], []),
        ([], []),
        ([[0, 0, 0, 0], [1, 1]], [0]),
    ],
    ids=["one each", "two", "only one will do", "nobody", "no people", "twice"],
)
def test_tasks_of_few_examples_serve_where_there_are_no_others(rows: list[list[int]], able: list[int]) -> None:
    episodes = cut(tiny(rows, 4), torch.arange(4), size=8, most=20, seed=0)
    assert episodes.able.tolist() == able
    if able:
        episode = episodes.batch(0)
        assert len(episode.query) == min(8, len(able))
        assert bool((episode.query_grades != 0).any(1).all())
        assert bool(softmax_loss(torch.zeros(len(episode.query), 4), episode).isfinite())


def test_grades_come_with_dislikes_only_where_asked_for() -> None:
    corpus = tiny([[0, 1, 2, 3], [3, 2, 1, 0]], 4)
    grades = torch.tensor([0.5, -1.0, 2.0, 1.0, -1.0, 1.0, 1.5, 1.0])
    corpus = replace(corpus, tasks=replace(corpus.tasks, grades=grades))
    likes = cut(corpus, torch.arange(4), size=2, most=3, seed=0)
    assert set(likes.grades.tolist()) == {1.0}
    assert likes.counts.tolist() == [3, 3]
    graded = cut(corpus, torch.arange(4), size=2, most=3, seed=0, graded=True)
    assert torch.equal(graded.grades, grades)


def test_items_of_other_pools_are_out_of_the_running() -> None:
    pools = torch.tensor([0, 0, 0, 1, 1, 1])
    corpus = tiny([[0, 1, 2, 3, 4, 5], [3, 4, 5, 0, 1, 2]], 6).with_pools(pools)
    seen = set()
    for step in range(5):
        episode = cut(corpus, torch.arange(6), size=6, most=1, seed=0).batch(step)
        assert episode.pool is not None
        for row, query, real in zip(episode.pool, episode.query, episode.query_grades != 0, strict=True):
            assert bool(row[query[real]].all())
            seen.add("".join("01"[kept] for kept in row))
    assert seen == {"111111", "111000", "000111"}


# Losses.


def episode_of(
    known: list[list[tuple[int, float]]], asked: list[list[tuple[int, float]]], pool: Tensor | None = None
) -> Episode:
    left, right = support(known, 0), support(asked, 0)
    task = Task(left.items, left.grades.double(), left.profile, torch.ones(len(known), 1))
    return Episode(task, right.items, right.grades.double(), pool)


KNOWN = [[(1, 1.0), (2, -0.5)], [], [(0, 1.0)], [(5, 2.0)]]
ASKED = [[(0, 1.0), (3, 0.5)], [(2, 1.0)], [(4, -1.0), (1, 2.0), (5, 1.0)], []]


@pytest.mark.parametrize("pooled", [False, True])
def test_the_softmax_loss_is_its_definition(pooled: bool) -> None:
    logits = torch.randn(4, 6, generator=chance(), dtype=torch.float64)
    pool = torch.ones(4, 6, dtype=torch.bool)
    pool[0, 5] = pool[1, 3] = pool[2, 3] = False
    total, weight = 0.0, 0.0
    for row, (known, asked) in enumerate(zip(KNOWN, ASKED, strict=True)):
        running = [j for j in range(6) if j not in {item for item, _ in known} and (not pooled or pool[row, j])]
        rest = math.log(sum(math.exp(logits[row, j]) for j in running))
        liked = [(item, grade) for item, grade in asked if grade > 0]
        count = sum(grade for _, grade in liked)
        if count:
            total += sum(grade * (rest - float(logits[row, item])) for item, grade in liked) / count**0.5
            weight += count**0.5
    found = softmax_loss(logits, episode_of(KNOWN, ASKED, pool if pooled else None))
    assert float(found) == pytest.approx(total / weight, rel=1e-4)


def test_the_support_has_no_part_in_the_softmax() -> None:
    episode = episode_of(KNOWN, ASKED)
    logits = torch.randn(4, 6, generator=chance(), dtype=torch.float64)
    raised = logits.scatter_add(1, episode.task.columns, 50 * (episode.task.grades != 0).double())
    torch.testing.assert_close(softmax_loss(raised, episode), softmax_loss(logits, episode))


def test_the_squared_loss_is_its_definition() -> None:
    predicted = torch.randn(4, 6, generator=chance(), dtype=torch.float64)
    errors = [[(float(predicted[row, i]) - grade) ** 2 for i, grade in asked] for row, asked in enumerate(ASKED)]
    expected = sum(sum(e) / len(e) ** 0.5 for e in errors if e) / sum(len(e) ** 0.5 for e in errors)
    assert float(squared_loss(predicted, episode_of(KNOWN, ASKED))) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", [softmax_loss, squared_loss])
def test_a_batch_without_a_query_costs_nothing(loss: Callable[[Tensor, Episode], Tensor]) -> None:
    nothing: list[list[tuple[int, float]]] = [[], [], [], []]
    values = torch.randn(4, 6, generator=chance(), dtype=torch.float64)
    for episode in (episode_of(KNOWN, nothing), episode_of(nothing, nothing)):
        assert float(loss(values, episode)) == 0
        assert not gradients(lambda w, e=episode: loss(w["x"], e), {"x": values})["x"].any()  # type: ignore[misc]


def test_the_loss_of_a_support_is_its_definition() -> None:
    of_support, taste, others = (torch.randn(n, generator=chance(n), dtype=torch.float64) for n in (4, 4, 7))
    grades = torch.tensor([1.0, -0.5, 2.0, 0.0]).double()
    task = Task(torch.zeros(4, dtype=torch.int64), grades, torch.zeros(0), torch.ones(1))
    rest = sum(math.exp(x) for x in others)
    for whole in (True, False):
        cost = 0.0
        for logit, like, grade in zip(of_support.tolist(), taste.tolist(), grades.tolist(), strict=True):
            against = rest if whole else rest + math.exp(logit)
            cost += grade * (math.log(against) - logit) if grade > 0 else -grade * math.log1p(math.exp(like))
        found = support_softmax(of_support, taste, others, task, whole)
        assert float(found) == pytest.approx(cost / (3.5 + 1) ** 0.5)
    squares = sum((float(of_support[n]) - float(grades[n])) ** 2 for n in range(3)) / 3
    assert float(support_squared(of_support, task)) == pytest.approx(squares)
    empty = task._replace(grades=torch.zeros(4))
    assert float(support_softmax(of_support, taste, others, empty, True)) == 0
    assert float(support_squared(of_support, empty)) == 0


# The sampled softmax.


def varied(episode: Episode, seed: int) -> Episode:
    """The same, with one more query slot that is masked: the draw depends on the episode."""
    column = torch.zeros_like(episode.query[:, :1])
    column[0], column[1] = seed % 100, seed // 100
    empty = torch.zeros_like(episode.query_grades[:, :1])
    return replace(
        episode, query=torch.cat([episode.query, column], 1), query_grades=torch.cat([episode.query_grades, empty], 1)
    )


def sampled_loss(logits: Tensor, episode: Episode, size: int) -> Tensor:
    sample = sampled(episode, logits.shape[1], size)
    return softmax_loss((logits - sample.log_chance)[:, sample.columns], sample.episode)


@pytest.mark.parametrize("pooled", [False, True])
def test_a_sample_of_all_is_the_whole(pooled: bool) -> None:
    pool = torch.ones(4, 6, dtype=torch.bool)
    pool[0, 5] = pool[1, 3] = False
    episode = episode_of(KNOWN, ASKED, pool if pooled else None)
    logits = torch.randn(4, 6, generator=chance(), dtype=torch.float64)
    torch.testing.assert_close(sampled_loss(logits, episode, 6), softmax_loss(logits, episode))
    sample = sampled(episode, 6, 6)
    assert torch.equal(sample.columns, torch.arange(6))
    for left, right in zip(parts(sample.episode), parts(episode), strict=True):
        assert torch.equal(left, right)


def test_positions_count_the_sample() -> None:
    episode = market().batch(0)
    sample = sampled(episode, 120, 30)
    assert 30 < len(sample.columns) < 120
    assert bool((sample.columns.diff() > 0).all())
    for before, grades, after, left in (
        (episode.query, episode.query_grades, sample.episode.query, sample.episode.query_grades),
        (episode.task.columns, episode.task.grades, sample.episode.task.columns, sample.episode.task.grades),
    ):
        there = torch.isin(before, sample.columns) & (grades != 0)
        assert torch.equal(left != 0, there)
        assert torch.equal(left[there], grades[there])
        assert torch.equal(sample.columns[after[there]], before[there])
    again = sampled(episode, 120, 30)
    assert torch.equal(again.columns, sample.columns)
    assert not torch.equal(sampled(varied(episode, 1), 120, 30).columns, sample.columns)


def test_the_gradient_of_samples_is_on_average_that_of_the_whole() -> None:
    episode = market(size=16).batch(0)
    logits = {"x": torch.randn(16, 120, generator=chance())}
    whole = gradients(lambda w: softmax_loss(w["x"], episode), logits)

    def mean(corrected: float) -> Weights:
        total = torch.zeros(16, 120)
        for seed in range(150):
            sample = sampled(varied(episode, seed), 120, 60)

            def loss(w: Weights, sample: Sample = sample) -> Tensor:
                return softmax_loss((w["x"] - corrected * sample.log_chance)[:, sample.columns], sample.episode)

            total += gradients(loss, logits)["x"] / 150
        return {"x": total}

    assert apart(mean(1.0), whole) < 0.1
    assert apart(mean(0.0), whole) > 0.1
