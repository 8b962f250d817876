"""Feature transfer: an extractor of features from content, trained on all domains there are, then frozen or slow.

h_j = f(content_j; θ), a linear map and a residual layer on what the catalogue and the texts say of an item; the person
is the sum of the h of their events through another layer. Items have no ids, so that f is of use in a domain, a
category or a shop that is new. What is tuned on a person's events is the head, and the layers of the person at
``body_share`` of its rate; f itself stays as it was learned (Yosinski, Clune, Bengio, Lipson, How transferable are
features in deep neural networks?, NIPS 2014, for freezing low layers). The network is `two-tower`.
"""

from typing import ClassVar, Literal

from pydantic import Field

from firstlight.budget import Budget, Progress, silent
from firstlight.errors import DataError
from firstlight.learners.base import Prior
from firstlight.learners.finetune import Finetune
from firstlight.tasks import Corpus


class FeatureTransfer(Finetune):
    """The settings are those of `Finetune`. Raises DataError in ``fit`` where nothing is known of the items."""

    name: ClassVar[str] = "feature-transfer"
    summary: ClassVar[str] = "features of the content, trained on all domains, frozen, with a head for each person"

    network: Literal["two-tower"] = "two-tower"
    ids: Literal[False] = False
    body_share: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        if corpus.content is None and corpus.text is None:
            raise DataError(
                f"{self.name} learns from what the catalogue says of the items, and here it says nothing: "
                "add an items file with titles, categories or tags, or choose another learner."
            )
        return super().fit(corpus, seed=seed, budget=budget, progress=progress)
