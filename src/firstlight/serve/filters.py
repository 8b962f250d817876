"""Filters: a tree in JSON that says which items may be listed.

A node is an object of one key: {"and": [nodes]}, {"or": [nodes]}, {"not": node}, {"eq": {"field": …, "value": …}},
{"in": {"field": …, "values": […]}}, {"lt" | "lte" | "gt" | "gte": {"field": …, "value": …}}. A field of lists, such as
tags, equals each of its words. The value null is what is not known; what is not known has no order. The value
"$current_item" is what the item that the person looks at has there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.errors import FirstlightError
from firstlight.serve.fields import COMPARISONS, Field, Mask

DEEPEST, MOST_NODES, MOST_VALUES = 8, 100, 1_000
CURRENT = "$current_item"
NOTHING = object()
"""The value of an item that is not known: nothing compares with it."""


class FilterError(FirstlightError):
    """A filter that cannot be read. code: what is wrong, for programs. path: where, from ``$`` for the whole."""

    def __init__(self, code: str, path: str, detail: str) -> None:
        super().__init__(f"The filter cannot be read at {path}: {detail}.")
        self.code, self.path = code, path


def mask(tree: Any, fields: Mapping[str, Field], n: int, place: Mapping[str, int], current: str | None = None) -> Mask:
    """(N,): which of ``n`` items pass. place: item_id -> position. current: the item that ``$current_item`` means.

    Raises FilterError.
    """
    return _Filter(fields, n, place, current).node(tree, "$", 1)


@dataclass
class _Filter:
    fields: Mapping[str, Field]
    n: int
    place: Mapping[str, int]
    current: str | None
    nodes: int = 0

    def node(self, tree: Any, path: str, depth: int) -> Mask:
        self.nodes += 1
        if depth > DEEPEST:
            raise FilterError("too_deep", path, f"it is more than {DEEPEST} levels deep, ask for less")
        if self.nodes > MOST_NODES:
            raise FilterError("too_large", path, f"it has more than {MOST_NODES} nodes, ask for less")
        if not isinstance(tree, Mapping) or len(tree) != 1:
            raise FilterError("not_a_node", path, "a node is an object of one key, such as eq")
        ((name, inside),) = tree.items()
        if name not in KINDS:
            raise FilterError("unknown_operator", path, f"there is no {_short(name)}, use one of {', '.join(KINDS)}")
        return KINDS[name](self, name, inside, f"{path}.{name}", depth)

    def several(self, name: str, inside: Any, path: str, depth: int) -> Mask:
        if not isinstance(inside, list):
            raise FilterError("not_a_list", path, "it needs a list of nodes")
        found = np.full(self.n, name == "and")
        for number, part in enumerate(inside):
            passed = self.node(part, f"{path}[{number}]", depth + 1)
            found = found & passed if name == "and" else found | passed
        return found

    def negated(self, name: str, inside: Any, path: str, depth: int) -> Mask:
        return ~self.node(inside, path, depth + 1)

    def equal(self, name: str, inside: Any, path: str, depth: int) -> Mask:
        return self.asked(inside, "value", path, lambda field, value: field.equal(value))

    def ordered(self, name: str, inside: Any, path: str, depth: int) -> Mask:
        return self.asked(inside, "value", path, lambda field, value: field.compared(name, value))

    def among(self, name: str, inside: Any, path: str, depth: int) -> Mask:
        values = inside.get("values") if isinstance(inside, Mapping) else None
        if not isinstance(values, list) or len(values) > MOST_VALUES:
            raise FilterError("bad_values", path, f"values needs a list of at most {MOST_VALUES:,} values")
        found = np.zeros(self.n, np.bool_)
        for value in values:
            asked = {**{key: held for key, held in inside.items() if key != "values"}, "value": value}
            found |= self.equal("eq", asked, path, depth)
        return found

    def asked(self, inside: Any, key: str, path: str, found: Callable[[Field, Any], Mask]) -> Mask:
        """What a leaf finds."""
        if not isinstance(inside, Mapping) or set(inside) != {"field", key}:
            raise FilterError("bad_comparison", path, f"it needs exactly field and {key}")
        name, value = inside["field"], inside[key]
        if not isinstance(name, str) or name not in self.fields:
            there = ", ".join(sorted(self.fields)) or "none"
            raise FilterError("unknown_field", path, f"items have no {_short(name)}, their fields are: {there}")
        field = self.fields[name]
        value = self.here(field, path) if value == CURRENT else value
        if value is NOTHING:
            return np.zeros(self.n, np.bool_)
        try:
            return found(field, value)
        except ValueError as error:
            raise FilterError("bad_value", path, f"{name} {error}") from error

    def here(self, field: Field, path: str) -> Any:
        if self.current is None:
            raise FilterError("no_current_item", path, f"{CURRENT} needs current_item in the request")
        return field.at(self.place[self.current]) if self.current in self.place else NOTHING


KINDS: Mapping[str, Callable[[_Filter, str, Any, str, int], Mask]] = {
    "and": _Filter.several,
    "or": _Filter.several,
    "not": _Filter.negated,
    "eq": _Filter.equal,
    "in": _Filter.among,
    **dict.fromkeys(COMPARISONS, _Filter.ordered),
}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
