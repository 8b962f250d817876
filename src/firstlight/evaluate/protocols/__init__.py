"""Protocols: who is learned from, who is judged, and what is known of them when they are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from firstlight.errors import SettingsError
from firstlight.evaluate.protocols.cold_user import SHOTS, ColdUser, cold_user
from firstlight.evaluate.protocols.groups import leave_device_out, leave_group_out
from firstlight.evaluate.protocols.items import ITEM_SHOTS, cold_item, n_shot_item
from firstlight.evaluate.protocols.periods import dormant_user, drift
from firstlight.evaluate.protocols.places import EVENTS, cold_domain, leave_category_out, new_store
from firstlight.evaluate.protocols.source import Categories, Source, categories
from firstlight.evaluate.protocols.stages import Cases, Cut, Protocol, Stage

__all__ = [
    "PROTOCOLS",
    "SHOTS",
    "Cases",
    "Categories",
    "ColdUser",
    "Cut",
    "Protocol",
    "Source",
    "Stage",
    "categories",
    "cold_domain",
    "cold_item",
    "cold_user",
    "dormant_user",
    "drift",
    "leave_category_out",
    "leave_device_out",
    "leave_group_out",
    "n_shot_item",
    "new_store",
    "protocol",
]


@dataclass(frozen=True)
class _Kind:
    """shots: those it counts by where none are asked for, None where it counts nothing. target: whether it has one."""

    draw: Callable[[Source, Sequence[int], str | None], Protocol]
    shots: Sequence[int] | None = None
    target: bool = False


PROTOCOLS: Mapping[str, _Kind] = {
    "cold-user": _Kind(lambda source, shots, _: cold_user(source.corpus, shots, source.seed), SHOTS),
    "cold-item": _Kind(lambda source, *_: cold_item(source)),
    "n-shot-item": _Kind(lambda source, shots, _: n_shot_item(source, shots), ITEM_SHOTS),
    "cold-domain": _Kind(cold_domain, EVENTS, target=True),
    "leave-category-out": _Kind(lambda source, _, target: leave_category_out(source, target), target=True),
    "leave-group-out": _Kind(leave_group_out, SHOTS, target=True),
    "leave-device-out": _Kind(leave_device_out, SHOTS, target=True),
    "new-store": _Kind(new_store, EVENTS, target=True),
    "drift": _Kind(lambda source, _, target: drift(source, target), target=True),
    "dormant-user": _Kind(lambda source, _, target: dormant_user(source, target), target=True),
}
"""Name → how it is drawn."""


def protocol(name: str, source: Source, shots: Sequence[int] | None = None, target: str | None = None) -> Protocol:
    """The protocol of that name, one of PROTOCOLS, drawn from the source.

    shots, target: None for those of the protocol. Raises SettingsError where it has none of them and they are given,
    and what the protocol raises.
    """
    kind = PROTOCOLS[name]
    if shots is not None and kind.shots is None:
        raise SettingsError(f"--shots has no meaning for {name}, which counts no events: leave it out.")
    if target is not None and not kind.target:
        raise SettingsError(f"--target has no meaning for {name}: leave it out.")
    return kind.draw(source, shots if shots is not None else kind.shots or (), target)
