"""The command line: what every command does, and that everything that can be wrong ends in one sentence."""

import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from conftest import ROOT
from rich.console import Console
from typer.testing import CliRunner, Result

from firstlight.cli import app
from firstlight.datasets.simulated import simulate
from firstlight.learners import DEFAULT, LEARNERS
from firstlight.progress import shown


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data ``market`` and the model ``model``."""
    folder = tmp_path_factory.mktemp("world")
    simulate(n_users=300, n_items=150, n_events=8_000, seed=1).write(folder / "market")
    done = run("train", folder / "market", "--out", folder / "model", "--learner", "item-knn")
    assert done.exit_code == 0, done.stderr
    return folder


def run(*args: object, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)


def refused(*args: object, stdin: str | None = None) -> str:
    """The one sentence with which the command fails."""
    done = run(*args, stdin=stdin)
    assert done.exit_code == 2, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("Error: ") and last.endswith(".")
    assert "Traceback" not in done.output
    return last.removeprefix("Error: ")


def lines(rows: Sequence[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# --- check


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


# --- train


def test_train_says_what_it_did_and_what_is_next(world: Path, tmp_path: Path) -> None:
    done = run("train", world / "market", "--out", tmp_path / "m", "--learner", "ease", "--set", "reg=50", "--seed", 3)
    assert done.exit_code == 0
    assert "Trained ease on" in done.stdout and f"firstlight recommend {tmp_path / 'm'}" in done.stdout
    document = json.loads((tmp_path / "m" / "manifest.json").read_text())["document"]
    assert (document["learner"], document["settings"]["reg"]) == ("ease", 50)


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


# --- recommend


def test_lists_for_everybody_in_events_and_users(world: Path, tmp_path: Path) -> None:
    (tmp_path / "support.jsonl").write_text(lines([{"user_id": "new", "item_id": "i001"}]))
    (tmp_path / "users.csv").write_text("user_id,age_group\nnever seen,young\nu001,old\n")
    out = tmp_path / "deep" / "recs.parquet"
    done = run(
        "recommend", world / "model", "--support", tmp_path / "support.jsonl", "--users", tmp_path / "users.csv",
        "-n", 4, "--out", out,
    )  # fmt: skip
    assert done.exit_code == 0 and done.stdout == ""
    lists = pl.read_parquet(out)
    assert dict(lists.schema) == {"user_id": pl.String, "item_id": pl.String, "rank": pl.Int64, "score": pl.Float32}
    assert dict(lists.group_by("user_id").len().iter_rows()) == {"new": 4, "never seen": 4, "u001": 4}
    assert "12 recommendations for 3 people" in done.stderr


@pytest.mark.parametrize(
    "name", ["recs.parquet", "recs.csv", "recs.jsonl", "recs.ndjson", "recs.csv.gz", "recs.jsonl.gz"]
)
def test_every_format_holds_the_same(world: Path, tmp_path: Path, name: str) -> None:
    users = world / "market" / "users.parquet"
    assert run("recommend", world / "model", "--users", users, "-n", 2, "--out", tmp_path / name).exit_code == 0
    readers = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson, "ndjson": pl.read_ndjson}
    data = (tmp_path / name).read_bytes()
    found = readers[name.split(".")[1]](gzip.decompress(data) if name.endswith(".gz") else data)
    assert found.columns == ["user_id", "item_id", "rank", "score"] and found.height == 600
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_streams_both_ways(world: Path) -> None:
    support = lines([{"user_id": "a", "item_id": "i001"}, {"user_id": "b", "item_id": "i002"}])
    done = run("recommend", world / "model", "--support", "-", "-n", 2, "--out", "-", stdin=support)
    assert done.exit_code == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["user_id"], row["rank"]) for row in rows] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert "i001" not in {row["item_id"] for row in rows if row["user_id"] == "a"}


def test_empty_support_with_users_and_without(world: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("user_id,item_id\n")
    users = lines([{"user_id": "a"}])
    done = run(
        "recommend", world / "model", "--support", tmp_path / "empty.csv", "--users", "-", "--out", "-", stdin=users
    )
    assert len(done.stdout.splitlines()) == 20
    done = run("recommend", world / "model", "--support", "-", "--out", "-", stdin="")
    assert (done.exit_code, done.stdout) == (0, "")
    done = run("recommend", world / "model", "--support", "-", "--out", tmp_path / "recs.parquet", stdin="")
    assert done.exit_code == 0
    assert pl.read_parquet(tmp_path / "recs.parquet").columns == ["user_id", "item_id", "rank", "score"]


def test_candidates_and_unknown_items_are_reported(world: Path, tmp_path: Path) -> None:
    (tmp_path / "some.csv").write_text("item_id\ni001\ni002\nnew-1\n")
    support = lines([{"user_id": "a", "item_id": item} for item in ("i001", "gone-1", "gone-2")])
    done = run(
        "recommend", world / "model", "--support", "-", "--candidates", tmp_path / "some.csv", "--out", "-",
        stdin=support,
    )  # fmt: skip
    assert [json.loads(line)["item_id"] for line in done.stdout.splitlines()] == ["i002"]
    assert "Unknown to the model: 2 of 3 items of the support, such as 'gone-1'." in done.stderr
    assert "Unknown to the model: 1 of 3 candidates, which cannot be recommended, such as 'new-1'." in done.stderr


def test_bad_rows_of_the_support_are_counted(world: Path) -> None:
    support = lines([{"user_id": "a", "item_id": "i001"}, {"user_id": None, "item_id": "i001"}])
    done = run("recommend", world / "model", "--support", "-", "--out", "-", "-n", 1, stdin=support)
    assert done.exit_code == 0 and len(done.stdout.splitlines()) == 1
    assert "standard input: 1 of 2 rows are not used, missing user_id (the first: row 2)." in done.stderr


def test_explain_adds_a_reason(world: Path) -> None:
    support = lines([{"user_id": "a", "item_id": "i001"}])
    done = run("recommend", world / "model", "--support", "-", "--out", "-", "-n", 1, "--explain", stdin=support)
    title = pl.read_parquet(world / "market" / "items.parquet").filter(pl.col("item_id") == "i001")["title"][0]
    assert json.loads(done.stdout)["because"].startswith(f"{title} +")


def test_a_request_that_cannot_be_met_is_refused(world: Path, tmp_path: Path) -> None:
    model, users, out = world / "model", world / "market" / "users.parquet", tmp_path / "recs.csv"
    assert "give --support EVENTS, --users USERS, or both" in refused("recommend", model, "--out", out)
    assert "Standard input holds one table only" in refused(
        "recommend", model, "--support", "-", "--users", "-", "--out", out
    )
    assert "recs.xls has no format that can be written" in refused(
        "recommend", model, "--users", users, "--out", tmp_path / "recs.xls"
    )
    assert "is a folder: name a file in it" in refused("recommend", model, "--users", users, "--out", _folder(out))
    assert "no.csv does not exist" in refused("recommend", model, "--support", "no.csv", "--out", tmp_path / "r.csv")
    assert "nowhere is not a folder" in refused("recommend", "nowhere", "--users", users, "--out", tmp_path / "r.csv")
    said = refused("recommend", model, "--support", "-", "--out", "-", stdin="not JSON\n[1]\n")
    assert said.startswith("standard input: 2 of 2 rows are not used, not a JSON object (the first: row 1); write one")
    bad = lines([{"who": "a"}])
    assert "has no user column" in refused("recommend", model, "--support", "-", "--out", "-", stdin=bad)
    assert list(tmp_path.iterdir()) == [out]


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize("harm", ["truncate", "flip", "lose", "newer"])
def test_a_harmed_model_is_refused_and_nothing_is_written(world: Path, tmp_path: Path, harm: str) -> None:
    model, users = tmp_path / "model", world / "market" / "users.parquet"
    shutil.copytree(world / "model", model)
    tensors, manifest = model / "model.safetensors", model / "manifest.json"
    data = tensors.read_bytes()
    if harm == "truncate":
        tensors.write_bytes(data[:-9])
    elif harm == "flip":
        tensors.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    elif harm == "lose":
        tensors.unlink()
    else:
        manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 99'))
    expected = {"truncate": "bytes instead of", "flip": "is damaged", "lose": "is missing", "newer": "model format 99"}
    assert expected[harm] in refused("recommend", model, "--users", users, "--out", tmp_path / "recs.csv")
    assert not (tmp_path / "recs.csv").exists()


def test_what_was_there_stays_when_writing_fails(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "recs.parquet"
    out.write_text("what was there")

    def full(self: pl.DataFrame, file: Path) -> None:
        file.write_text("half")
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    said = refused("recommend", world / "model", "--users", world / "market" / "users.parquet", "--out", out)
    assert "recs.parquet cannot be written (No space left on device)" in said
    assert out.read_text() == "what was there" and [path.name for path in tmp_path.iterdir()] == ["recs.parquet"]


def test_other_errors_of_the_system_are_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*args: object) -> None:
        raise PermissionError(13, "Permission denied", "market/events.csv")

    monkeypatch.setattr("firstlight.cli.options.read_dataset", denied)
    assert refused("check", "market").startswith("market/events.csv: Permission denied; check that")


# --- evaluate, learners, simulate, version


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


# --- progress


def test_without_a_terminal_a_step_is_a_line_when_it_begins_and_one_when_it_is_done() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    with shown("Training", console) as progress:
        progress("a part", 0.5)
        assert console.file.getvalue() == "Training …\n"
    assert re.fullmatch(r"Training …\nTraining: \d\.\d s\n", console.file.getvalue())


def test_on_a_terminal_a_bar_shows_the_part_and_is_gone_at_the_end() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, legacy_windows=False)
    with shown("Training", console) as progress:
        progress("a part with a name so long that it has no place beside the bar", 0.5)
    *_, last = console.file.getvalue().split("\n")
    assert "Training: a part" in console.file.getvalue() and "50%" in console.file.getvalue()
    assert last.endswith("\x1b[2K")


# --- the process


def program(*args: object) -> list[str]:
    return [sys.executable, "-c", "from firstlight.cli import main; main()", *map(str, args)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def test_the_command_line_is_there_without_torch() -> None:
    code = "import sys, firstlight.cli; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_names_of_the_package_load_when_used() -> None:
    code = """
import sys, firstlight
assert "polars" not in sys.modules and "torch" not in sys.modules
assert all(getattr(firstlight, name) for name in firstlight.__all__)
assert set(firstlight.__all__) < set(dir(firstlight)) and firstlight.Recommender.__name__ == "Recommender"
assert not hasattr(firstlight, "magic")
"""
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_ended_leaves_quietly_and_nothing_behind(number: int, code: int, tmp_path: Path) -> None:
    args = program("recommend", tmp_path / "model", "--support", "-", "--out", tmp_path / "recs.csv")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(args, env=environment(), text=True, **pipes) as process:
        assert process.stderr is not None and process.stdout is not None
        assert process.stderr.readline() == "Reading …\n"
        process.send_signal(number)
        assert process.wait(timeout=20) == code
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    assert list(tmp_path.iterdir()) == []
