"""From a table to probabilities and back from disk: what is read, what is refused, and in which words."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer
from polars.testing import assert_series_equal
from typer.testing import CliRunner, Result

from firstlight.cli.group import OneSentence
from firstlight.cli.predict import predict
from firstlight.cli.scenario import train_scenario
from firstlight.errors import DataError, FirstlightError, ModelError
from firstlight.modelfile import save
from firstlight.scenarios.learners import make
from firstlight.scenarios.model import ScenarioModel
from firstlight.scenarios.table import choose, kind, labels, read_table, scenarios


def clinic(specialties: int = 8, rows: int = 40, seed: int = 0) -> pl.DataFrame:
    """Patients of several specialties: the older the likelier, each specialty with a level of its own."""
    chance = np.random.default_rng(seed)
    count = specialties * rows
    which = np.repeat(np.arange(specialties), rows)
    age, ward = chance.uniform(20, 90, count), chance.choice(["east", "west"], count)
    logit = (age - 60) / 12 + (ward == "east") + chance.normal(size=specialties)[which]
    return pl.DataFrame(
        {
            "patient_id": np.arange(count),
            "domain": [f"specialty-{number}" for number in which],
            "age": age,
            "ward": ward,
            "value": (chance.random(count) < 1 / (1 + np.exp(-logit))).astype(int),
        }
    )


@pytest.fixture(scope="module")
def model() -> ScenarioModel:
    return ScenarioModel.fit(clinic(), "value")


def test_what_is_loaded_says_the_same_as_what_was_saved(model: ScenarioModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    rows = clinic(2, 10, seed=1)
    again = ScenarioModel.load(tmp_path / "model")
    assert_series_equal(again.probabilities(rows, rows[:5]), model.probabilities(rows, rows[:5]))
    assert again.facts["held_out"]["30"]["auc"] > 0.7


@pytest.mark.parametrize("name", ["maml", "prototypes", "separate"])
def test_other_learners_are_saved_too(name: str, tmp_path: Path) -> None:
    settings = {"steps": 3} if name != "separate" else {}
    model = ScenarioModel.fit(clinic(2), "value", learner=make(name, settings), tuned=False)
    model.save(tmp_path / "model")
    rows = clinic(1, 10, seed=1)
    assert_series_equal(ScenarioModel.load(tmp_path / "model").probabilities(rows), model.probabilities(rows))


def test_a_row_is_told_of_alone_as_in_company(model: ScenarioModel) -> None:
    rows, support = clinic(3, 700, seed=2), clinic(3, 20, seed=3)
    together = model.probabilities(rows, support)
    assert_series_equal(model.probabilities(rows[::7], support), together[::7])
    turned = model.probabilities(rows.reverse(), support.reverse()).reverse()
    assert_series_equal(turned, together)
    mine = support.filter(pl.col("domain") == "specialty-1")
    own = rows["domain"] == "specialty-1"
    assert_series_equal(model.probabilities(rows.filter(own), mine), together.filter(own))


def test_more_than_a_block_of_rows_is_no_other_case(model: ScenarioModel) -> None:
    rows = clinic(1, 2_500, seed=2)
    assert_series_equal(model.probabilities(rows)[2_000:], model.probabilities(rows[2_000:]))


def test_the_support_moves_its_own_scenario_alone(model: ScenarioModel) -> None:
    rows = clinic(2, 20, seed=4)
    support = rows.filter(pl.col("domain") == "specialty-0").with_columns(value=pl.lit(1))
    before, after = model.probabilities(rows), model.probabilities(rows, support)
    assert (after[:20] > before[:20]).all()
    assert_series_equal(after[20:], before[20:])


def test_new_labels_odd_numbers_and_a_scenario_of_one_row_are_ordinary(model: ScenarioModel) -> None:
    rows = pl.DataFrame({"age": [None, float("nan"), float("inf"), 1e300], "ward": ["north", None, "", "EAST"]})
    said = model.probabilities(rows)
    assert said.is_between(0, 1, closed="none").all() and said[:3].n_unique() == 1
    single = pl.concat([clinic(), clinic(1, 1, seed=9).with_columns(domain=pl.lit("alone"))])
    assert ScenarioModel.fit(single, "value", tuned=False).facts["scenarios"] == 9
    assert "held_out" not in ScenarioModel.fit(clinic(1), "value").facts


def test_the_probability_of_nothing_is_nothing(model: ScenarioModel) -> None:
    assert model.probabilities(clinic(1, 1)[:0]).len() == 0


def test_nothing_of_a_row_is_in_the_model(model: ScenarioModel) -> None:
    assert {name: value.shape for name, value in model.prior.items()} == {
        "mean": (model.encoder.encode(clinic()).shape[1],),
        "precision": (model.encoder.encode(clinic()).shape[1],) * 2,
    }
    assert "patient_id" not in [code.name for code in model.encoder.codes]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.with_columns(value=pl.lit(0)), "All 320 rows have value 0"),
        (
            lambda t: t.with_columns(value=pl.lit("maybe")),
            "is 'maybe' in row 1 .320 such.*write 0, 1, true",
        ),
        (lambda t: t.with_columns(value=pl.lit(None)), "is None in row 1"),
        (lambda t: t.with_columns(value=pl.lit(0.5)), "is 0.5 in row 1"),
        (lambda t: t.with_columns(value=pl.lit([1])), "value holds List"),
        (lambda t: t.drop("value"), "no column 'value'"),
        (lambda t: t.drop("domain"), "no column 'domain'"),
        (lambda t: t.with_columns(domain=pl.lit(" ")), "domain is empty in row 1 .320 such rows"),
        (lambda t: t.with_columns(domain=pl.lit([1])), "domain holds List"),
        (lambda t: t.drop("age", "ward"), "no features beside value and domain"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_in_one_sentence(change: object, words: str) -> None:
    assert callable(change)
    with pytest.raises(DataError, match=words):
        ScenarioModel.fit(change(clinic()), "value")


def test_features_that_cannot_be_are_named() -> None:
    refused = {"ages": "no column 'ages'", "value": "value is the label", "bag": "bag holds List"}
    for name, words in refused.items():
        with pytest.raises(DataError, match=words):
            choose(clinic().with_columns(bag=pl.lit([1])), "value", "domain", [name])


def test_columns_of_text_are_of_the_kind_that_all_cells_are() -> None:
    said: dict[str, list[Any]] = {
        "number": ["1", " 2.5", ""],
        "time": ["2024-01-31", "2024-02-01 10:00"],
        "category": ["1", "two"],
    }
    assert [kind(pl.Series("x", cells)) for cells in said.values()] == list(said)
    assert [kind(pl.Series("x", cells)) for cells in (["", ""], [True, False])] == ["category", "number"]
    assert labels(pl.DataFrame({"y": ["True", " 0 ", "1.0", "FALSE"]}), "y").to_list() == [1, 0, 1, 0]
    assert scenarios(pl.DataFrame({"s": [1, 2]}), "s").to_list() == ["1", "2"]


def command(*args: object) -> Result:
    app = typer.Typer(cls=OneSentence)
    app.command()(predict)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["predict", *(str(arg) for arg in args)])


def test_from_a_csv_to_probabilities_on_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clinic().write_csv(tmp_path / "clinic.csv")
    few = clinic(2, 20, seed=1)
    few.write_csv(tmp_path / "rows.csv")
    place = tmp_path / "model"
    train_scenario(tmp_path / "clinic.csv", place, label="value", learner="pooled", setting=["reg=3"])
    assert "320 rows of 8 scenarios" in capsys.readouterr().out
    rows, out = tmp_path / "rows.csv", tmp_path / "out.parquet"
    done = command(place, "--rows", rows, "--support", rows, "--out", out)
    assert done.exit_code == 0, done.output
    found = pl.read_parquet(out)
    assert found.columns == [*clinic().columns, "probability"] and found.height == 40
    assert_series_equal(
        found["probability"], ScenarioModel.load(place).probabilities(clinic(2, 20, seed=1), clinic(2, 20, seed=1))
    )


def test_commands_refuse_in_one_sentence(tmp_path: Path, model: ScenarioModel) -> None:
    clinic().write_parquet(tmp_path / "clinic.parquet")
    with pytest.raises(FirstlightError, match="--label"):
        train_scenario(tmp_path / "clinic.parquet", tmp_path / "model", label=None)
    model.save(tmp_path / "model")
    bad = clinic().with_columns(value=pl.lit("?"))
    bad.write_csv(tmp_path / "bad.csv")
    rows = ("--rows", tmp_path / "clinic.parquet")
    for args, words in (
        ((tmp_path / "model", *rows, "--out", "x.txt"), "no format"),
        ((tmp_path / "nowhere", *rows, "--out", tmp_path / "x.csv"), "nowhere"),
        (
            (tmp_path / "model", *rows, "--support", tmp_path / "bad.csv", "--out", tmp_path / "x.csv"),
            "The label value",
        ),
        ((tmp_path / "model", "--rows", "-", "--support", "-", "--out", tmp_path / "x.csv"), "one table only"),
    ):
        done = command(*args)
        assert done.exit_code == 2 and words in done.stderr.replace("\n", " "), done.output


def test_a_model_of_another_task_and_a_table_without_rows_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "other", {}, {"learner": "ease"})
    with pytest.raises(ModelError, match="recommends items"):
        ScenarioModel.load(tmp_path / "other")
    save(tmp_path / "half", {}, {"task": "scenario"})
    with pytest.raises(ModelError, match="does not say all"):
        ScenarioModel.load(tmp_path / "half")
    (tmp_path / "empty.csv").write_text("value,domain,age\n")
    with pytest.raises(DataError, match="no rows"):
        read_table(tmp_path / "empty.csv")
    (tmp_path / "broken.csv").write_text("value,domain,age\n1,a,3\n0,b\n")
    with pytest.raises(DataError, match="row 2 cannot be read"):
        read_table(tmp_path / "broken.csv")
