"""The model that answers, and how another takes its place: read, tried, written down, and only then swapped in."""

import math
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firstlight.errors import FirstlightError, ModelError
from firstlight.manifest import MANIFEST, read_manifest
from firstlight.recommender import Recommender
from firstlight.serve.answer import answer
from firstlight.serve.asking import Ask
from firstlight.serve.logs import LOG
from firstlight.serve.metrics import Metrics
from firstlight.serve.problems import Problem
from firstlight.serve.questions import like
from firstlight.serve.served import Served
from firstlight.store import State, Store

VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
PATIENCE = 30.0
"""Seconds after which a model that could not be used is tried again."""


@dataclass(frozen=True)
class Current:
    """A model with the items of the store up to a state of the catalogue."""

    served: Served
    catalogue: int


class ModelBox:
    """The models of a folder, and the one in use. Whoever has taken a ``Served`` out keeps it whole while they need it.

    folder: a model folder, or a folder of model folders.
    """

    def __init__(self, folder: Path, store: Store, metrics: Metrics) -> None:
        self._folder, self._store, self._metrics = folder, store, metrics
        self._current: Current | None = None
        self._swapping = threading.Lock()
        self._refused: dict[str, float] = {}
        self.why = "No model has been read yet."

    @property
    def served(self) -> Served | None:
        """The model in use."""
        return None if self._current is None else self._current.served

    def versions(self) -> Mapping[str, Path]:
        """The model folders by name, the newest last."""
        if (self._folder / MANIFEST).is_file():
            return {self._folder.resolve().name: self._folder}
        if not self._folder.is_dir():
            return {}
        named = [path for path in self._folder.iterdir() if VERSION.fullmatch(path.name)]
        return {path.name: path for path in sorted(named, key=_age) if (path / MANIFEST).is_file()}

    def start(self) -> None:
        """Take the model that the store names, or else the newest that can be used; ``why`` says why there is none."""
        named, there = self._store.state().model, self.versions()
        newest_first = sorted(reversed([*there]), key=lambda name: name != named)
        for version in newest_first:
            try:
                self._take(checked(there[version], version))
                return
            except FirstlightError as error:
                self._refuse(version, error)
        if not there:
            self.why = "There is no model folder: train one with `firstlight train` and restart, or activate it."

    def fresh(self, state: State) -> Served:
        """The model in use with every item of the store at ``state``. Raises Problem where there is no model."""
        self.follow(state)
        current = self._current
        if current is None:
            raise Problem("no_model", self.why, retry=1)
        if state.catalogue != current.catalogue:
            current = self._grow(state)
        return current.served

    def follow(self, state: State) -> None:
        """Read, beside what is under way, another model that the store names: another process has activated it."""
        current = self._current
        if state.model is not None and (current is None or state.model != current.served.version):
            self._fetch(state.model)

    def activate(self, version: str) -> None:
        """Let another model answer. Raises Problem: unknown, or refused, and then the old one stays."""
        served = self._tried(version)
        if self._store.state().model is None and self._current is not None:
            self._store.activate(self._current.served.version)  # what a rollback goes back to
        self._store.activate(version)
        self._take(served)

    def rollback(self) -> None:
        """Let the model before answer again. Raises Problem where there is none or it cannot be used."""
        previous = self.previous()
        if previous is None:
            raise Problem("no_previous", "No other model was active before this one: activate one by its name.")
        served = self._tried(previous)
        self._store.rollback()
        self._take(served)

    def previous(self) -> str | None:
        """The version that a rollback goes back to."""
        told = self._store.activations()
        return told[-2][0] if len(told) > 1 else None

    def _tried(self, version: str) -> Served:
        path = self.versions().get(version)
        if path is None:
            raise Problem("unknown_model", f"There is no model {version!r:.100}: GET /v1/models names those there are.")
        try:
            return checked(path, version)
        except FirstlightError as error:
            raise Problem("model_refused", f"{plain(error, path)} The model in use stays.") from error

    def _take(self, served: Served) -> None:
        state = self._store.state()
        grown = _with_items(served, self._store.items_since(0))
        with self._swapping:
            self._current = Current(grown, state.catalogue)
            self._refused.pop(served.version, None)
        self._metrics.model(served.version)
        LOG.info("model", extra={"told": {"version": served.version}})

    def _grow(self, state: State) -> Current:
        with self._swapping:
            current = self._current
            assert current is not None  # once there is a model there always is one
            if current.catalogue < state.catalogue:
                served = _with_items(current.served, self._store.items_since(current.catalogue))
                self._current = current = Current(served, state.catalogue)
            return current

    def _fetch(self, version: str) -> None:
        """Read a model in a thread of its own, unless that is under way or has just failed."""
        with self._swapping:
            if time.monotonic() - self._refused.get(version, float("-inf")) < PATIENCE:
                return
            self._refused[version] = time.monotonic()
        threading.Thread(target=self._follow, args=(version,), name="model", daemon=True).start()

    def _follow(self, version: str) -> None:
        try:
            served = self._tried(version)
            if self._store.state().model == version:
                self._take(served)
        except (FirstlightError, Problem) as error:
            self._refuse(version, error)

    def _refuse(self, version: str, error: Exception) -> None:
        path = self.versions().get(version)
        said = str(error) if path is None else plain(error, path)
        self._refused[version] = time.monotonic()
        LOG.warning("model refused", extra={"told": {"version": version, "why": said}})
        if self._current is None:
            self.why = said


def checked(path: Path, version: str) -> Served:
    """A model that has been tried: read, and asked for nobody, for a like of its best known and of its last item.

    Raises ModelError, which says what of it cannot be used.
    """
    try:
        served = Served.of(Recommender.load(path), version)
        _try(served)
        return served
    except (FirstlightError, Problem):
        raise
    except Exception as error:  # whatever a wrong shape leads to, the model is not to be used
        raise ModelError(f"The model {version} fails ({type(error).__name__}: {error}): train it again.") from error


def _try(served: Served) -> None:
    ids = served.recommender.schema.item_ids
    if not len(ids):
        raise ModelError(f"The model {served.version} knows no items: train it with some.")
    likes = [ids[int(served.liked.argmax())], ids[-1], ids[0]]
    asks = [Ask(), *(Ask(events=[like(item_id)], explain=True) for item_id in likes)]
    for found in answer(served, asks):
        if found.fallback is not None:
            raise ModelError(f"The model {served.version} fails ({found.note}): train it again.")
        if not all(math.isfinite(score) for score in found.items.scores):
            raise ModelError(f"The model {served.version} has scores that are not finite numbers: train it again.")


def _with_items(served: Served, rows: Sequence[Mapping[str, Any]]) -> Served:
    """The model with the rows; without them where it cannot read them: what it knew must go on being served."""
    try:
        return served.with_items(rows)
    except Exception:
        LOG.exception("items not taken", extra={"told": {"rows": len(rows)}})
        return served


def plain(error: Exception, path: Path) -> str:
    """What an error says, with the model by its name and not by where it lies on this machine."""
    return str(error).replace(str(path.resolve()), path.resolve().name).replace(str(path), path.resolve().name)


def _age(path: Path) -> tuple[str, str]:
    try:
        return read_manifest(path).created, path.name
    except ModelError:
        return "", path.name
