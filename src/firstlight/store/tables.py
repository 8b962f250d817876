"""The tables of a store as SQLAlchemy knows them; ``steps`` makes them. Times are microseconds since 1970, UTC."""

from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, Table, Text

METADATA = MetaData()

STORE = Table("store", METADATA, Column("version", Integer), Column("catalogue", BigInteger))
"""One row. version: how many steps have been taken. catalogue: how many times items were put."""

EVENTS = Table(
    "events",
    METADATA,
    Column("event_id", Text),
    Column("user_id", Text),
    Column("item_id", Text),
    Column("type", Text),
    Column("value", Double),
    Column("time", BigInteger),
    Column("arrival", BigInteger),
    Column("rest", Text),
)
"""arrival: when it was kept, in nanoseconds since 1970: orders events of the same time. rest: JSON; NULL when empty."""

ITEMS = Table(
    "items",
    METADATA,
    Column("item_id", Text, primary_key=True),
    Column("catalogue", BigInteger),
    Column("place", Integer),
    Column("content", Text),
)
"""catalogue: the state that the item was last put with. place: among those put together. content: the row as JSON."""

USERS = Table("users", METADATA, Column("user_id", Text, primary_key=True), Column("attributes", Text))
"""attributes: JSON."""

IMPRESSIONS = Table(
    "impressions",
    METADATA,
    Column("arrival", BigInteger, primary_key=True),
    Column("request_id", Text),
    Column("user_id", Text),
    Column("model", Text),
    Column("scenario", Text),
    Column("time", BigInteger),
    Column("items", Text),
)
"""items: a JSON list of [item_id, propensity, source], the first place first."""

ACTIVATIONS = Table(
    "activations",
    METADATA,
    Column("arrival", BigInteger, primary_key=True),
    Column("version", Text),
    Column("time", BigInteger),
)
"""The versions that have been in use and were not taken back; the last one is."""

KEYS = Table("keys", METADATA, Column("name", Text, primary_key=True), Column("digest", Text), Column("scopes", Text))
"""digest: SHA-256 of the secret, hexadecimal. scopes: a JSON list."""
