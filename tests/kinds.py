"""The kinds of learner that learn from episodes, in sizes that train at once."""

from dataclasses import replace

import pytest
import torch
from gradients import chance

from firstlight.learners.anil import Anil
from firstlight.learners.episodic import EpisodicLearner
from firstlight.learners.fomaml import Fomaml
from firstlight.learners.inner_loop import InnerLoop
from firstlight.learners.maml import Maml
from firstlight.learners.meta_sgd import MetaSgd
from firstlight.learners.reptile import Reptile
from firstlight.learners.ridge import Ridge
from firstlight.learners.set_encoder import SetEncoder
from firstlight.tasks import Corpus

QUICK = {"embedding_size": 3, "steps": 5, "batch": 4}
INNER: list[type[InnerLoop]] = [Maml, Fomaml, Anil, MetaSgd, Reptile]
KINDS: list[type[EpisodicLearner]] = [*INNER, Ridge, SetEncoder]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
each_inner = pytest.mark.parametrize("kind", INNER, ids=[kind.name for kind in INNER])
LOSSES = ["softmax", "stars"]


def quick(kind: type[EpisodicLearner], **settings: object) -> EpisodicLearner:
    return kind.model_validate({**QUICK, **settings})


def graded(corpus: Corpus) -> Corpus:
    """The same with grades that differ, a part of them dislikes."""
    grades = torch.randint(-2, 3, corpus.tasks.grades.shape, generator=chance(8)) + 0.5
    return replace(corpus, tasks=replace(corpus.tasks, grades=grades))
