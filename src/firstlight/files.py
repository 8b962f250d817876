"""Outputs appear whole or not at all: written under a temporary name beside their place, then renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from firstlight.errors import SettingsError


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a free name beside ``path``; the file or folder written there takes its place when the block ends well.

    What was at ``path`` stays untouched until then; after an error nothing new is left behind. The name keeps the
    endings of ``path`` (``.jsonl.gz``). A link is followed. A device or a pipe is written to directly.

    Raises: SettingsError when ``path`` cannot be written.
    """
    if _is_stream(Path(path)):
        yield Path(path)
        return
    target = Path(path).resolve()
    written = _beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield written
        _put(written, target)
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"{path} cannot be written ({reason}): choose another place or make room.") from error
    finally:
        _remove(written)


def _put(new: Path, target: Path) -> None:
    if not (new.is_dir() and target.is_dir()):
        new.replace(target)
        return
    old = _beside(target)
    try:  # A folder cannot be renamed over another: the old one steps aside, and back if the new one cannot come in.
        target.rename(old)
        new.rename(target)
    except BaseException:
        if not target.exists():
            old.rename(target)
        raise
    _remove(old)


def _beside(path: Path) -> Path:
    return path.with_name(f".{uuid4().hex[:8]}-{path.name}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _is_stream(path: Path) -> bool:
    return os.path.exists(path) and not (path.is_file() or path.is_dir())
