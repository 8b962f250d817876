"""Who may ask, how much at once, and what is told of it: nothing that could harm anybody."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Signal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sites import JSON, Site, models, problem, settings, site

from firstlight.serve import problems
from firstlight.serve.keys import Keys
from firstlight.serve.problems import TITLES
from firstlight.store import Store


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(settings(models() / "first", tmp_path_factory.mktemp("store") / "shop.db", body=50_000)) as found:
        yield found


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Site]:
    with site(settings(models() / "first", tmp_path / "shop.db")) as found:
        yield found


def bearing(key: str) -> dict[str, dict[str, str]]:
    return {"headers": {"authorization": f"Bearer {key}"}}


ASKED: dict[str, list[tuple[str, str, Any]]] = {
    "serve": [("POST", "/v1/recommend", {}), ("POST", "/v1/rank", {"item_ids": ["i01"]}), ("GET", "/v1/models", None)],
    "ingest": [("POST", "/v1/events", {"events": []}), ("PUT", "/v1/items", {"items": []})],
    "admin": [("DELETE", "/v1/users/nobody", None), ("DELETE", "/v1/events/none", None)],
}


def test_a_key_opens_what_its_scopes_say_and_nothing_else(own: Site) -> None:
    keys = {scope: own.shop.store.add_key(scope, [scope]) for scope in ASKED}
    for scope, key in keys.items():
        for asked, calls in ASKED.items():
            for method, path, body in calls:
                found = own.ask(method, path, body, **bearing(key))
                if scope == asked:
                    assert found.status_code == 200, found.text
                else:
                    assert asked in problem(found, 403, "scope")["detail"]


def test_keys_count_as_soon_as_they_are_there(own: Site) -> None:
    assert own.ask("POST", "/v1/recommend", {}).status_code == 200, "no keys, and asked from this machine"
    for number in range(3):
        key = own.shop.store.add_key(f"k{number}", ["serve"])
        assert own.ask("POST", "/v1/recommend", {}, **bearing(key)).status_code == 200


def test_a_wrong_key_opens_nothing(own: Site) -> None:
    key = own.shop.store.add_key("shop", ["serve", "admin"])
    assert own.ask("POST", "/v1/recommend", {}, **bearing(key)).status_code == 200
    for wrong in ("", "x", key[:-1], key + "x", key.swapcase()):
        found = own.ask("POST", "/v1/recommend", {}, **bearing(wrong))
        problem(found, 401, "no_key")
        assert found.headers["www-authenticate"] == "Bearer"
    problem(own.ask("POST", "/v1/recommend", {}), 401, "no_key")
    problem(own.ask("POST", "/v1/recommend", {}, headers={"authorization": f"Basic {key}"}), 401, "no_key")
    assert own.ask("GET", "/livez").status_code == 200


def test_a_key_taken_away_stops_counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firstlight.serve.keys.FRESH", 0.0)
    store = Store.open(str(tmp_path / "shop.db"))
    keys = Keys(store, loopback=True)
    secret, _ = store.add_key("a", ["serve"]), store.add_key("b", ["serve"])
    keys.check(f"Bearer {secret}", "127.0.0.1", "serve")
    store.remove_key("a")
    assert not keys.quick(f"Bearer {secret}", "127.0.0.1", "serve")
    with pytest.raises(problems.Problem, match="Send a key"):
        keys.check(f"Bearer {secret}", "127.0.0.1", "serve")
    store.close()


def test_of_many_who_ask_at_once_one_reads_the_keys_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("firstlight.serve.keys.time.monotonic", lambda: now[0])
    store = Store.open(str(tmp_path / "shop.db"))
    keys, sent = Keys(store, loopback=True), f"Bearer {store.add_key('a', ['serve'])}"
    keys.check(sent, "127.0.0.1", "serve")
    assert [keys.quick(sent, "127.0.0.1", "serve") for _ in range(3)] == [False, True, True]
    now[0] += 1.1
    assert [keys.quick(sent, "127.0.0.1", "serve") for _ in range(3)] == [False, True, True]
    now[0] += 1.0  # whoever was to read them never did
    assert [keys.quick(sent, "127.0.0.1", "serve") for _ in range(3)] == [False, False, False]
    store.close()


def test_without_keys_only_this_machine_is_answered(own: Site, tmp_path: Path) -> None:
    for host in ("127.0.0.1", "localhost:8321", "[::1]:8321"):
        assert own.ask("POST", "/v1/recommend", {}, headers={"host": host}).status_code == 200
    for host in ("shop.example", "127.0.0.1.example:80", ""):
        problem(own.ask("POST", "/v1/recommend", {}, headers={"host": host}), 403, "foreign_host")
    with site(settings(models() / "first", tmp_path / "other.db", host="0.0.0.0")) as found:
        problem(found.ask("POST", "/v1/recommend", {}), 401, "no_key")


BODIES = [
    (b"", 400, "bad_request"),
    (b"{", 400, "bad_request"),
    (b"\xff\xfe", 400, "bad_request"),
    (b'{"n": 1e999}', 422, "invalid"),
    (b'{"n": NaN}', 422, "invalid"),
    (b'{"explore": NaN}', 422, "invalid"),
    (b"[" * 5_000, 400, "bad_request"),
    (b'{"filter": ' + b'{"not": ' * 2_000 + b"1" + b"}" * 2_001, 400, "bad_request"),
    (b'{"filter": ' + b'{"not": ' * 20 + b"1" + b"}" * 21, 422, "filter"),
    (b'{"user_id": "\\ud800"}', 400, "bad_request"),
    (b'{"user_id": "a\\u0000"}', 422, "invalid"),
    (b'{"user_id": "' + b"a" * 257 + b'"}', 422, "invalid"),
    (b'{"n": 501}', 422, "invalid"),
    (b'{"n": "5"}', 422, "invalid"),
    (b'{"explore": 1.5}', 422, "invalid"),
    (b'{"surprise": 1}', 422, "invalid"),
    (b'{"events": [{"item_id": "a", "value": 1e400}]}', 422, "invalid"),
    (b'{"events": [' + b'{"item_id":"a"},' * 1_000 + b'{"item_id":"a"}]}', 422, "invalid"),
    (b"[]", 422, "invalid"),
    (b'{"user_id": "' + b"a" * 60_000 + b'"}', 413, "too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), BODIES, ids=range(len(BODIES)))
def test_a_wrong_body_is_one_clear_problem(shop: Site, body: bytes, status: int, code: str) -> None:
    told = problem(shop.ask("POST", "/v1/recommend", body), status, code)
    assert told["detail"] and len(told["detail"]) < 500


def test_what_the_framework_refuses_is_a_problem_too(shop: Site) -> None:
    problem(shop.ask("GET", "/nothing"), 404, "not_found")
    problem(shop.ask("GET", "/playground/../../etc/passwd"), 404, "not_found")
    problem(shop.ask("GET", "/playground/nothing.js"), 404, "not_found")
    found = shop.ask("GET", "/v1/recommend")
    problem(found, 405, "method_not_allowed")
    assert found.headers["allow"] == "POST"
    problem(
        shop.ask("POST", "/v1/recommend", content=b"n=1", headers={"content-type": "text/plain"}), 415, "media_type"
    )
    problem(shop.ask("DELETE", f"/v1/users/{'u' * 257}"), 422, "invalid")
    problem(shop.ask("DELETE", "/v1/users/a%00b"), 422, "invalid")


def test_a_body_that_does_not_say_its_size_is_bounded_too(shop: Site) -> None:
    async def parts() -> Any:
        for _ in range(100):
            yield b" " * 1_000

    problem(shop.ask("POST", "/v1/recommend", content=parts(), headers=JSON), 413, "too_large")


def test_a_mistake_in_the_server_tells_nothing_of_it(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        raise RuntimeError("/tmp/secret and a traceback")

    monkeypatch.setattr(shop.shop.store, "put_users", broken)
    told = problem(shop.ask("PUT", "/v1/users", {"users": [{"user_id": "a"}]}), 500, "internal")
    assert "secret" not in json.dumps(told)


def test_beyond_what_it_can_take_requests_are_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Signal()
    with site(settings(models() / "first", tmp_path / "shop.db", together=3, writing=2)) as own:
        real_known, real_add = own.shop.store.known, own.shop.store.add_events

        def known(*args: Any) -> Any:
            held.wait(10)
            return real_known(*args)

        def add(*args: Any) -> Any:
            held.wait(10)
            return real_add(*args)

        monkeypatch.setattr(own.shop.store, "known", known)
        monkeypatch.setattr(own.shop.store, "add_events", add)

        async def within() -> list[httpx.Response]:
            async with own.client() as client:
                events = {"events": [{"user_id": "a", "item_id": "b"}]}
                asked = [*[("/v1/recommend", {})] * 40, *[("/v1/events", events)] * 8]
                under_way = {asyncio.ensure_future(client.post(path, json=body)) for path, body in asked}
                refused: set[asyncio.Future[httpx.Response]] = set()
                while len(under_way) > 3 + 2:
                    done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                    refused |= done
                held.set()
                return [await one for one in (*refused, *under_way)]

        *refused, _, _, _, _, _ = found = own.run(within())
        assert [one.status_code for one in found[-5:]] == [200] * 5
        for one in refused:
            problem(one, 429, "busy")
            assert one.headers["retry-after"] == "1"
        assert own.listed(), "and then it goes on"


def test_an_answer_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Signal()
    with site(settings(models() / "first", tmp_path / "shop.db", seconds=0.3)) as own:
        with monkeypatch.context() as patched:
            real = own.shop.store.known
            patched.setattr(own.shop.store, "known", lambda *args: held.wait(10) and real(*args))
            found = own.ask("POST", "/v1/recommend", {})
            held.set()
        problem(found, 503, "timeout")
        assert found.headers["retry-after"] == "1"


def test_metrics_and_log_know_routes_but_no_ids_and_no_keys(own: Site, capfd: pytest.CaptureFixture[str]) -> None:
    key = own.shop.store.add_key("a-key", ["serve", "ingest", "admin"])
    own.headers |= bearing(key)["headers"]
    own.post("/v1/events", {"events": [{"user_id": "hidden-person", "item_id": "i05"}, {}]})
    own.post("/v1/events", {"events": [{"user_id": "hidden-person", "item_id": "i05"}]})
    own.post("/v1/recommend", {"user_id": "hidden-person"})
    own.post("/v1/recommend", {"user_id": "hidden-person"})
    own.post(
        "/v1/recommend", {"strategy": "popular", "filter": {"lt": {"field": "price", "value": -1}}, "strict": False}
    )
    own.ask("DELETE", "/v1/users/hidden-person")
    own.ask("GET", "/v1/hidden-person")
    told = own.ask("GET", "/metrics").text
    for line in (
        'firstlight_requests_total{route="/v1/recommend",status="200"} 3.0',
        'firstlight_requests_total{route="/v1/users/{user_id}",status="200"} 1.0',
        'firstlight_requests_total{route="other",status="404"} 1.0',
        'firstlight_request_seconds_count{route="/v1/events"} 2.0',
        'firstlight_stage_seconds_count{stage="adapt"}',
        'firstlight_events_total{outcome="accepted"} 1.0',
        'firstlight_events_total{outcome="duplicate"} 1.0',
        'firstlight_events_total{outcome="rejected"} 1.0',
        'firstlight_lists_total{stage="few"} 2.0',
        "firstlight_lists_recalled_total 1.0",
        'firstlight_fallbacks_total{strategy="popular"} 1.0',
        'firstlight_items_shown_total{kind="all"} 60.0',
        'firstlight_items_shown_total{kind="other_category"}',
        'firstlight_model_active{version="first"} 1.0',
        "firstlight_model_loaded_timestamp_seconds",
    ):
        assert line in told, line
    log = capfd.readouterr().err
    lines = [json.loads(line) for line in log.splitlines()]
    asked = [line for line in lines if line["message"] == "request"]
    assert [line["route"] for line in asked][:2] == ["/v1/events"] * 2
    assert all({"time", "level", "request_id", "route", "status", "ms"} <= line.keys() for line in asked)
    for hidden in ("hidden-person", key, "i05"):
        assert hidden not in told and hidden not in log


def test_every_request_has_an_id_of_its_own(shop: Site) -> None:
    found = [shop.ask("POST", "/v1/recommend", {}) for _ in range(3)]
    assert len({one.headers["x-request-id"] for one in found}) == 3
    assert [one.json()["request_id"] for one in found] == [one.headers["x-request-id"] for one in found]
    assert shop.ask("GET", "/nothing").headers["x-request-id"]


def test_every_problem_has_a_title() -> None:
    for code, (status, title) in TITLES.items():
        told = problems.Problem(code, "It is so.")
        assert (told.status, told.title) == (status, title) and 400 <= status < 600
    assert problems.of(RuntimeError("secret")).code == "internal"


@examples(max_examples=60)
@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(shop: Site, body: bytes) -> None:
    assert shop.ask("POST", "/v1/recommend", body).status_code in (200, 400, 422)
    assert shop.ask("POST", "/v1/events", body).status_code in (200, 400, 422)
