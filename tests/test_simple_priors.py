"""What every model has learned besides its own learner: likes counted, and what to fall back on."""

from pathlib import Path

import polars as pl
import pytest
import torch

from firstlight.dataset import Dataset, read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.learners import make
from firstlight.recommender import NO_EVENTS, Recommender


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("market")
    return read_dataset(simulate(n_users=200, n_items=100, n_events=4_000, seed=1).write(folder))


@pytest.fixture(scope="module", params=["popular", "ease"])
def model(dataset: Dataset, request: pytest.FixtureRequest) -> Recommender:
    return Recommender.fit(dataset, make(request.param))


def test_a_model_knows_by_how_many_people_each_item_is_liked(model: Recommender, dataset: Dataset) -> None:
    liked = dataset.events.filter(model.schema.feedback.grade() > 0).select("user_id", "item_id").unique()
    known = dict(liked.group_by("item_id").len().iter_rows())
    assert model.likes().tolist() == [known.get(item_id, 0) for item_id in model.schema.item_ids]


def test_what_is_known_besides_is_saved_and_takes_new_items_in(model: Recommender, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    assert set(again.prior.tensors) == set(model.prior.tensors)
    for name, prior in model.simple.items():
        assert (again.simple[name].learner, again.simple[name].settings) == (name, prior.settings)
        assert all(torch.equal(again.simple[name].tensors[key], value) for key, value in prior.tensors.items())
    new = again.with_items(pl.DataFrame({"item_id": ["new"], "title": ["a new thing"]}))
    assert new.likes().tolist() == [*model.likes().tolist(), 0.0]
    support, _ = new.schema.support(NO_EVENTS, None, pl.Series(["a"]))
    for name, prior in new.simple.items():
        assert bool(make(name, prior.settings).adapt(prior, support).scores().isfinite().all())
