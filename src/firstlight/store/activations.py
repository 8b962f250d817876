"""Which version of the model is in use, and which were before."""

from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select

from firstlight.errors import StoreError
from firstlight.store.records import EPOCH, MICROSECOND, State, micros
from firstlight.store.tables import ACTIVATIONS, STORE
from firstlight.store.texts import check

STATE = "SELECT catalogue, (SELECT version FROM activations ORDER BY arrival DESC LIMIT 1) FROM store"


def state(connection: Connection) -> State:
    """What answers depend on beside the person."""
    return State(*connection.exec_driver_sql(STATE).one())


def activate(connection: Connection, version: str) -> None:
    """Use a version from now on; nothing changes where it is in use already."""
    check((version,))
    _wait_for_turn(connection)
    if state(connection).model != version:
        now = micros(datetime.now(UTC).replace(tzinfo=None))
        connection.execute(insert(ACTIVATIONS).values(version=version, time=now))


def rollback(connection: Connection) -> None:
    """Take the last activation back. Raises: StoreError when there is none before it."""
    _wait_for_turn(connection)
    arrivals = connection.scalars(select(ACTIVATIONS.c.arrival).order_by(ACTIVATIONS.c.arrival)).all()
    if len(arrivals) < 2:
        raise StoreError(f"There is no model to go back to, of {len(arrivals)} activated: activate another version.")
    connection.execute(delete(ACTIVATIONS).where(ACTIVATIONS.c.arrival == arrivals[-1]))


def listed(connection: Connection) -> list[tuple[str, datetime]]:
    """The versions that were in use, the one in use last, and since when (UTC, no zone)."""
    rows = connection.execute(select(ACTIVATIONS.c.version, ACTIVATIONS.c.time).order_by(ACTIVATIONS.c.arrival))
    return [(version, EPOCH + time * MICROSECOND) for version, time in rows]


def _wait_for_turn(connection: Connection) -> None:
    connection.execute(select(STORE.c.version).with_for_update())
