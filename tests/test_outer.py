"""The outer loop: training that stops, goes on, and survives steps that are no numbers."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conformance import same
from gradients import Weights, chance
from safetensors.torch import save_file
from torch import Tensor

from firstlight.budget import Budget, silent
from firstlight.errors import SettingsError
from firstlight.meta.checkpoint import Snapshot, read_snapshot, write_snapshot
from firstlight.meta.outer import Objective, Outer, learn


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
