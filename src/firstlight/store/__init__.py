"""What lasts: events, items, people, impressions, the model in use, keys; in SQLite or PostgreSQL."""

from firstlight.errors import StoreError

try:
    from firstlight.store.records import Event, Impression, Key, Known, State, event_id
    from firstlight.store.store import Store
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in {"sqlalchemy", "orjson"}:
        raise
    raise StoreError(f"A store needs the package {error.name}: pip install 'firstlight[serve]'.") from error

__all__ = ["Event", "Impression", "Key", "Known", "State", "Store", "event_id"]
