"""The command ``recommend``: lists from files and streams to files and streams, whole or not at all."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from commands import lines, refused, run


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
    readers: dict[str, Callable[[bytes], pl.DataFrame]] = {
        "parquet": pl.read_parquet,
        "csv": pl.read_csv,
        "jsonl": pl.read_ndjson,
        "ndjson": pl.read_ndjson,
    }
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


def test_where_nobody_has_liked_anything_it_says_so(tmp_path: Path) -> None:
    shop, model = tmp_path / "shop", tmp_path / "model"
    shop.mkdir()
    (shop / "events.csv").write_text("user_id,item_id\n" + "".join(f"u{n},i{n % 3}\n" for n in range(12)))
    (shop / "items.csv").write_text("item_id,title\n" + "".join(f"i{n},a red thing\n" for n in range(6)))
    assert run("train", shop, "--out", model, "--learner", "popular").exit_code == 0
    for name, ids in {"cold": "i3\ni4\n", "some": "i2\ni4\n"}.items():
        (tmp_path / f"{name}.csv").write_text(f"item_id\n{ids}")
        done = run(
            "recommend", model, "--support", "-", "--candidates", tmp_path / f"{name}.csv", "--out", "-",
            stdin=lines([{"user_id": "a", "item_id": "i0"}]),
        )  # fmt: skip
        assert ("nobody has liked any of the 2 recommended items" in done.stderr) == (name == "cold")


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
