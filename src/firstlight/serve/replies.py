"""What goes out: the answers as OpenAPI describes them. Tests hold the plain dicts to it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from firstlight.serve.asking import Strategy


class Reply(BaseModel):
    """Nothing but what is described."""

    model_config = ConfigDict(extra="forbid")


class Fault(Reply):
    """What is wrong at one place."""

    code: str
    path: str
    detail: str


class ProblemReply(Reply):
    """RFC 9457: what a request was refused with."""

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="Stays the same; the sentence in `detail` may change.")
    errors: list[Fault] = Field(default_factory=list)


class ColdStart(Reply):
    """How well the person is known, and what that means for the list."""

    user_events: int = Field(description="Liked events of items that the model knows.")
    stage: Literal["zero", "few", "warm"]
    confidence: float | None = Field(description="NDCG@10 measured for people with so many events, where it was.")
    fallback: Strategy | None = Field(description="What was taken instead of the strategy that was asked for.")
    cold_items: int = Field(description="How many of the list nobody had liked when the model learned.")


class ReasonReply(Reply):
    """What one thing added to the score."""

    kind: Literal["because_you", "category_transfer", "rest", "profile", "popular", "new"]
    item_id: str | None = None
    title: str | None = None
    type: str | None = None
    event_id: str | None = None
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    share: float | None = Field(description="Of the lead over the average item; None where it has none.")
    added: float


class ItemReply(Reply):
    """An item of a list."""

    item_id: str
    rank: int | None = Field(description="From 1; None for an item beyond the list that explains it.")
    score: float
    title: str | None
    domain: str | None
    category: str | None
    price: float | None
    propensity: float
    source: Literal["adapted", "explored", "item-knn", "category-popular", "popular"]
    cold: bool
    reasons: list[ReasonReply]


Items = list[ItemReply]


class Answered(Reply):
    """What every list comes with."""

    request_id: str
    model: str
    cold_start: ColdStart
    note: str | None
    took_ms: float


class RecommendReply(Answered):
    """A list."""

    items: list[ItemReply]


class RankReply(RecommendReply):
    """The given items; ``unknown`` are those that the model does not know."""

    unknown: list[str]


class CategoryReply(Reply):
    """A category and its best items for the person."""

    category: str
    domain: str | None
    rank: int
    score: float
    items: list[ItemReply]


class CategoriesReply(Answered):
    """Categories, the best first."""

    categories: list[CategoryReply]


class EventReply(Reply):
    """An event of the person, as the answer counts them."""

    index: int
    event_id: str | None
    item_id: str
    title: str | None
    type: str
    value: float | None
    time: str


class ExplainReply(Answered):
    """Why an item: its reasons, the list, and the list without some of the events.

    item: None where it cannot be listed for the person. base: its score if the person had no events.
    """

    item: ItemReply | None
    base: float | None
    events: list[EventReply]
    list: Items
    list_without: Items | None


class Rejected(Reply):
    """A row that was not taken."""

    index: int
    code: str
    detail: str


class EventsReply(Reply):
    """Every event is one of these; the accepted ones are on disk."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]


class RowsReply(Reply):
    """What became of items or users."""

    created: int
    updated: int
    rejected: list[Rejected]


class RemovedReply(Reply):
    """Whether there was such an event."""

    removed: bool


class ForgottenReply(Reply):
    """How many events of the person were deleted."""

    user_id: str
    events: int


class ModelReply(Reply):
    """A model folder."""

    version: str
    learner: str | None
    items: int | None
    active: bool
    error: str | None


class LevelReply(Reply):
    """What was measured for people with so many events."""

    events: int
    ndcg: float
    interval: tuple[float, float]
    beside: dict[str, float]


class ReportReply(Reply):
    """The evaluation that the server was started with."""

    levels: list[LevelReply]


class ModelsReply(Reply):
    """The models, and what the active one knows."""

    active: str | None
    previous: str | None
    models: list[ModelReply]
    profile: dict[str, list[str]]
    categories: list[str]
    domains: list[str]
    report: ReportReply | None


class StateReply(Reply):
    """The server is well; where it is not, the answer is a problem."""

    status: Literal["ok"]


class VersionReply(Reply):
    """What is running."""

    version: str
    model: str | None
    python: str
