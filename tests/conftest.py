"""What all tests share: few threads, repeatable examples, the small worlds that many ask about, and the real data."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "2")

from pathlib import Path

import pytest
import torch
from commands import run
from hypothesis import settings
from stand_ins import Broken, Constant, Neighbours, three_tastes

from firstlight.datasets.simulated import simulate
from firstlight.evaluate import Evaluation, cold_user, evaluate
from firstlight.learners.base import Learner
from firstlight.learners.popular import Popular
from firstlight.tasks import Corpus

torch.set_num_threads(1)

# `make test` takes the first and sees the same examples every time; a bare pytest looks for new ones.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "explore")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the repository; tests that need it are skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the repository")
    return folder


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """The people and items of most evaluations in the tests."""
    return three_tastes()


@pytest.fixture(scope="session")
def evaluation(corpus: Corpus) -> Evaluation:
    """One that is known to be better, one that is known to be worse, and one that fails."""
    learners: dict[str, Learner] = {
        "popular": Popular(),
        "broken": Broken(),
        "constant": Constant(),
        "neighbours": Neighbours(),
    }
    return evaluate(corpus, learners, cold_user(corpus), seed=0)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data ``market`` and the model ``model``."""
    folder = tmp_path_factory.mktemp("world")
    simulate(n_users=300, n_items=150, n_events=8_000, seed=1).write(folder / "market")
    done = run("train", folder / "market", "--out", folder / "model", "--learner", "item-knn")
    assert done.exit_code == 0, done.stderr
    return folder
