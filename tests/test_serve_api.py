"""The API as a shop uses it: what a person did a moment ago counts in the next list."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sites import Site, models, problem, settings, site

from firstlight.errors import StoreError


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Shared: every test asks for people of its own."""
    with site(settings(models(), tmp_path_factory.mktemp("store") / "shop.db")) as found:
        yield found


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Site]:
    with site(settings(models() / "first", tmp_path / "shop.db")) as found:
        yield found


def click(user_id: str, *item_ids: str) -> dict[str, Any]:
    return {
        "events": [{"user_id": user_id, "item_id": item_id, "event_id": f"{user_id}-{item_id}"} for item_id in item_ids]
    }


def test_an_empty_request_is_answered(shop: Site) -> None:
    told = shop.post("/v1/recommend", {})
    assert [item["rank"] for item in told["items"]] == list(range(1, 21))
    assert told["cold_start"] | {"confidence": None} == {
        "user_events": 0,
        "stage": "zero",
        "confidence": None,
        "fallback": None,
        "cold_items": told["cold_start"]["cold_items"],
    }
    assert told["model"] == "second" and told["took_ms"] > 0
    assert all(item["propensity"] == 1.0 and item["title"] and item["category"] for item in told["items"])


def test_the_newest_model_answers_when_none_was_activated(shop: Site) -> None:
    assert shop.get("/v1/models")["active"] == "second"
    assert shop.get("/version")["model"] == "second"


def test_an_unknown_person_is_an_ordinary_case(shop: Site) -> None:
    assert shop.listed(user_id="never-seen", n=5) == shop.listed(user_id="never-seen", n=5)
    assert shop.post("/v1/recommend", {"user_id": "never-seen"})["cold_start"]["stage"] == "zero"


def test_an_acknowledged_event_changes_the_next_list_every_time(shop: Site) -> None:
    clicked: list[str] = []
    for _ in range(12):
        before = shop.listed(user_id="ann", n=60)
        assert not set(clicked) & set(before)
        clicked.append(before[0])
        assert shop.post("/v1/events", click("ann", before[0])) == {"accepted": 1, "duplicates": 0, "rejected": []}
        assert shop.listed(user_id="ann", n=60) != before
    told = shop.post("/v1/recommend", {"user_id": "ann"})
    assert told["cold_start"]["user_events"] == 12 and told["cold_start"]["stage"] == "warm"


def test_an_event_taken_back_gives_the_old_list_exactly(shop: Site) -> None:
    shop.post("/v1/events", click("bob", "i03"))
    before = shop.post("/v1/recommend", {"user_id": "bob", "explain": True})["items"]
    shop.post("/v1/events", click("bob", "i07"))
    assert shop.post("/v1/recommend", {"user_id": "bob", "explain": True})["items"] != before
    assert shop.ask("DELETE", "/v1/events/bob-i07").json() == {"removed": True}
    assert shop.post("/v1/recommend", {"user_id": "bob", "explain": True})["items"] == before
    assert shop.ask("DELETE", "/v1/events/bob-i07").json() == {"removed": False}


def test_a_person_is_forgotten(shop: Site) -> None:
    nobody = shop.listed(user_id="eve")
    shop.post("/v1/events", click("eve", "i01", "i02"))
    shop.put("/v1/users", {"users": [{"user_id": "eve", "attributes": {"device": "mobile"}}]})
    assert shop.ask("DELETE", "/v1/users/eve").json() == {"user_id": "eve", "events": 2}
    assert shop.listed(user_id="eve") == nobody
    assert shop.shop.store.known(["eve"]).users == {"eve": {}}


def test_stored_and_given_events_count_alike(shop: Site) -> None:
    shop.post("/v1/events", click("stored", "i05", "i09"))
    stored = shop.listed(user_id="stored")
    given = shop.listed(events=[{"item_id": "i05"}, {"item_id": "i09"}])
    assert set(stored) == set(given) == set(shop.listed(positive=["i05", "i09"]))
    shop.post("/v1/events", click("half", "i05"))
    assert set(shop.listed(user_id="half", events=[{"item_id": "i09"}])) == set(stored)
    assert set(shop.listed(user_id="half")) != set(stored), "nothing of a request is kept"
    assert shop.listed(negative=["i05"]) != shop.listed()


def test_sending_events_again_changes_nothing(shop: Site) -> None:
    named = click("cat", "i11")
    unnamed = {"events": [{"user_id": "cat", "item_id": "i12", "type": "rate", "value": 5}] * 2}
    assert shop.post("/v1/events", named)["accepted"] == 1
    assert shop.post("/v1/events", unnamed) == {"accepted": 1, "duplicates": 1, "rejected": []}
    before = shop.listed(user_id="cat")
    assert shop.post("/v1/events", named)["duplicates"] == 1
    assert shop.post("/v1/events", unnamed)["duplicates"] == 2
    assert shop.listed(user_id="cat") == before


def test_of_a_batch_the_good_events_are_kept_and_the_others_named(shop: Site) -> None:
    rows = [
        {"user_id": "dan", "item_id": "i01"},
        {"user_id": "dan"},
        {"user_id": "dan", "item_id": "i02", "value": "much"},
        {"user_id": "dan", "item_id": "i02", "colour": "red"},
        {"user_id": "d" * 257, "item_id": "i02"},
        {"user_id": "dan", "item_id": "i02", "time": "yesterday"},
        {"user_id": "dan\0", "item_id": "i02"},
        "dan",
    ]
    told = shop.post("/v1/events", {"events": rows})
    assert (told["accepted"], told["duplicates"]) == (1, 0)
    assert [fault["index"] for fault in told["rejected"]] == list(range(1, len(rows)))
    assert told["rejected"][0] == {"index": 1, "code": "missing", "detail": "item_id: Field required."}
    assert len({fault["code"] for fault in told["rejected"]}) >= 5
    assert shop.post("/v1/recommend", {"user_id": "dan"})["cold_start"]["user_events"] == 1


def test_a_time_is_read_with_its_zone(shop: Site) -> None:
    rows = [{"user_id": "tim", "item_id": "i01", "time": "2024-05-01T02:00:00+02:00"}]
    shop.post("/v1/events", {"events": rows})
    assert shop.shop.store.known(["tim"]).events["tim"][0].time.isoformat() == "2024-05-01T00:00:00"
    past = shop.post("/v1/recommend", {"user_id": "tim", "context": {"time": "2024-04-30T00:00:00Z"}})
    assert past["cold_start"]["user_events"] == 0


def test_a_new_item_can_be_recommended_in_the_next_request(own: Site) -> None:
    for number in range(3):
        item = {"item_id": f"n{number}", "title": "New", "category": "a category of its own", "price": 3.5}
        assert own.put("/v1/items", {"items": [item]}) == {"created": 1, "updated": 0, "rejected": []}
        told = own.post("/v1/recommend", {"n": 100})["items"]
        (found,) = [one for one in told if one["item_id"] == item["item_id"]]
        assert (found["cold"], found["price"], found["category"]) == (True, 3.5, "a category of its own")
    told = own.put("/v1/items", {"items": [{"item_id": "n0", "price": 4}, {"title": "?"}]})
    assert (told["created"], told["updated"], len(told["rejected"])) == (0, 1, 1)
    tree = {"eq": {"field": "category", "value": "a category of its own"}}
    assert set(own.listed(filter=tree)) == {"n1", "n2"}, "a row replaces all that was said of the item"


def test_what_is_listed_obeys_what_was_asked(shop: Site) -> None:
    whole = shop.post("/v1/recommend", {"n": 60})["items"]
    category = whole[0]["category"]
    tree = {"not": {"eq": {"field": "category", "value": category}}}
    assert category not in {one["category"] for one in shop.post("/v1/recommend", {"filter": tree})["items"]}
    domain = whole[-1]["domain"]
    asked = {"context": {"domain": domain}, "exclude_ids": [whole[-1]["item_id"]], "n": 60}
    told = shop.post("/v1/recommend", asked)["items"]
    assert {one["domain"] for one in told} == {domain}
    assert whole[-1]["item_id"] not in {one["item_id"] for one in told}


def test_a_filter_that_leaves_nothing_says_so(shop: Site) -> None:
    tree = {"lt": {"field": "price", "value": -1}}
    told = shop.post("/v1/recommend", {"filter": tree})
    assert told["items"] == [] and told["note"]
    told = shop.post("/v1/recommend", {"filter": tree, "strict": False, "n": 3})
    assert len(told["items"]) == 3 and told["cold_start"]["fallback"] == "popular" and told["note"]


def test_a_wrong_filter_is_named_and_spoils_nobody_elses_list(shop: Site) -> None:
    wrong = {"filter": {"eq": {"field": "colour", "value": "red"}}}
    calls = [("POST", "/v1/recommend", wrong if number == 3 else {"n": 2}) for number in range(8)]
    found = shop.together(calls)
    told = problem(found[3], 422, "filter")
    assert told["errors"][0]["code"] == "unknown_field" and "colour" in told["detail"]
    assert [one.status_code for one in found] == [200, 200, 200, 422, 200, 200, 200, 200]


def test_many_at_once_are_answered_each_with_their_own(shop: Site) -> None:
    for number in range(6):
        shop.post("/v1/events", click(f"many{number}", f"i{number:02}"))
    alone = [shop.listed(user_id=f"many{number}") for number in range(6)]
    calls = [("POST", "/v1/recommend", {"user_id": f"many{number}"}) for number in range(6)]
    assert [[item["item_id"] for item in one.json()["items"]] for one in shop.together(calls)] == alone


def test_reasons_add_up_and_name_the_event(shop: Site) -> None:
    asked = {"events": [{"item_id": "i05", "event_id": "mine"}, {"item_id": "i09"}], "explain": True}
    items = shop.post("/v1/recommend", asked)["items"]
    reasons = [reason for item in items for reason in item["reasons"]]
    assert all(item["reasons"] for item in items)
    for item in items:
        shares = [reason["share"] for reason in item["reasons"]]
        assert None in shares or sum(shares) == pytest.approx(1.0, abs=1e-5)
    assert {reason.get("item_id") for reason in reasons} >= {"i05", "i09"}
    assert "mine" in {reason.get("event_id") for reason in reasons}


def test_similar_items(shop: Site) -> None:
    related = shop.post("/v1/similar", {"item_id": "i05", "n": 10})["items"]
    assert "i05" not in {one["item_id"] for one in related}
    complementary = shop.post("/v1/similar", {"item_id": "i05", "n": 50, "intent": "complementary"})["items"]
    whole = {one["item_id"]: one["category"] for one in shop.post("/v1/recommend", {"n": 60})["items"]}
    assert complementary and whole["i05"] not in {one["category"] for one in complementary}
    problem(shop.ask("POST", "/v1/similar", {"item_id": "nothing"}), 404, "unknown_item")


def test_categories_each_with_their_best(shop: Site) -> None:
    told = shop.post("/v1/categories/recommend", {"n": 4, "items": 3, "events": [{"item_id": "i05"}]})
    assert [one["rank"] for one in told["categories"]] == [1, 2, 3, 4]
    assert all({item["category"] for item in one["items"]} == {one["category"]} for one in told["categories"])
    assert all(1 <= len(one["items"]) <= 3 for one in told["categories"])


def test_ranking_given_items(shop: Site) -> None:
    told = shop.post("/v1/rank", {"item_ids": ["i09", "i05", "zzz", "i09"], "events": [{"item_id": "i05"}]})
    assert sorted(item["item_id"] for item in told["items"]) == ["i05", "i09"]
    assert told["unknown"] == ["zzz"]


def test_explaining_an_item_and_the_list_without_an_event(shop: Site) -> None:
    events = [{"item_id": "i05"}, {"item_id": "i09"}]
    listed = shop.listed(events=events)
    told = shop.post("/v1/explain", {"item_id": listed[0], "events": events, "without": [1]})
    assert [item["item_id"] for item in told["list"]] == listed and told["item"]["rank"] == 1
    assert [item["item_id"] for item in told["list_without"]] == shop.listed(events=events[:1])
    assert [event["index"] for event in told["events"]] == [0, 1]
    added = sum(reason["added"] for reason in told["item"]["reasons"] if reason.get("item_id"))
    assert told["base"] + added == pytest.approx(told["item"]["score"], abs=1e-4)
    wrong = {"item_id": listed[0], "events": events, "without": [2]}
    assert "2 events" in problem(shop.ask("POST", "/v1/explain", wrong), 422, "invalid")["detail"]
    problem(shop.ask("POST", "/v1/explain", {"item_id": "nothing"}), 404, "unknown_item")


def test_without_the_store_lists_go_on_and_events_are_not_acknowledged(
    own: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.post("/v1/events", click("ann", "i05"))
    plain = own.listed(user_id="nobody")

    def away(*args: Any) -> Any:
        raise StoreError("The store /tmp/secret.db is away.")

    for name in ("known", "state", "add_events", "put_items", "keys"):
        monkeypatch.setattr(own.shop.store, name, away)
    told = own.post("/v1/recommend", {"user_id": "ann"})
    assert sorted(item["item_id"] for item in told["items"]) == sorted(plain) and "store" in told["note"]
    assert own.listed(events=[{"item_id": "i05"}]) != plain
    refused = own.ask("POST", "/v1/events", click("ann", "i06"))
    problem(refused, 503, "store_away")
    assert refused.headers["retry-after"] == "1"
    problem(own.ask("GET", "/readyz"), 503, "store_away")
    assert own.get("/livez") == {"status": "ok"}


def test_what_is_acknowledged_counts_at_once_when_the_store_is_back(own: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any) -> Any:
        raise StoreError("The store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(own.shop.store, "known", away)
        assert own.post("/v1/recommend", {"user_id": "ann"})["note"]
    assert own.post("/v1/recommend", {"user_id": "ann"})["note"], "it is not asked again for a second"
    own.post("/v1/events", click("ann", "i05"))
    told = own.post("/v1/recommend", {"user_id": "ann"})
    assert told["note"] is None and told["cold_start"]["user_events"] == 1


def test_without_a_seed_every_request_explores_anew(shop: Site) -> None:
    def drawn(**more: Any) -> list[str]:
        return shop.listed(user_id="explorer", n=10, explore=0.9, **more)

    assert len({tuple(drawn()) for _ in range(5)}) > 1
    assert drawn(seed=3) == drawn(seed=3) != drawn(seed=4)
    assert shop.listed(user_id="explorer", n=10) == shop.listed(user_id="explorer", n=10)


def test_what_was_shown_is_written_down(tmp_path: Path) -> None:
    with site(settings(models() / "first", tmp_path / "shop.db")) as own:
        told = own.post("/v1/recommend", {"user_id": "ann", "n": 3, "scenario": "home"})
        own.post("/v1/rank", {"item_ids": ["i01"]})
        own.shop.journal.close()
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        rows = database.execute("SELECT request_id, user_id, model, scenario, items FROM impressions").fetchall()
    shown = [[item["item_id"], item["propensity"], item["source"]] for item in told["items"]]
    assert [(*row[:4], json.loads(row[4])) for row in rows] == [(told["request_id"], "ann", "first", "home", shown)]


def test_the_front_door_leads_to_the_playground(shop: Site) -> None:
    found = shop.ask("GET", "/")
    assert found.status_code == 307 and found.headers["location"] == "/playground/"
    page = shop.ask("GET", "/playground/")
    if page.status_code == 200:
        assert "default-src 'self'" in page.headers["content-security-policy"]
