"""The options of ``firstlight train`` for the text of items."""

import json
from pathlib import Path

import polars as pl
import pytest
from commands import run

from firstlight.recommender import Recommender

TITLES = ["red wooden train", "blue wooden train", "red silk dress", "blue silk dress"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data with titles and reviews."""
    folder = tmp_path_factory.mktemp("shop")
    ids = [f"i{n}" for n in range(4)]
    pl.DataFrame({"item_id": ids, "title": TITLES}).write_csv(folder / "items.csv")
    events = {
        "user_id": [f"u{n // 4}" for n in range(40)],
        "item_id": ids * 10,
        "text": ["pretty toy", "soft dress"] * 20,
    }
    pl.DataFrame(events).write_csv(folder / "events.csv")
    return folder


def train(shop: Path, out: Path, *options: str) -> str:
    """Standard error, or nothing where it went well."""
    done = run("train", shop, "--out", out, "--learner", "popular", *options)
    return done.stderr if done.exit_code else ""


@pytest.mark.parametrize(("options", "read"), [((), True), (("--text-encoder", "none"), False)])
def test_text_is_read_unless_it_is_not_wanted(shop: Path, tmp_path: Path, options: tuple[str, ...], read: bool) -> None:
    assert train(shop, tmp_path / "model", *options) == ""
    assert (Recommender.load(tmp_path / "model").schema.text is not None) is read


def test_reviews_are_part_of_the_model(shop: Path, tmp_path: Path) -> None:
    assert train(shop, tmp_path / "model", "--reviews") == ""
    said = json.loads((tmp_path / "model" / "manifest.json").read_text())["document"]["text"]
    assert said == {"encoder": "hashed", "columns": ["title"], "reviews": True}


def test_what_cannot_be_read_is_said_in_one_sentence(shop: Path, tmp_path: Path) -> None:
    said = train(shop, tmp_path / "model", "--text-encoder", str(shop))
    assert str(shop.name) in said.replace("\n", "")
    assert "Traceback" not in said
    assert not (tmp_path / "model").exists()
