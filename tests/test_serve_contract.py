"""What OpenAPI describes is what the server does: whatever is asked, it does not fail, and answers as described."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sites import Site, listening, models, settings, site

from firstlight.serve.app import ROUTES
from firstlight.serve.calls import Route
from firstlight.serve.replies import ProblemReply
from firstlight.store import Store

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
IDS = st.sampled_from([f"i{number:02}" for number in range(60)]) | st.text(max_size=3)
NAMES = st.sampled_from(["category", "domain", "price", "tags", "brand", "time", "none"])
VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4)
)
WORDS = st.sampled_from(["click", "rate", "purchase", "impression", "x"])
LEAVES = st.builds(
    lambda how, name, value: {how: {"field": name, "value": value}},
    st.sampled_from(["eq", "lt", "lte", "gt", "gte"]),
    NAMES,
    VALUES | st.just("$current_item"),
) | st.builds(lambda name, values: {"in": {"field": name, "values": values}}, NAMES, st.lists(VALUES, max_size=3))
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(lambda how, parts: {how: parts}, st.sampled_from(["and", "or"]), st.lists(inner, max_size=3))
        | st.builds(lambda part: {"not": part}, inner)
    ),
    max_leaves=4,
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"item_id": IDS}, optional={"type": WORDS, "value": st.floats(allow_nan=False, allow_infinity=False)}
    ),
    max_size=5,
)
SHARES = st.floats(0, 1)
ASKS = st.fixed_dictionaries(
    {},
    optional={
        "user_id": IDS,
        "n": st.integers(1, 80),
        "events": EVENTS,
        "positive": st.lists(IDS, max_size=3),
        "negative": st.lists(IDS, max_size=3),
        "strategy": st.sampled_from(["adapted", "item-knn", "category-popular", "popular"]),
        "filter": TREES,
        "current_item": IDS,
        "exclude_ids": st.lists(IDS, max_size=3),
        "cross_category": SHARES,
        "diversity": SHARES,
        "explore": SHARES,
        "explain": st.booleans(),
        "strict": st.booleans(),
        "context": st.fixed_dictionaries({}, optional={"device": WORDS, "domain": WORDS, "group": st.just({"age": 3})}),
    },
)
REPLIES = {route.path: route.reply for route in ROUTES}
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(settings(models(), tmp_path_factory.mktemp("store") / "shop.db")) as found:
        yield found


def fits(shop: Site, path: str, body: Any) -> Any:
    """The answer, which is either as described or a problem that is the request's own fault."""
    found = shop.ask("POST", path, body)
    assert found.status_code < 500, found.text
    reply = REPLIES[path] if found.status_code == 200 else ProblemReply
    assert reply is not None
    reply.model_validate_json(found.content, strict=True)
    return found.json()


@examples(max_examples=60, suppress_health_check=QUIET)
@given(ASKS)
def test_every_list_is_as_described(shop: Site, body: dict[str, Any]) -> None:
    told = fits(shop, "/v1/recommend", body)
    if "items" in told:
        assert len(told["items"]) <= body.get("n", 20)
        assert len({item["item_id"] for item in told["items"]}) == len(told["items"])
        assert [item["rank"] for item in told["items"]] == list(range(1, len(told["items"]) + 1))
        assert all(0 < item["propensity"] <= 1 for item in told["items"])
        assert not set(body.get("exclude_ids", [])) & {item["item_id"] for item in told["items"]}
        assert told["items"] or told["note"], "an empty list says why"


@examples(max_examples=30, suppress_health_check=QUIET)
@given(ASKS)
def test_shelves_are_as_described(shop: Site, body: dict[str, Any]) -> None:
    fits(shop, "/v1/categories/recommend", {**body, "n": 3, "items": 2})


@examples(max_examples=30, suppress_health_check=QUIET)
@given(EVENTS, IDS, st.lists(st.integers(0, 5), max_size=2))
def test_explanations_are_as_described(shop: Site, events: list[Any], item: str, without: list[int]) -> None:
    fits(shop, "/v1/explain", {"events": events, "item_id": item, "without": without})
    fits(shop, "/v1/similar", {"item_id": item, "intent": "complementary", "explain": True})
    fits(shop, "/v1/rank", {"events": events, "item_ids": [item], "explain": True})


def test_the_description_names_every_route(shop: Site) -> None:
    document = shop.app.openapi()
    named = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    told = {(route.method, route.described) for route in ROUTES if route.reply is not None}
    assert named == told
    assert shop.get("/openapi.json") == document
    for path, methods in document["paths"].items():
        for method in methods.values():
            assert method["summary"] and method["description"], path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a server of its own, and a key for all of it."""
    path = str(tmp_path_factory.mktemp("store") / "shop.db")
    store = Store.open(path)
    key = store.add_key("all", ["serve", "ingest", "admin"])
    store.close()
    with listening(settings(models(), path)) as url:
        yield url, key


@pytest.fixture(scope="module")
def schema(server: tuple[str, str]) -> Any:
    return schemathesis.openapi.from_url(f"{server[0]}/openapi.json")


@pytest.mark.parametrize("route", [route for route in ROUTES if route.reply], ids=lambda route: route.path)
def test_schemathesis_finds_nothing(schema: Any, server: tuple[str, str], route: Route) -> None:
    operation = schema[route.described][route.method]
    url, key = server

    @examples(max_examples=15, suppress_health_check=QUIET, phases=[Phase.explicit, Phase.generate], database=None)
    @given(operation.as_strategy())
    def nothing(case: Case[Any]) -> None:
        response = case.call(base_url=url, headers={"Authorization": f"Bearer {key}"})
        case.validate_response(response, checks=CHECKS)

    nothing()
