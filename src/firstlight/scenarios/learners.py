"""The learners of scenarios by name."""

from collections.abc import Mapping
from typing import Any

from firstlight.errors import SettingsError
from firstlight.learners import made
from firstlight.scenarios.base import ScenarioLearner
from firstlight.scenarios.linear import Pooled, Ridge, Separate
from firstlight.scenarios.network import Anil, Finetune, Maml, Reptile
from firstlight.scenarios.prototypes import Prototypes

LEARNERS: Mapping[str, type[ScenarioLearner]] = {
    kind.name: kind for kind in (Pooled, Separate, Ridge, Finetune, Maml, Anil, Reptile, Prototypes)
}
"""Name → learner, the simplest first."""

DEFAULT = Ridge.name


def make(name: str = DEFAULT, settings: Mapping[str, Any] | None = None) -> ScenarioLearner:
    """The learner of that name with these settings. Raises SettingsError for a name or a setting there is not."""
    if name not in LEARNERS:
        raise SettingsError(f"There is no learner {name!r} of scenarios: choose one of {', '.join(LEARNERS)}.")
    return made(LEARNERS[name], name, settings)
