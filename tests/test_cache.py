"""The cache of text vectors: what was kept is found, and nothing that goes wrong with it stops the work."""

from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor

from firstlight.encoders.cache import LEAST, VectorCache, cache_folder


def batch(start: int, n: int = LEAST, size: int = 4) -> tuple[pl.Series, Tensor]:
    """Texts and vectors that float16 can hold."""
    numbers = torch.arange(start, start + n)
    return pl.Series([f"text {number}" for number in numbers.tolist()]), (numbers[:, None] * torch.ones(size)).float()


def test_what_was_kept_is_found_whatever_the_order(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "deep" / "folder")
    for start in (0, 100, 200):
        cache.keep(*batch(start))
    texts, vectors = batch(100)
    order = torch.randperm(LEAST, generator=torch.Generator().manual_seed(0))
    asked = pl.concat([pl.Series(["never seen"]), texts.gather(order.numpy()), batch(200)[0]])
    known, found = cache.find(asked, 4)
    assert known.tolist() == [False] + [True] * 2 * LEAST
    assert torch.equal(found, torch.cat([torch.zeros(1, 4), vectors[order], batch(200)[1]]))


def test_nothing_is_known_of_an_empty_cache(tmp_path: Path) -> None:
    known, found = VectorCache(tmp_path / "none").find(pl.Series(["a"]), 3)
    assert (known.tolist(), found.shape) == ([False], (1, 3))
    assert VectorCache(tmp_path).find(pl.Series([], dtype=pl.String), 3)[1].shape == (0, 3)


def test_few_texts_have_no_file_of_their_own(tmp_path: Path) -> None:
    VectorCache(tmp_path).keep(*batch(0, LEAST - 1))
    assert list(tmp_path.iterdir()) == []


def test_damaged_and_foreign_files_are_as_if_not_there(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    cache.keep(*batch(0))
    (whole,) = tmp_path.iterdir()
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:50])
    (tmp_path / "empty.safetensors").touch()
    cache.keep(*batch(50, size=7))  # of another width, as another version may have left it
    assert cache.find(batch(0)[0], 4)[0].all()
    assert not cache.find(batch(50)[0], 4)[0].any()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = VectorCache(tmp_path / "file")
    cache.keep(*batch(0))
    assert not cache.find(batch(0)[0], 4)[0].any()


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("FIRSTLIGHT_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "firstlight"
