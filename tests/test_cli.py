"""The command line: what every command does, and that everything that can be wrong ends in one sentence."""

import json
from pathlib import Path

import polars as pl
import pytest
from commands import refused, run

from firstlight.learners import DEFAULT, LEARNERS


def test_check_says_what_is_there_and_keeps_bad_rows(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id,type\na,x,click\n,x,click\nb,y,purchase\n")
    done = run("check", tmp_path, "--rejected", tmp_path / "bad.parquet")
    assert done.exit_code == 0
    assert "2 events of 2 users on 2 items" in done.stdout and "missing user_id" in done.stdout
    assert "Bad rows (1) are in" in done.stderr
    bad = pl.read_parquet(tmp_path / "bad.parquet")
    assert bad.select("file", "row", "reason").row(0) == ("events.csv", 2, "missing user_id")


def test_check_writes_nothing_where_nothing_is_bad(world: Path, tmp_path: Path) -> None:
    done = run("check", world / "market", "--rejected", tmp_path / "bad.parquet", "--json")
    assert done.exit_code == 0 and not (tmp_path / "bad.parquet").exists()
    assert json.loads(done.stdout)["users"] > 250


def test_check_with_names_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("wer,was\na,x\n")
    assert "events.csv has no user column" in refused("check", tmp_path)
    (tmp_path / "names.toml").write_text('[columns]\nuser_id = "wer"\nitem_id = "was"\n')
    assert run("check", tmp_path, "--columns", tmp_path / "names.toml").exit_code == 0
    assert "names.tml cannot be read" in refused("check", tmp_path, "--columns", tmp_path / "names.tml")


@pytest.mark.parametrize("command", [["check"], ["train", "--out", "m"], ["evaluate"]])
def test_a_folder_without_data_is_refused(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "nowhere is not a folder" in refused(*command, "nowhere")
    (tmp_path / "empty").mkdir()
    assert "has no events.parquet, .csv or .jsonl" in refused(*command, "empty")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


def test_train_says_what_it_did_and_what_is_next(world: Path, tmp_path: Path) -> None:
    done = run("train", world / "market", "--out", tmp_path / "m", "--learner", "ease", "--set", "reg=50", "--seed", 3)
    assert done.exit_code == 0
    assert "Trained ease on" in done.stdout and f"firstlight recommend {tmp_path / 'm'}" in done.stdout
    document = json.loads((tmp_path / "m" / "manifest.json").read_text())["document"]
    assert (document["learner"], document["settings"]["reg"]) == ("ease", 50)


def test_train_names_what_it_has_switched_off(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harmful = property(lambda model: [("books", "toys"), (None, "music")])
    monkeypatch.setattr("firstlight.recommender.Recommender.switched_off", harmful)
    done = run("train", world / "market", "--out", tmp_path / "m", "--learner", "popular")
    assert "better without: books → toys, music." in " ".join(done.stderr.split())


def test_what_counts_as_liked_goes_into_the_model(world: Path, tmp_path: Path) -> None:
    options = ["--learner", "popular", "--like-from", 3, "--weight", "click=0", "--weight", "cart=2.5"]
    assert run("train", world / "market", "--out", tmp_path / "m", *options).exit_code == 0
    feedback = json.loads((tmp_path / "m" / "manifest.json").read_text())["document"]["feedback"]
    assert feedback["like_from"] == 3
    assert (feedback["weights"]["click"], feedback["weights"]["cart"], feedback["weights"]["purchase"]) == (0, 2.5, 1)


def test_rows_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id\na,x\n,x\nb,y\nb,x\n")
    done = run("train", tmp_path, "--out", tmp_path / "m", "--learner", "popular")
    assert done.exit_code == 0
    assert f"1 of 4 rows cannot be used: `firstlight check {tmp_path}` says which and why." in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--learner", "magic"], "There is no learner 'magic': choose one of popular"),
        (["--learner", "ease", "--set", "magic=1"], "The setting 'magic' of ease is not known (its settings: "),
        (["--learner", "ease", "--set", "reg=much"], "The setting 'reg' of ease is 'much'"),
        (["--set", "reg"], "--set 'reg' cannot be read: write --set key=value."),
        (["--set", "=1"], "--set '=1' cannot be read"),
        (["--weight", "click=x"], "--weight click=x is not a weight: give a number from 0 up"),
        (["--weight", "click=-1"], "--weight click=-1 is not a weight"),
        (["--weight", "click=inf"], "--weight click=inf is not a weight"),
        (["--weight", "click"], "--weight 'click' cannot be read: write --weight type=number."),
        (["--like-from", "nan"], "--like-from is nan: give a rating such as 4."),
    ],
)
def test_a_bad_option_is_refused_before_anything_is_read(options: list[str], said: str, tmp_path: Path) -> None:
    assert said in refused("train", tmp_path / "nowhere", "--out", tmp_path / "m", *options)
    assert list(tmp_path.iterdir()) == []


def test_a_place_for_the_model_that_cannot_be_is_refused_before_training(world: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert "is a file: give the model a folder" in refused("train", world / "market", "--out", tmp_path / "file")
    assert "cannot be written" in refused("train", world / "market", "--out", tmp_path / "file" / "m")
    assert "which saving would delete" in refused("train", world / "market", "--out", world / "market")
    assert (tmp_path / "file").read_text() == "mine" and len(list((world / "market").iterdir())) == 3


def test_typers_own_errors_name_the_option(world: Path) -> None:
    done = run("train", world / "market", "--out", "m", "--magic")
    assert done.exit_code == 2 and "--magic" in done.stderr
    assert run("recommend", world / "model", "--out", "-", "-n", "0", "--users", "-").exit_code == 2


def test_other_errors_of_the_system_are_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*args: object) -> None:
        raise PermissionError(13, "Permission denied", "market/events.csv")

    monkeypatch.setattr("firstlight.cli.options.read_dataset", denied)
    assert refused("check", "market").startswith("market/events.csv: Permission denied; check that")


def test_evaluate_has_a_row_for_every_learner_and_writes_the_report(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "report.json"
    done = run(
        "evaluate", world / "market", "--protocol", "cold-user", "--learners", "popular, item-knn", "--shots", "0,2",
        "--out", out, "--seed", 4,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    report = json.loads(out.read_text())
    assert [row["learner"] for row in report["rows"]] == ["popular", "item-knn"]
    assert (report["shots"], report["seed"]) == ([0, 2], 4)
    assert "item-knn" in done.stdout and "2 events" in done.stdout
    assert max(map(len, done.stdout.replace(str(out), "").splitlines())) <= 80


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--learners", "popular,magic"], "There is no learner 'magic'"),
        (["--learners", " , "], "names nothing"),
        (["--shots", "a,b"], "--shots a,b cannot be read: give whole numbers"),
        (["--shots=-1"], "must be one or more numbers from 0 up"),
    ],
)
def test_an_evaluation_that_cannot_be_is_refused(options: list[str], said: str, world: Path) -> None:
    assert said in refused("evaluate", world / "market", *options)


def test_too_few_people_to_judge_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id\n" + "a,x\nb,y\n" * 5)
    assert "25 such people are the least" in refused("evaluate", tmp_path, "--learners", "popular")


def test_learners_are_named_one_a_line() -> None:
    done = run("learners")
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(LEARNERS)
    assert f"{DEFAULT} " in next(line for line in done.stdout.splitlines() if "(the default)" in line)


def test_simulate_writes_a_folder_that_can_be_checked(tmp_path: Path) -> None:
    options = ["--users", 20, "--items", 30, "--events", 200]
    assert run("simulate", tmp_path / "market", *options).exit_code == 0
    assert run("check", tmp_path / "market").exit_code == 0
    assert "n_items is 1" in refused("simulate", tmp_path / "other", "--items", 1)


def test_version_and_help() -> None:
    assert run("--version").stdout.startswith("firstlight ")
    assert all(name in run("--help").stdout for name in ("quickstart", "check", "train", "recommend", "evaluate"))
