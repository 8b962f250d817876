"""firstlight recommends from the first click.

``read_dataset`` a folder, ``Recommender.fit`` it, ``recommend`` from ``read_events``. Every name here loads when it is
first used, so that ``import firstlight`` is quick. Evaluation is in ``firstlight.evaluate``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firstlight.budget import Budget
    from firstlight.dataset import Dataset, read_dataset, read_events, read_items, read_users
    from firstlight.datasets.simulated import simulate
    from firstlight.errors import DataError, FirstlightError, ModelError, SettingsError
    from firstlight.explain import in_words, reasons
    from firstlight.learners import make
    from firstlight.recommender import Recommender
    from firstlight.settings import Feedback

    __version__: str

__all__ = [
    "Budget",
    "DataError",
    "Dataset",
    "Feedback",
    "FirstlightError",
    "ModelError",
    "Recommender",
    "SettingsError",
    "in_words",
    "make",
    "read_dataset",
    "read_events",
    "read_items",
    "read_users",
    "reasons",
    "simulate",
]

_MODULES = {
    "dataset": "Dataset read_dataset read_events read_items read_users",
    "datasets.simulated": "simulate",
    "errors": "DataError FirstlightError ModelError SettingsError",
    "explain": "in_words reasons",
    "learners": "make",
    "learners.base": "Budget",
    "recommender": "Recommender",
    "settings": "Feedback",
}
_HOME = {name: f"firstlight.{module}" for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _HOME:
        raise AttributeError(f"module 'firstlight' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("firstlight")
    except PackageNotFoundError:
        return "unknown"


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
