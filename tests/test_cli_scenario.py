"""``firstlight train --task scenario`` and ``firstlight predict``."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from commands import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of eight specialties and a model of them."""
    place = tmp_path_factory.mktemp("clinic")
    chance = np.random.default_rng(0)
    age = chance.uniform(20, 90, 400)
    sick = chance.random(400) < 1 / (1 + np.exp(-(age - 60) / 8))
    names = [f"specialty-{row // 50}" for row in range(400)]
    pl.DataFrame({"domain": names, "age": age, "value": sick}).write_csv(place / "rows.csv")
    return place


def test_rows_of_a_scenario_get_a_probability(folder: Path) -> None:
    done = run("train", folder / "rows.csv", "--task", "scenario", "--label", "value", "--out", folder / "model")
    assert done.exit_code == 0, done.output
    assert "400 rows of 8 scenarios" in done.stdout
    out = folder / "said.csv"
    support = pl.read_csv(folder / "rows.csv").head(20)
    support.write_csv(folder / "known.csv")
    done = run(
        "predict",
        folder / "model",
        *("--rows", folder / "rows.csv", "--support", folder / "known.csv", "--out", out),
    )
    assert done.exit_code == 0, done.output
    said = pl.read_csv(out)
    assert said.height == 400 and said["probability"].is_between(0, 1).all()
    old, young = (said.filter(part)["probability"].mean() for part in (pl.col("age") > 75, pl.col("age") < 40))
    assert isinstance(old, float) and isinstance(young, float) and old > 0.5 > young


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--task", "weather"], "--task weather is none of items, scenario"),
        (["--task", "scenario"], "needs --label"),
        (["--task", "scenario", "--label", "value", "--recipe", "toys-mamo"], "no --recipe"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_sentence(folder: Path, options: list[str], sentence: str) -> None:
    done = run("train", folder / "rows.csv", "--out", folder / "other", *options)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_a_scenario_model_recommends_nothing(folder: Path) -> None:
    done = run("recommend", folder / "model", "--support", folder / "rows.csv", "--out", folder / "lists.csv")
    assert done.exit_code == 2
