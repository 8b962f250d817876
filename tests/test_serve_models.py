"""Another model takes over while the server answers; one that cannot be used never does."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sites import Site, models, one_model, problem, settings, site

from firstlight import modelfile
from firstlight.errors import SettingsError
from firstlight.manifest import MANIFEST
from firstlight.modelfile import TENSORS
from firstlight.serve.confidence import Levels


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Site]:
    """A server with the model ``first``; ``second`` may be put beside it."""
    with site(settings(one_model(tmp_path), tmp_path / "shop.db")) as found:
        yield found


def put(own: Site, name: str, source: str = "second") -> Path:
    folder = own.shop.settings.models / name
    shutil.copytree(models() / source, folder)
    return folder


def activate(own: Site, version: str) -> Any:
    return own.post(f"/v1/models/{version}/activate", None)


def test_activate_and_rollback(own: Site) -> None:
    put(own, "second")
    first = own.post("/v1/recommend", {"events": [{"item_id": "i05"}]})
    told = activate(own, "second")
    assert (told["active"], told["previous"]) == ("second", "first")
    assert [(one["version"], one["learner"], one["items"], one["active"]) for one in told["models"]] == [
        ("first", "content-knn", 60, False),
        ("second", "ease", 60, True),
    ]
    second = own.post("/v1/recommend", {"events": [{"item_id": "i05"}]})
    assert second["model"] == "second" and second["items"] != first["items"]
    told = own.post("/v1/models/rollback", None)
    assert (told["active"], told["previous"]) == ("first", None)
    assert own.post("/v1/recommend", {"events": [{"item_id": "i05"}]})["items"] == first["items"]
    problem(own.ask("POST", "/v1/models/rollback"), 409, "no_previous")
    problem(own.ask("POST", "/v1/models/third/activate"), 404, "unknown_model")


def test_the_pointer_outlives_the_server(own: Site, tmp_path: Path) -> None:
    put(own, "second")
    put(own, "third", "first")
    activate(own, "second")
    with site(settings(tmp_path / "models", tmp_path / "shop.db")) as again:
        assert again.get("/v1/models")["active"] == "second"


def test_items_of_the_store_come_along(own: Site) -> None:
    own.put("/v1/items", {"items": [{"item_id": "new", "category": "x"}]})
    put(own, "second")
    activate(own, "second")
    assert "new" in own.listed(n=100)


def cut_short(folder: Path) -> None:
    path = folder / TENSORS
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(folder: Path) -> None:
    path = folder / TENSORS
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)


def not_a_number(folder: Path) -> None:
    """A manifest that agrees with it: only looking at the numbers tells."""
    tensors, document, tables = modelfile.load(folder)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    check, modelfile._check_finite = modelfile._check_finite, lambda label, tensor: None
    try:
        modelfile.save(folder, {**tensors, name: torch.full_like(tensors[name], torch.nan)}, document, tables)
    finally:
        modelfile._check_finite = check


def wrong_shape(folder: Path) -> None:
    """Whole and finite, but with half of what it should know of."""
    tensors, document, tables = modelfile.load(folder)
    halved = {name: tensor[: len(tensor) // 2].clone() if tensor.dim() else tensor for name, tensor in tensors.items()}
    modelfile.save(folder, halved, document, tables)


def no_items(folder: Path) -> None:
    tensors, document, tables = modelfile.load(folder)
    modelfile.save(folder, tensors, document, {**tables, "items": tables["items"].clear()})


def no_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("{")


DAMAGES = [cut_short, flip_a_bit, not_a_number, wrong_shape, no_items, no_manifest]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_model_is_refused_and_the_old_one_stays(own: Site, damage: Callable[[Path], None]) -> None:
    before = own.post("/v1/recommend", {"events": [{"item_id": "i05"}]})
    damage(put(own, "second"))
    told = problem(own.ask("POST", "/v1/models/second/activate"), 409, "model_refused")
    assert str(own.shop.settings.models) not in told["detail"]
    after = own.post("/v1/recommend", {"events": [{"item_id": "i05"}]})
    assert (after["model"], after["items"]) == ("first", before["items"])
    assert own.shop.store.state().model is None
    assert own.get("/v1/models")["active"] == "first"


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_server_starts_with_a_damaged_model_and_says_so(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder = one_model(tmp_path, "second")
    damage(folder / "second")
    with site(settings(folder, tmp_path / "shop.db")) as found:
        told = problem(found.ask("GET", "/readyz"), 503, "no_model")
        assert "second" in told["detail"]
        problem(found.ask("POST", "/v1/recommend", {}), 503, "no_model")
        problem(found.ask("POST", "/v1/categories/recommend", {}), 503, "no_model")
        assert found.post("/v1/events", {"events": [{"user_id": "a", "item_id": "b"}]})["accepted"] == 1
        assert found.get("/livez") and found.get("/v1/models")["active"] is None
        shutil.copytree(models() / "first", folder / "first")
        assert activate(found, "first")["active"] == "first"
        assert found.get("/readyz") and found.listed()


def test_an_older_model_answers_where_the_newest_is_damaged(tmp_path: Path) -> None:
    folder = one_model(tmp_path)
    shutil.copytree(models() / "second", folder / "second")
    cut_short(folder / "second")
    with site(settings(folder, tmp_path / "shop.db")) as found:
        assert found.get("/v1/models")["active"] == "first"


def test_without_models_the_server_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with site(settings(tmp_path / "models", tmp_path / "shop.db")) as found:
        assert "firstlight train" in problem(found.ask("POST", "/v1/recommend", {}), 503, "no_model")["detail"]


def test_a_model_that_another_process_activates_is_followed(own: Site) -> None:
    put(own, "second")
    own.shop.store.activate("second")
    own.listed()
    _join()
    assert own.post("/v1/recommend", {})["model"] == "second"


def test_a_model_that_cannot_be_followed_is_left_alone(own: Site) -> None:
    cut_short(put(own, "second"))
    own.shop.store.activate("second")
    own.listed()
    _join()
    assert own.post("/v1/recommend", {})["model"] == "first"


def test_lists_go_on_while_models_change(own: Site) -> None:
    put(own, "second")
    told = set()
    for version in ["second", "first"] * 3:
        calls: list[tuple[str, str, Any]] = [("POST", "/v1/recommend", {"n": 60}) for _ in range(6)]
        found = own.together([*calls, ("POST", f"/v1/models/{version}/activate", None), *calls])
        assert {one.status_code for one in found} == {200}
        told |= {one.json()["model"] for one in found if "model" in one.json()}
    assert told == {"first", "second"}


def test_items_that_cannot_be_read_do_not_stop_the_server(own: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        raise ValueError("no")

    before = own.listed()
    monkeypatch.setattr(type(own.shop.box.served), "with_items", broken)
    own.put("/v1/items", {"items": [{"item_id": "new"}]})
    assert own.listed() == before


def test_confidence_is_what_an_evaluation_measured(tmp_path: Path) -> None:
    def cell(shots: int, mean: float) -> dict[str, Any]:
        return {"shots": shots, "metrics": {"ndcg@10": {"mean": mean, "low": mean - 0.1, "high": mean + 0.1}}}

    rows = [
        {"learner": "content-knn", "cells": [cell(0, 0.1), cell(5, 0.3), cell(10, 0.4)]},
        {"learner": "popular", "cells": [cell(0, 0.2)]},
    ]
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({"rows": rows}))
    levels = Levels.read(path)
    found = [levels.at("content-knn", events) for events in (0, 1, 5, 9, 10, 99)]
    assert found == pytest.approx([0.1, 0.14, 0.3, 0.38, 0.4, 0.4])
    assert levels.at("engine", 3) is None
    with site(settings(one_model(tmp_path), tmp_path / "shop.db", report=path)) as own:
        assert own.post("/v1/recommend", {})["cold_start"]["confidence"] == pytest.approx(0.1)
        first = own.get("/v1/models")["report"]["levels"][0]
        assert first == {"events": 0, "ndcg": 0.1, "interval": pytest.approx([0.0, 0.2]), "beside": {"popular": 0.2}}
    path.write_text('{"rows": [{}]}')
    with pytest.raises(SettingsError, match="is no evaluation"):
        Levels.read(path)


def _join() -> None:
    """Wait for what is read beside the requests."""
    for thread in threading.enumerate():
        if thread.name == "model":
            thread.join(20)
