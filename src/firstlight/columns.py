"""Which column is which: our names, the usual other names for them, and a short TOML file for the rest."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firstlight.errors import DataError

_TIMES = "time timestamp ts eventtimestamp eventtime datetime date createdat unixreviewtime"
_USERS = (
    "userid user customerid customer visitorid visitor userpseudoid clientid memberid member accountid reviewerid uid"
)
_ITEMS = "itemid item productid product sku movieid asin articleid article trackid songid bookid videoid contentid iid"

EVENT_COLUMNS: Mapping[str, str] = {
    "user_id": _USERS,
    "item_id": _ITEMS,
    "type": "type event eventname eventtype behavior behaviour behaviortype action",
    "value": "value rating score stars overall",
    "time": _TIMES,
    "domain": "domain",
    "category": "category categoryid",
    "device": "device devicecategory devicetype",
    "session_id": "sessionid session gasessionid basketid",
    "request_id": "requestid request",
    "position": "position",
    "propensity": "propensity propensityscore",
    "quantity": "quantity qty",
    "split": "split",
}
"""Our name of a column → the names that are taken for it, the likeliest first (in lower case, letters and digits)."""

ITEM_COLUMNS: Mapping[str, str] = {
    "item_id": _ITEMS + " id",
    "domain": "domain",
    "category": "category categoryid",
    "title": "title name itemname productname",
    "text": "text description plot overview summary",
    "tags": "tags genres keywords",
    "price": "price",
    "brand": "brand",
    "time": _TIMES + " releasedate addedat",
}

USER_COLUMNS: Mapping[str, str] = {"user_id": _USERS + " id"}

RATING_NAMES = frozenset({"rating", "score", "stars", "overall"})

EVENT_TYPES: Mapping[str, str] = {
    other: ours
    for ours, others in {
        "impression": "impressions shown exposure view_item_list view_promotion",
        "click": "clicks clicked view viewed view_item select_item select_promotion pv detail",
        "favourite": "favorite favourites favorites fav like liked wishlist add_to_wishlist bookmark",
        "cart": "basket add_to_cart addtocart add-to-cart add_to_basket",
        "purchase": "purchased order ordered buy bought transaction sale in_app_purchase",
        "rate": "rating rated review",
        "listen": "listened play played stream streamed scrobble",
    }.items()
    for other in (ours, *others.split())
}
"""Name of an event type in lower case → ours. GA4's and Taobao's are among them."""


class ColumnNames(BaseModel):
    """What a TOML file of column names says.

    columns: our name -> their name. types: their name of an event type -> ours, over the usual ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: dict[str, str] = Field(default_factory=dict)
    types: dict[str, str] = Field(default_factory=dict)

    def recognise(self, columns: Iterable[str], usual: Mapping[str, str]) -> dict[str, str]:
        """Our name -> the column of the file that holds it.

        A column that is named here comes first, then the usual names, without regard to case and punctuation. Any of
        our names may be given here, also one that has no usual names.
        """
        columns = list(columns)
        found = {ours: theirs for ours, theirs in self.columns.items() if theirs in columns}
        known = {_bare(column): column for column in reversed(columns) if column not in found.values()}
        for ours, names in usual.items():
            theirs = next((known[name] for name in names.split() if name in known), None)
            if ours not in found and theirs is not None and theirs not in found.values():
                found[ours] = theirs
        return found

    def event_types(self) -> dict[str, str]:
        """Their name of an event type in lower case -> ours."""
        return {**EVENT_TYPES, **{theirs.strip().lower(): ours for theirs, ours in self.types.items()}}


def load_names(columns: Path | Mapping[str, Any] | None) -> ColumnNames:
    """Column names from a TOML file, or from what such a file would say; None: only the usual names.

    Raises DataError for a file that is missing, not TOML, or says anything but ``[columns]`` and ``[types]``.
    """
    where = str(columns) if isinstance(columns, Path) else "the column names"
    try:
        said = tomllib.loads(columns.read_text("utf-8")) if isinstance(columns, Path) else dict(columns or {})
        return ColumnNames.model_validate(said)
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error.strerror}); check its name.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f'{where} is not valid TOML ({error}); write user_id = "customer" below [columns].') from error
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise DataError(
            f'{where} has {place!r}, which cannot be used; write our = "their" names below [columns] and '
            f'"their" = "our" event types below [types].'
        ) from error


def _bare(column: str) -> str:
    return re.sub(r"[\W_]+", "", column.lower())
