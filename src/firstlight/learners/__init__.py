"""The learners by name. A new one is a file beside these, a line in ``LEARNERS`` and a test of ten lines."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from firstlight.errors import SettingsError
from firstlight.learners.anil import Anil
from firstlight.learners.base import Learner
from firstlight.learners.behaviour_transfer import BehaviourTransfer
from firstlight.learners.collaborative_attention import CollaborativeAttention
from firstlight.learners.content_head import ContentHead
from firstlight.learners.content_knn import ContentKnn
from firstlight.learners.ease import Ease
from firstlight.learners.edlae import Edlae
from firstlight.learners.emcdr import Emcdr
from firstlight.learners.engine import Engine
from firstlight.learners.feature_transfer import FeatureTransfer
from firstlight.learners.fewshot_ease import FewshotEase
from firstlight.learners.finetune import Finetune
from firstlight.learners.fomaml import Fomaml
from firstlight.learners.ials import Ials
from firstlight.learners.item_knn import ItemKnn
from firstlight.learners.joint import Joint
from firstlight.learners.joint_items import JointItems
from firstlight.learners.maml import Maml
from firstlight.learners.mamo import Mamo
from firstlight.learners.melu import Melu
from firstlight.learners.meta_sgd import MetaSgd
from firstlight.learners.neural_process import NeuralProcess
from firstlight.learners.popular import Popular
from firstlight.learners.prototypes import Prototypes
from firstlight.learners.ptupcdr import Ptupcdr
from firstlight.learners.reptile import Reptile
from firstlight.learners.ridge import Ridge
from firstlight.learners.set_encoder import SetEncoder

Model = TypeVar("Model", bound=BaseModel)

LEARNERS: Mapping[str, type[Learner]] = {
    kind.name: kind
    for kind in (
        *(Popular, ItemKnn, ContentKnn, ContentHead, Ease, Edlae, Ials, FewshotEase, SetEncoder),
        *(Maml, Fomaml, Anil, MetaSgd, Reptile, Melu, Mamo, Prototypes, NeuralProcess, Ridge, CollaborativeAttention),
        *(JointItems, Emcdr, Ptupcdr, Joint, Finetune, FeatureTransfer, BehaviourTransfer),
        Engine,
    )
}
"""Name → learner, the simplest first, as in docs/learners.md."""

DEFAULT = Engine.name
"""The learner for those who name none."""


def make(name: str, settings: Mapping[str, Any] | None = None) -> Learner:
    """The learner of that name with these settings, the others at their defaults.

    Raises SettingsError, one sentence that lists the names or the settings there are.
    """
    if name not in LEARNERS:
        raise SettingsError(f"There is no learner {name!r}: choose one of {', '.join(LEARNERS)}.")
    return made(LEARNERS[name], name, settings)


def made(kind: type[Model], name: str, settings: Mapping[str, Any] | None = None) -> Model:
    """The ``kind`` with these settings, called ``name`` where one of them cannot be. Raises SettingsError."""
    try:
        return kind.model_validate(dict(settings or {}))
    except ValidationError as error:
        first = error.errors()[0]
        what = ".".join(str(part) for part in first["loc"])
        if not what:  # what is wrong is how several settings go together
            raise SettingsError(f"The settings of {name} do not go together: {first['ctx']['error']}.") from error
        there = ", ".join(f"{key}={field.default}" for key, field in kind.model_fields.items()) or "none"
        wrong = "is not known" if first["type"] == "extra_forbidden" else f"is {first['input']!r}: {first['msg']}"
        raise SettingsError(f"The setting {what!r} of {name} {wrong} (its settings: {there}).") from error
