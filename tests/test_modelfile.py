"""Model folders: what goes in comes out, and whatever is wrong is refused."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.torch import save_file
from torch import Tensor

from firstlight.errors import ModelError
from firstlight.manifest import FORMAT, MANIFEST, FileFacts, _seal
from firstlight.modelfile import TENSORS, Contents, check_free, load, save

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TABLE = pl.DataFrame({"item_id": ["a", "é", None], "price": [1.5, None, 2.0], "tags": [["x"], [], None]})
DOCUMENT = {
    "learner": "engine",
    "settings": {"rank": 32, "alpha": 0.1, "off": None},
    "words": ["é", "日本", "\x1b[31m"],
}


def tensors() -> dict[str, Tensor]:
    base = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    return {
        "base": base,
        "view": base[1:],
        "turned": base.T,
        "wide": torch.ones(2, 1).expand(2, 3),
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "empty": torch.empty(0, 3),
        "flags": torch.tensor([True, False]),
        "whole": torch.tensor([-1, 2**40]),
        "half": torch.tensor([1.0], dtype=torch.bfloat16),
        "learned": torch.nn.Parameter(torch.ones(2)),
    }


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save(tmp_path / "model", tensors(), DOCUMENT, {"items": TABLE}, created=WHEN)
    return tmp_path / "model"


def same(found: Contents, expected: dict[str, Tensor]) -> bool:
    equal = [torch.equal(found.tensors[name], tensor) for name, tensor in expected.items()]
    typed = [found.tensors[name].dtype == tensor.dtype for name, tensor in expected.items()]
    return all(equal) and all(typed) and found.tensors.keys() == expected.keys()


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest as someone would who knows how to seal it."""
    content = json.loads((folder / MANIFEST).read_text())
    del content["sha256"]
    change(content)
    (folder / MANIFEST).write_text(json.dumps(content | {"sha256": _seal(content)}))


def test_what_is_saved_is_loaded(model: Path) -> None:
    found = load(model)
    assert same(found, tensors())
    assert found.document == DOCUMENT
    assert found.tables.keys() == {"items"}
    assert found.tables["items"].equals(TABLE, null_equal=True)
    assert found.tables["items"].schema == TABLE.schema


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        hnp.arrays(st.sampled_from(["f4", "i8", "?"]), hnp.array_shapes(min_dims=0, min_side=0, max_side=4)).map(
            torch.from_numpy
        ),
        max_size=3,
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
)
def test_any_finite_tensors_and_any_json_come_back(
    tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, Tensor], value: Any
) -> None:
    folder = tmp_path_factory.mktemp("any") / "model"
    try:
        save(folder, arrays, {"value": value})
    except ModelError as error:
        assert "not finite" in str(error) or "JSON" in str(error)
        assert not list(folder.parent.iterdir())
        return
    found = load(folder)
    assert same(found, arrays)
    assert found.document == {"value": value}


def test_the_same_model_is_the_same_bytes(model: Path, tmp_path: Path) -> None:
    save(tmp_path / "again", tensors(), DOCUMENT, {"items": TABLE}, created=WHEN)
    for path in model.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_the_manifest_tells_what_is_there(model: Path) -> None:
    told = json.loads((model / MANIFEST).read_text())
    assert told["program"] == "firstlight"
    assert told["created"] == "2026-01-02T03:04:05+00:00"
    assert told["tensors"]["base"] == {"dtype": "float32", "shape": [3, 4]}
    assert told["files"].keys() == {TENSORS, "items.parquet"}
    assert told["files"][TENSORS]["bytes"] == (model / TENSORS).stat().st_size


def test_a_loaded_tensor_can_be_changed_without_changing_the_file(model: Path) -> None:
    load(model).tensors["base"].fill_(7)
    assert same(load(model), tensors())


def test_saving_replaces_the_model_that_is_there(model: Path) -> None:
    save(model, {"other": torch.zeros(2)}, {"learner": "popular"})
    found = load(model)
    assert (list(found.tensors), found.document, found.tables) == (["other"], {"learner": "popular"}, {})
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_files_that_the_manifest_does_not_name_are_ignored(model: Path) -> None:
    (model / "notes.txt").write_text("mine")
    (model / "other.safetensors").write_bytes(b"nonsense")
    assert same(load(model), tensors())


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "not a folder": (lambda m: only_file(m), "is not a folder"),
    "nothing there": (lambda m: shutil.rmtree(m), "is not a folder"),
    "no manifest": (lambda m: (m / MANIFEST).unlink(), f"has no {MANIFEST}"),
    "not JSON": (lambda m: (m / MANIFEST).write_text("{"), "damaged"),
    "not text": (lambda m: (m / MANIFEST).write_bytes(b"\xff\xfe{}"), "damaged"),
    "nested too deep": (lambda m: (m / MANIFEST).write_text("[" * 100_000), "damaged"),
    "not a number": (lambda m: rewrite_text(m, '"rank": 32', '"rank": NaN'), "damaged"),
    "a list": (lambda m: (m / MANIFEST).write_text("[]"), "not written by firstlight"),
    "another program": (lambda m: (m / MANIFEST).write_text('{"name": "my app"}'), "not written by firstlight"),
    "manifest changed": (lambda m: rewrite_text(m, '"rank": 32', '"rank": 33'), "damaged.*sha256"),
    "manifest incomplete": (lambda m: rewrite(m, lambda c: c.pop("tensors")), "damaged.*tensors"),
    "format 0": (lambda m: rewrite(m, lambda c: c.update(format=0)), "damaged.*format"),
    "format as text": (lambda m: rewrite(m, lambda c: c.update(format="1")), "damaged.*format"),
    "newer": (
        lambda m: rewrite(m, lambda c: c.update(format=FORMAT + 1, version="9.9", more=1)),
        f"format {FORMAT + 1}.*up to {FORMAT}.*firstlight '9.9' or later",
    ),
    "missing tensors": (lambda m: (m / TENSORS).unlink(), "is missing"),
    "missing table": (lambda m: (m / "items.parquet").unlink(), "is missing"),
    "truncated": (lambda m: os.truncate(m / TENSORS, 100), "has 100 bytes instead of"),
    "flipped": (lambda m: flip(m / TENSORS, -1), "sha256"),
    "flipped table": (lambda m: flip(m / "items.parquet", 9), "sha256"),
    "other shape": (
        lambda m: rewrite(m, lambda c: c["tensors"]["base"].update(shape=[4, 3])),
        r"'base' .* float32 \[3, 4\].* float32 \[4, 3\]",
    ),
    "other type": (lambda m: rewrite(m, lambda c: c["tensors"]["base"].update(dtype="int32")), "'base' .* int32"),
    "unknown type": (lambda m: rewrite(m, lambda c: c["tensors"]["base"].update(dtype="object")), "damaged.*dtype"),
    "tensor not told": (lambda m: rewrite(m, lambda c: c["tensors"].pop("base")), "disagree .* 'base'"),
    "tensor not there": (lambda m: rewrite(m, lambda c: c["files"].pop(TENSORS)), "disagree .* 'base'"),
    "nan": (lambda m: replace_tensor(m, torch.tensor([1.0, torch.nan, torch.inf])), "2 values that are not finite"),
    "nan in half": (lambda m: replace_tensor(m, torch.tensor([torch.nan]).half()), "1 values that are not finite"),
    "not safetensors": (lambda m: replace_bytes(m, TENSORS, b"\x80\x04pickle."), "not a safetensors file"),
    "not parquet": (lambda m: replace_bytes(m, "items.parquet", b"PAR1PAR1"), "not a Parquet file"),
}


def only_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.touch()


def rewrite_text(folder: Path, old: str, new: str) -> None:
    text = (folder / MANIFEST).read_text()
    assert old in text
    (folder / MANIFEST).write_text(text.replace(old, new))


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def replace_bytes(folder: Path, name: str, content: bytes) -> None:
    """Another content, with a manifest that agrees."""
    (folder / name).write_bytes(content)
    rewrite(folder, lambda c: c["files"].update({name: FileFacts.of(folder / name).model_dump()}))


def replace_tensor(folder: Path, tensor: Tensor) -> None:
    save_file({"base": tensor}, folder / TENSORS)
    told = {"dtype": str(tensor.dtype)[6:], "shape": list(tensor.shape)}
    rewrite(folder, lambda c: c.update(tensors={"base": told}))
    replace_bytes(folder, TENSORS, (folder / TENSORS).read_bytes())


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_wrong_is_refused_in_one_sentence(model: Path, damage: str) -> None:
    harm, message = DAMAGES[damage]
    harm(model)
    with pytest.raises(ModelError, match=f"(?s){message}") as caught:
        load(model)
    assert str(caught.value).endswith(".")
    assert "model" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/b", "..", "", ".hidden", "a\\b", "x\n", "a\0b", "C:x", "x" * 300]
)
def test_a_file_outside_the_folder_is_refused(model: Path, name: str) -> None:
    rewrite(model, lambda c: c["files"].update({name: {"bytes": 0, "sha256": "0" * 64}}))
    with pytest.raises(ModelError, match="not inside the folder"):
        load(model)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_flipped_bit_goes_unnoticed(model: Path, data: st.DataObject) -> None:
    path = model / data.draw(st.sampled_from([MANIFEST, TENSORS, "items.parquet"]))
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    try:
        found = load(model)
    except ModelError:
        return
    finally:
        path.write_bytes(whole)
    assert path.name == MANIFEST  # only white space between its words can differ
    assert same(found, tensors())
    assert found.document == DOCUMENT


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "sparse": ({"tensors": {"s": torch.eye(2).to_sparse()}}, "'s' is sparse.*indices and its values"),
    "nan": ({"tensors": {"n": torch.tensor([torch.nan])}}, "'n' has 1 values"),
    "complex": ({"tensors": {"c": torch.zeros(1, dtype=torch.complex64)}}, "'c' has type complex64"),
    "set in document": ({"document": {"a": {1}}}, "not JSON"),
    "nan in document": ({"document": {"a": float("nan")}}, "not JSON"),
    "tensor in document": ({"document": {"a": torch.zeros(1)}}, "not JSON"),
    "table outside": ({"tables": {"../x": TABLE}}, "cannot name a table"),
    "table of objects": ({"tables": {"x": pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})}}, "table 'x'"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_could_not_be_loaded_is_not_saved(model: Path, wrong: str) -> None:
    contents, message = WRONG[wrong]
    with pytest.raises(ModelError, match=f"(?s){message}"):
        save(model, **({"tensors": {}, "document": {}} | contents))
    assert same(load(model), tensors())
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_saving_deletes_nothing_but_a_model(model: Path, tmp_path: Path) -> None:
    (model / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match=r"holds 'notes.txt', which saving would delete"):
        save(model, {}, {})
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / MANIFEST).write_text('{"name": "my app"}')
    with pytest.raises(ModelError, match=f"holds '{MANIFEST}'"):
        save(tmp_path / "app", {}, {})
    with pytest.raises(ModelError, match="is a file"):
        save(model / "notes.txt", {}, {})
    check_free(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    save(tmp_path / "empty", {}, {})


def test_a_link_to_a_model_stays_a_link(model: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(model)
    save(tmp_path / "current", {"new": torch.ones(1)}, {})
    assert (tmp_path / "current").is_symlink()
    assert list(load(model).tensors) == ["new"]
