"""Texts as dense vectors by a language model that is there already: any of sentence-transformers, any BERT-like one.

The model stays as it is (frozen). Where it does not say how a text's words become one vector, their mean is taken. Only
safetensors weights are read and none of the model's own code is run.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import polars as pl
import torch
from torch import Tensor

from firstlight.encoders.cache import VectorCache, cache_folder
from firstlight.encoders.vectors import Report, quiet
from firstlight.errors import ModelError, SettingsError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
"""What is read of a model; none of it can hold a program."""
OTHER_FORMS = ("onnx", "openvino")
"""Folders with the same model for other programs."""
BATCH, CHUNK = 32, 1_024


@dataclass(frozen=True, eq=False)
class PretrainedText:
    """A language model by name.

    name: a folder, or the name under which Hugging Face has it. revision: the commit there, None for a folder.
    fingerprint: sha256 of the model's files. size: D.
    """

    name: str
    revision: str | None
    fingerprint: str
    size: int

    def encode(self, texts: pl.Series, report: Report = quiet) -> Tensor:
        """(n, D) float32: a row of length 1 for each of the distinct texts, which none may be empty.

        What the cache has is not computed again. Raises SettingsError where the package or the model is missing,
        ModelError where the model is another than the one in ``fingerprint``.
        """
        cache = VectorCache(cache_folder() / "text" / self.fingerprint[:32])
        known, vectors = cache.find(texts, self.size)
        # Texts of about the same length waste no padding on each other.
        lengths = torch.from_numpy(texts.str.len_chars().to_numpy().copy()).long()
        missing = (~known).nonzero()[:, 0]
        missing = missing[lengths[missing].argsort(stable=True)]
        for done, rows in enumerate(torch.split(missing, CHUNK) if len(missing) else ()):
            part = texts.gather(rows.numpy())
            vectors[rows] = _vectors(self._model, part)
            cache.keep(part, vectors[rows])
            report(f"{len(texts):,} texts with {self.name}", min(1.0, (done + 1) * CHUNK / len(missing)))
        return vectors

    def state(self) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
        """As ``TextVectors.state``; ``PretrainedText.of`` reads it back."""
        said = {"name": self.name, "revision": self.revision, "fingerprint": self.fingerprint, "size": self.size}
        return {"encoder": "pretrained", **said}, {}

    @classmethod
    def of(cls, document: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> Self:
        """What ``state`` has written; the model is looked for when it is needed. Raises KeyError."""
        return cls(document["name"], document["revision"], document["fingerprint"], document["size"])

    @cached_property
    def _model(self) -> "SentenceTransformer":
        folder = _folder(self.name, self.revision)
        if _fingerprint(folder) != self.fingerprint:
            raise ModelError(
                f"The text encoder {self.name!r} is not the one that the model was trained with: "
                "put the former one back, or train again."
            )
        return _load(self.name, folder)


def find_pretrained(name: str) -> PretrainedText:
    """The text encoder of that name or in that folder, ready for use; it is downloaded if it has to be.

    Raises SettingsError, in one sentence, where the package that reads it is not installed, where there is no such
    model or no connection, and where it cannot be loaded.
    """
    folder = _folder(name, None)
    model = _load(name, folder)
    local = Path(name).expanduser().is_dir()
    size = _vectors(model, pl.Series(["size"])).shape[1]
    where = str(Path(name).expanduser().resolve()) if local else name
    return PretrainedText(where, None if local else folder.name, _fingerprint(folder), size)


def _vectors(model: "SentenceTransformer", texts: pl.Series) -> Tensor:
    """(n, D) float32 of length 1, rounded to what the cache keeps: the same the first time and later."""
    found = model.encode(texts.to_list(), batch_size=BATCH, show_progress_bar=False, convert_to_tensor=True)
    return torch.nn.functional.normalize(found.detach().cpu().float()).half().float()


def _folder(name: str, revision: str | None) -> Path:
    """Where the files of the model are."""
    local = Path(name).expanduser()
    if local.is_dir():
        return local.resolve()
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise _not_installed(name) from error
    try:
        others = [f"{form}/*" for form in OTHER_FORMS]
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES), ignore_patterns=others))
    except Exception as error:  # whatever goes wrong on the way, the model is not there
        raise SettingsError(
            f"The text encoder {name!r} is no folder here and Hugging Face does not give it "
            f"({type(error).__name__}): check the name and the connection, or name the folder of a model."
        ) from error


def _load(name: str, folder: Path) -> "SentenceTransformer":
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise _not_installed(name) from error
    disable_progress_bar()  # that of the weights, which takes a moment
    try:
        return SentenceTransformer(str(folder), local_files_only=True, model_kwargs={"use_safetensors": True})
    except Exception as error:  # whatever the reader finds wrong, there is nothing to use
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise SettingsError(
            f"The text encoder {name!r} cannot be loaded ({said:.200}): name a folder with the config, the tokenizer "
            "and the safetensors weights of a Hugging Face model."
        ) from error


def _not_installed(name: str) -> SettingsError:
    return SettingsError(
        f"The text encoder {name!r} needs the package sentence-transformers, which is not installed: "
        'pip install "firstlight[text]".'
    )


def _fingerprint(folder: Path) -> str:
    """sha256 over the names and the contents of all that is read."""
    found = sorted({path for pattern in FILES for path in folder.rglob(pattern) if path.parent.name not in OTHER_FORMS})
    seal = hashlib.sha256()
    for path in found:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        seal.update(f"{path.relative_to(folder).as_posix()} {digest}\n".encode())
    return seal.hexdigest()
