"""Which models there are, and which one answers."""

from pathlib import Path
from typing import Any

import polars as pl

from firstlight.errors import ModelError, StoreError
from firstlight.manifest import read_manifest
from firstlight.serve.calls import Call
from firstlight.serve.modelbox import plain
from firstlight.serve.served import Served
from firstlight.serve.state import Shop

MOST_NAMES = 1_000


async def models(call: Call[None]) -> dict[str, Any]:
    """The models, the active one, what it knows of people and items, and what an evaluation measured."""
    return await call.shop.slower.run(lambda: _told(call.shop))


async def activate(call: Call[None]) -> dict[str, Any]:
    """Let another model answer, once it has been tried; one that cannot be used is refused, and the old one stays."""

    def work() -> dict[str, Any]:
        call.shop.box.activate(call.path["version"])
        return _told(call.shop)

    return await call.shop.slower.run(work)


async def rollback(call: Call[None]) -> dict[str, Any]:
    """Let the model before answer again."""

    def work() -> dict[str, Any]:
        call.shop.box.rollback()
        return _told(call.shop)

    return await call.shop.slower.run(work)


def _told(shop: Shop) -> dict[str, Any]:
    served = shop.box.served
    active = None if served is None else served.version
    try:
        previous = shop.box.previous()
    except StoreError:
        previous = None
    levels = [] if served is None else shop.levels.told(served.recommender.learner.name)
    return {
        "active": active,
        "previous": previous,
        "models": [_model(name, path, name == active) for name, path in shop.box.versions().items()],
        "profile": {} if served is None else _profile(served),
        "categories": [] if served is None else sorted(served.category.names)[:MOST_NAMES],
        "domains": [] if served is None else sorted(served.domain.names)[:MOST_NAMES],
        "report": {"levels": levels} if levels else None,
    }


def _model(version: str, path: Path, active: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"version": version, "learner": None, "items": None, "active": active, "error": None}
    try:
        told["learner"] = str(read_manifest(path).document.get("learner"))
        told["items"] = pl.scan_parquet(path / "items.parquet").select(pl.len()).collect().item()
    except ModelError as error:
        told["error"] = plain(error, path)
    except (pl.exceptions.PolarsError, OSError):
        told["error"] = "Its list of items cannot be read: copy the folder again or train again."
    return told


def _profile(served: Served) -> dict[str, list[str]]:
    """Column -> the values of people that the model has learned of; only of columns that are labels."""
    profile = served.recommender.schema.profile
    if profile is None:
        return {}
    terms = profile.vocabulary["term"].to_list()
    labels = profile.columns.filter(pl.col("edges").is_null())["column"].to_list()
    return {name: [term.removeprefix(f"{name}=") for term in terms if term.startswith(f"{name}=")] for name in labels}
