"""Outputs appear whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from firstlight.errors import FirstlightError, SettingsError
from firstlight.files import replacing


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "recs.jsonl.gz"
    with replacing(out) as written:
        assert written.name.endswith("recs.jsonl.gz")
        written.write_text("old")
        assert not out.exists()
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), replacing(out) as written:
            written.write_text("half")
            raise error
    assert out.read_text() == "old"
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_folder_that_cannot_come_in_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "folder"
    out.mkdir()
    (out / "old").touch()
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if (self / "new").exists():
            raise OSError("disk on fire")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(SettingsError, match="disk on fire"), replacing(out) as written:
        written.mkdir()
        (written / "new").touch()
    assert [path.name for path in out.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(FirstlightError, match=r"file/out.json cannot be written"),
        replacing(tmp_path / "file" / "out.json"),
    ):
        pass
    with pytest.raises(FirstlightError, match="cannot be written"), replacing(tmp_path) as written:
        written.write_text("a file in place of a folder")
    assert tmp_path.is_dir()


def test_a_device_stays_a_device() -> None:
    with replacing("/dev/null") as written:
        written.write_text("gone")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
