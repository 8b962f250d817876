"""A model on disk: a folder of numbers and text, in which nothing can run code.

``manifest.json`` names everything in it, ``model.safetensors`` has the tensors, ``NAME.parquet`` each table. All of it
is checked before any of it is used; what does not agree is refused with one sentence. ``docs/models.md`` shows more.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from firstlight.errors import ModelError
from firstlight.files import replacing
from firstlight.manifest import (
    AGAIN,
    MANIFEST,
    PLAIN_NAME,
    FileFacts,
    Manifest,
    TensorFacts,
    check_file,
    read_manifest,
    write_manifest,
)

if TYPE_CHECKING:
    from torch import Tensor

TENSORS = "model.safetensors"


class Contents(NamedTuple):
    """What is in a model folder: tensors and tables by name, and the caller's JSON document."""

    tensors: dict[str, "Tensor"]
    document: dict[str, Any]
    tables: dict[str, pl.DataFrame]


def save(
    folder: Path | str,
    tensors: Mapping[str, "Tensor"],
    document: Mapping[str, Any],
    tables: Mapping[str, pl.DataFrame] | None = None,
    *,
    created: datetime | None = None,
) -> None:
    """Write a model folder; a model that is there already is replaced as a whole, or left as it is after an error.

    tensors: dense and finite, of any shape; a sparse one is to be given as its indices and values. document: what
    JSON can hold. tables: name -> frame. created: the time to write down; None: now.

    Raises: ModelError for contents that could not be loaded back and for a place that ``check_free`` refuses;
    SettingsError where the disk refuses.
    """
    from safetensors.torch import save_file

    check_free(folder)
    dense = {name: _dense(name, tensor) for name, tensor in tensors.items()}
    with replacing(folder) as written:
        written.mkdir()
        save_file(_unshared(dense), written / TENSORS)
        (written / TENSORS).chmod(0o644)  # it is written for its owner alone, but others may serve it
        for name, table in (tables or {}).items():
            _write_table(written, name, table)
        manifest = Manifest(
            created=(created or datetime.now(UTC)).isoformat(timespec="seconds"),
            files={path.name: FileFacts.of(path) for path in sorted(written.iterdir())},
            tensors={name: TensorFacts.of(repr(name), tensor) for name, tensor in dense.items()},
            document=dict(document),
        )
        write_manifest(written, manifest)


def load(folder: Path | str) -> Contents:
    """Read a model folder back: what ``save`` was given. Files that the manifest does not name are ignored.

    Raises: ModelError, one sentence, for anything missing, damaged, newer than this version, or not finite.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name, facts in manifest.files.items():
        check_file(folder / name, facts)
    tables = [name for name in manifest.files if name.endswith(".parquet")]
    return Contents(
        _read_tensors(folder, manifest),
        manifest.document,
        {name.removesuffix(".parquet"): _read_table(folder / name) for name in tables},
    )


def check_free(folder: Path | str) -> None:
    """Refuse a place where saving a model would delete anything but a model.

    Raises: ModelError when ``folder`` is a file, or a folder that holds what no firstlight manifest names.
    """
    folder = Path(folder)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ModelError(f"{folder} is a file: give the model a folder of its own.")
    try:
        known = {MANIFEST, *read_manifest(folder).files}
    except ModelError:
        known = set()
    foreign = sorted({path.name for path in folder.iterdir()} - known)
    if foreign:
        raise ModelError(f"{folder} holds {foreign[0]!r}, which saving would delete: choose a new or empty folder.")


def _dense(name: str, tensor: "Tensor") -> "Tensor":
    import torch

    if tensor.layout is not torch.strided:
        raise ModelError(f"The tensor {name!r} is sparse and cannot be saved: give its indices and its values.")
    tensor = tensor.detach().cpu().contiguous()
    _check_finite(repr(name), tensor)
    return tensor


def _unshared(tensors: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    # safetensors refuses tensors that share their memory; such ones are copied.
    places = {name: tensor.untyped_storage().data_ptr() for name, tensor in tensors.items()}
    owners = Counter(places.values())
    return {name: tensor if owners[places[name]] == 1 else tensor.clone() for name, tensor in tensors.items()}


def _check_finite(label: str, tensor: "Tensor") -> None:
    import torch

    TensorFacts.of(label, tensor)
    # One infinite or undefined value makes the sum so: the usual case needs one pass and no memory.
    if not tensor.is_floating_point() or torch.isfinite(tensor.sum()):
        return
    if wrong := int((~torch.isfinite(tensor)).sum()):
        raise ModelError(f"The tensor {label} has {wrong:,} values that are not finite numbers: train again.")


def _read_tensors(folder: Path, manifest: Manifest) -> dict[str, "Tensor"]:
    from safetensors.torch import load_file

    tensors: dict[str, Tensor] = {}
    for path in (folder / name for name in manifest.files if name.endswith(".safetensors")):
        try:
            tensors |= load_file(path)
        except Exception as error:  # whatever the reader finds wrong, there is nothing to use
            raise ModelError(f"{path} is not a safetensors file ({error}): {AGAIN}.") from error
    if unlike := sorted(tensors.keys() ^ manifest.tensors.keys()):
        raise ModelError(f"{folder} and its manifest disagree on having a tensor {unlike[0]!r:.80}: {AGAIN}.")
    for name, tensor in tensors.items():
        label = f"{name!r} of {folder}"
        _check_finite(label, tensor)
        if (found := TensorFacts.of(label, tensor)) != (said := manifest.tensors[name]):
            raise ModelError(
                f"The tensor {label} is {found.dtype} {found.shape}, "
                f"and its manifest says {said.dtype} {said.shape}: {AGAIN}."
            )
    return tensors


def _write_table(folder: Path, name: str, table: pl.DataFrame) -> None:
    if not PLAIN_NAME.fullmatch(name):
        raise ModelError(f"{name!r:.80} cannot name a table of a model: use letters, digits, '.', '_' and '-'.")
    try:
        table.write_parquet(folder / f"{name}.parquet")
    except pl.exceptions.PolarsError as error:
        raise ModelError(f"The table {name!r} cannot be saved ({error}): use text, numbers, times or lists.") from error


def _read_table(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path.read_bytes())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ModelError(f"{path} is not a Parquet file ({error}): {AGAIN}.") from error
