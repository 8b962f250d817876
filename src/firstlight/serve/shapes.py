"""What comes in: the bodies of requests. What is not described here is refused."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from firstlight.serve.asking import Strategy

MOST_ROWS = 1_000
MOST_LISTED = 500
NO_NUL = r"^[^\x00]*$"


def _utc(time: datetime) -> datetime:
    """Without a zone, in UTC; a time without a zone is UTC already."""
    try:
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except OverflowError:
        raise ValueError("is out of range") from None


Id = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)]
Word = Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
Line = Annotated[str, Field(max_length=1_000, pattern=NO_NUL)]
Time = Annotated[datetime, AfterValidator(_utc)]
Number = Annotated[float, Field(ge=-1e12, le=1e12)]
Amount = Annotated[float, Field(ge=0, le=1e12)]
Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
Scalar = Annotated[str, Field(max_length=1_000, pattern=NO_NUL)] | bool | Whole | Number
Share = Annotated[float, Field(ge=0, le=1)]
Columns = Annotated[dict[Word, Scalar | None], Field(max_length=100)]
Tree = dict[str, Any]


class Shape(BaseModel):
    """Strict: a number is no text, and an unknown name is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class GivenEvent(Shape):
    """An event that comes with the request and is not kept."""

    item_id: Id
    type: Word = "click"
    value: Number | None = Field(default=None, description="The stars of an event of type `rate`.")
    time: Time | None = None
    event_id: Id | None = None


class Context(Shape):
    """The circumstances of a request."""

    device: Word | None = Field(default=None, description="Taken instead of what is stored of the person.")
    group: Columns = Field(default_factory=dict, description="What is known of the person, column: value.")
    domain: Line | None = Field(default=None, description="Only items of this domain.")
    time: Time | None = Field(default=None, description="As if it were then: later events have not happened.")


class Person(Shape):
    """Whom to answer: by id, by events that come with the request, both, or nobody in particular."""

    user_id: Id | None = None
    context: Context = Field(default_factory=Context)
    events: list[GivenEvent] = Field(default_factory=list, max_length=MOST_ROWS)
    positive: list[Id] = Field(default_factory=list, max_length=MOST_ROWS, description="Items that the person likes.")
    negative: list[Id] = Field(default_factory=list, max_length=MOST_ROWS, description="Items that they dislike.")
    strategy: Strategy = "adapted"


class Listing(Person):
    """How a list is made."""

    scenario: Word | None = Field(default=None, description="Where the list is shown; kept with what was shown.")
    filter: Tree | None = Field(default=None, description="A tree of and, or, not, eq, in, lt, lte, gt, gte.")
    current_item: Id | None = Field(default=None, description="What `$current_item` in a filter means.")
    exclude_ids: list[Id] = Field(default_factory=list, max_length=10 * MOST_ROWS)
    cross_category: Share = Field(default=0.0, description="The least share from categories new to the person.")
    diversity: Share = 0.0
    explore: Share = Field(default=0.0, description="The share of places that are drawn by chance.")
    explain: bool = False
    strict: bool = Field(default=True, description="False: popular items where a filter leaves nothing.")
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = Field(
        default=None,
        description="Of what is explored and of the order of equal scores; left out: drawn anew each time.",
    )


class RecommendBody(Listing):
    """`POST /v1/recommend`."""

    n: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 20

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"user_id": "ann", "n": 5}, {"events": [{"item_id": "i000001"}]}]}
    )


class CategoriesBody(Listing):
    """`POST /v1/categories/recommend`: the categories in the person's order, each with its best items."""

    n: Annotated[int, Field(ge=1, le=100)] = 20
    items: Annotated[int, Field(ge=1, le=50)] = 10


class SimilarBody(Shape):
    """`POST /v1/similar`."""

    item_id: Id
    n: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 20
    intent: Literal["related", "complementary"] = Field(
        default="related", description="complementary: only items of other categories."
    )
    filter: Tree | None = None
    explain: bool = False


class RankBody(Person):
    """`POST /v1/rank`: the given items in the person's order."""

    item_ids: list[Id] = Field(min_length=1, max_length=MOST_ROWS)
    explain: bool = False


class ExplainBody(Person):
    """`POST /v1/explain`: why an item, and what the list would be without some of the events."""

    item_id: Id
    without: list[Annotated[int, Field(ge=0)]] = Field(
        default_factory=list, max_length=MOST_ROWS, description="Places in the person's events, from 0."
    )
    n: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 20


class EventRow(Shape):
    """Something that happened. Without an ``event_id`` the same content counts once."""

    user_id: Id
    item_id: Id
    type: Word = "click"
    value: Number | None = None
    time: Time | None = Field(default=None, description="When it happened; left out: when it came in.")
    event_id: Id | None = None
    device: Word | None = None
    session_id: Id | None = None
    request_id: Id | None = Field(default=None, description="Of the list that it came from.")
    position: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    quantity: Amount | None = None


class ItemRow(Shape):
    """An item as it is from now on."""

    item_id: Id
    title: Line | None = None
    domain: Line | None = None
    category: Line | None = None
    text: Annotated[str, Field(max_length=20_000, pattern=NO_NUL)] | None = None
    tags: list[Line] = Field(default_factory=list, max_length=100)
    brand: Line | None = None
    price: Amount | None = None
    time: Time | None = None
    attributes: Columns = Field(default_factory=dict)


class UserRow(Shape):
    """What is known of a person from now on."""

    user_id: Id
    attributes: Columns = Field(default_factory=dict)


# A row that is not as described is refused by itself, the others count: so anything is taken here, and looked at there.
class EventsBody(Shape):
    """`POST /v1/events`."""

    events: list[Annotated[EventRow | Any, Field(union_mode="left_to_right")]] = Field(max_length=MOST_ROWS)


class ItemsBody(Shape):
    """`PUT /v1/items`."""

    items: list[Annotated[ItemRow | Any, Field(union_mode="left_to_right")]] = Field(max_length=MOST_ROWS)


class UsersBody(Shape):
    """`PUT /v1/users`."""

    users: list[Annotated[UserRow | Any, Field(union_mode="left_to_right")]] = Field(max_length=MOST_ROWS)
