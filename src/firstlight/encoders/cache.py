"""Vectors of texts on disk, so that no text goes through a language model twice.

A folder holds one safetensors file for each batch that was added, written whole or not at all. What cannot be read is
as if it were not there, and what cannot be written is done without: a cache never stops the work.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from safetensors import SafetensorError
from torch import Tensor

from firstlight.errors import SettingsError
from firstlight.files import replacing

LEAST = 32
"""Fewer texts than this are sooner read again than looked up in a file of their own."""


def cache_folder() -> Path:
    """Where vectors are kept: FIRSTLIGHT_CACHE, or else ``~/.cache/firstlight``."""
    named = os.environ.get("FIRSTLIGHT_CACHE")
    return Path(named) if named else Path("~/.cache/firstlight").expanduser()


@dataclass(frozen=True)
class VectorCache:
    """The vectors of one encoder, float16. folder: its own, also one that does not exist yet."""

    folder: Path

    def find(self, texts: pl.Series, size: int) -> tuple[Tensor, Tensor]:
        """((n,) bool whether it is known, (n, size) float32 its vector or zeros) for each text."""
        keys = _keys(texts)
        known, vectors = torch.zeros(len(texts), dtype=torch.bool), torch.zeros(len(texts), size)
        for path in sorted(self.folder.glob("*.safetensors")):
            kept, theirs = _read(path)
            if theirs.shape[1:] != (size,) or kept.shape != theirs.shape[:1] or not len(kept):
                continue
            places = torch.searchsorted(kept, keys).clamp(max=len(kept) - 1)
            same = kept[places] == keys
            known, vectors[same] = known | same, theirs[places[same]].float()
        return known, vectors

    def keep(self, texts: pl.Series, vectors: Tensor) -> None:
        """Add the vectors (n, D) of distinct texts; of fewer than ``LEAST`` none."""
        from safetensors.torch import save_file

        if len(texts) < LEAST:
            return
        keys, order = _keys(texts).sort()
        name = hashlib.sha256(keys.numpy().tobytes()).hexdigest()[:32]
        with suppress(SettingsError), replacing(self.folder / f"{name}.safetensors") as written:
            save_file({"keys": keys, "vectors": vectors[order].half().contiguous()}, written)


def _keys(texts: pl.Series) -> Tensor:
    """(n,) int64: 64 bits of each text's BLAKE2 digest, which has no vectorised form and takes a microsecond."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return torch.frombuffer(bytearray(digests), dtype=torch.int64) if digests else torch.zeros(0, dtype=torch.int64)


def _read(path: Path) -> tuple[Tensor, Tensor]:
    """Keys in ascending order and their vectors; nothing of a file that is damaged or gone."""
    from safetensors.torch import load_file

    with suppress(SafetensorError, OSError, KeyError):
        found = load_file(path)
        return found["keys"], found["vectors"]
    return torch.zeros(0, dtype=torch.int64), torch.zeros(0, 0)
