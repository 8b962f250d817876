"""The list of what is in a model folder, ``manifest.json``: by which damage and misuse are noticed before loading."""

import hashlib
import json
import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firstlight.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
"""The format of the folders written here, and the newest that is read."""

MANIFEST = "manifest.json"
AGAIN = "copy the folder again or train again"
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FileFacts(_Facts):
    """Size and sha256 of one file."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @classmethod
    def of(cls, path: Path) -> "FileFacts":
        """Those of the file at ``path``."""
        with path.open("rb") as file:
            return cls(bytes=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


class TensorFacts(_Facts):
    """Type and shape of one tensor."""

    dtype: Literal["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
    shape: list[int]

    @classmethod
    def of(cls, label: str, tensor: "Tensor") -> "TensorFacts":
        """Those of ``tensor``. Raises: ModelError, with the label, for a type that a model cannot hold."""
        dtype = str(tensor.dtype).removeprefix("torch.")
        try:
            return cls.model_validate({"dtype": dtype, "shape": list(tensor.shape)})
        except ValidationError as error:
            raise ModelError(f"The tensor {label} has type {dtype}, which a model cannot hold: use float32.") from error


class Manifest(_Facts):
    """What a model folder holds. ``document`` is the caller's, ``version`` the firstlight that wrote the folder."""

    program: Literal["firstlight"] = "firstlight"
    format: int = Field(default=FORMAT, ge=1)
    version: str = Field(default_factory=lambda: _version())
    created: str
    files: dict[str, FileFacts]
    tensors: dict[str, TensorFacts]
    document: dict[str, Any]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, with a sha256 of its own so that damage to it is noticed too.

    Raises: ModelError when the document is not JSON.
    """
    try:
        content = json.loads(json.dumps(manifest.model_dump(), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"The document of a model is not JSON ({error}): use text, finite numbers, lists.") from error
    sealed = content | {"sha256": _seal(content)}
    (folder / MANIFEST).write_text(json.dumps(sealed, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest; no other file is looked at.

    Raises: ModelError when it is missing, damaged, of another program or of a newer format, and when it names a file
    outside the folder.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder: give the folder that `firstlight train` wrote.")
    path = folder / MANIFEST
    if not path.is_file():
        raise ModelError(f"{folder} has no {MANIFEST}: give the folder that `firstlight train` wrote.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        _check_origin(path, content)
        if content.pop("sha256", None) != _seal(content):
            raise ValueError("its sha256 differs")
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"]))
        raise ModelError(f"{path} is damaged ({place!r:.80}: {wrong['msg']}): {AGAIN}.") from error
    except (ValueError, RecursionError, OSError) as error:
        raise ModelError(f"{path} is damaged ({error}): {AGAIN}.") from error
    for name in manifest.files:
        if not PLAIN_NAME.fullmatch(name):
            raise ModelError(f"{path} names the file {name!r:.80}, which is not inside the folder: do not use it.")
    return manifest


def check_file(path: Path, facts: FileFacts) -> None:
    """Compare a file with what the manifest says of it. Raises: ModelError when it is missing or another."""
    if not path.is_file():
        raise ModelError(f"{path} is missing: {AGAIN}.")
    size = path.stat().st_size
    if size != facts.bytes:
        raise ModelError(f"{path} has {size:,} bytes instead of {facts.bytes:,}: {AGAIN}.")
    if FileFacts.of(path) != facts:
        raise ModelError(f"{path} is damaged (its sha256 differs from the manifest's): {AGAIN}.")


def _check_origin(path: Path, content: Any) -> None:
    if not isinstance(content, dict) or content.get("program") != "firstlight":
        raise ModelError(f"{path} was not written by firstlight: give the folder that `firstlight train` wrote.")
    found = content.get("format")
    if isinstance(found, int) and found > FORMAT:
        needed = str(content.get("version"))
        raise ModelError(
            f"{path.parent} has model format {found}, and this version reads up to {FORMAT}: "
            f"install firstlight {needed!r:.40} or later."
        )


def _seal(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _version() -> str:
    try:
        return metadata.version("firstlight")
    except metadata.PackageNotFoundError:
        return "unknown"
