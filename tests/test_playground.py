"""The playground in a real browser: what a person does with its lists, and that nothing leaves the machine."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pages
import pytest
from commands import refused
from pages import Visit, act, order, slide, take_back, tell, text

served = pytest.fixture(scope="module")(pages.served)
browser = pytest.fixture(scope="module")(pages.browser)
visit = pytest.fixture(pages.visit)
pictures = pytest.fixture(scope="module")(pages.pictures)


def test_a_port_that_is_taken_is_said_before_the_work(served: str) -> None:
    assert f":{urlsplit(served).port} cannot be listened on" in refused(
        "quickstart", "--serve", "--port", urlsplit(served).port
    )


def test_three_clicks_change_the_other_shelves_and_taking_them_back_restores_each(visit: Visit, pictures: Path) -> None:
    page = visit(reduced_motion="no-preference")
    seen = [order(page)]
    page.screenshot(path=pictures / "1 nobody known.png")
    for step, name in enumerate(("click", "favourite", "cart")):
        touched = act(page, step, 1, name)
        seen.append(order(page))
        before, after = dict(seen[-2]), dict(seen[-1])
        others = [key for key in before.keys() & after.keys() if key != touched and before[key] != after[key]]
        assert others, f"after the {name} only {touched} changed"
        assert page.locator(".moved.up").count() and page.locator(".moved.down").count()
        page.wait_for_timeout(550)
        page.screenshot(path=pictures / f"{step + 2} after a {name}.png")
        print(f"{name}: {text(page, '#status')}; {text(page, '#told')}")
    for left in (2, 1, 0):
        take_back(page, left)
        assert order(page) == seen[left]
    assert page.locator("#no-events").is_visible()
    page.wait_for_timeout(550)
    page.screenshot(path=pictures / "5 all taken back.png")


def test_an_event_from_the_middle_is_taken_back_as_if_it_had_never_been(visit: Visit) -> None:
    page = visit()
    items = [ids[2] for _, ids in order(page)[:3]]
    tell(page, items[0], items[2])
    never = order(page)
    tell(page, *items)
    assert order(page) != never
    take_back(page, 1)
    assert order(page) == never


def test_why_says_shares_that_add_up(visit: Visit, pictures: Path) -> None:
    page = visit()
    act(page, 0, 0)
    order(page)
    act(page, 2, 1, "purchase")
    order(page)
    act(page, 0, 0, "why")
    page.wait_for_selector(".reasons")
    *shares, total = [int(share.replace("−", "-").rstrip(" %")) for share in page.locator(".share").all_inner_texts()]
    assert sum(shares) == total == 100
    assert len(shares) >= 3
    page.screenshot(path=pictures / "6 why.png")
    page.locator(".reasons button").first.click()
    assert page.locator("#dialog").is_hidden()
    order(page)
    assert page.locator("#events li").count() == 1


def test_an_item_that_is_added_appears_at_once_and_so_does_its_category(visit: Visit, pictures: Path) -> None:
    page = visit()
    form = page.locator("#add")
    form.locator("[name=title]").fill("<b>dreamy</b> pocket drone")
    form.locator("select").select_option(label="New category…")
    form.locator("[name=name]").fill("drone")
    form.locator("[name=price]").fill("49.9")
    form.locator("button").click()
    card = page.locator(".added .card")
    card.wait_for()
    assert card.locator("h4").inner_text() == "<b>dreamy</b> pocket drone", "a title is a text, never markup"
    assert text(page, ".added .flag.new") == "New"
    assert text(page, ".added .facts") == "no. 1 in drone"
    assert "drone" in form.locator("option").all_inner_texts()
    form.locator("[name=title]").fill("rustic wooden train")
    form.locator("select").select_option("train")
    form.locator("button").click()
    page.locator(".added .card").nth(1).wait_for()
    order(page)
    page.screenshot(path=pictures / "7 added.png")
    page.locator(".added .card", has_text="drone").locator("[data-act=click]").click()
    order(page)
    assert page.locator(".added .card").count() == 1
    assert "pocket drone" in text(page, "#events li .unseen")


def test_the_columns_compare_three_ways_of_ranking(visit: Visit, pictures: Path) -> None:
    page = visit()
    page.keyboard.press("2")
    page.wait_for_selector(".column .card")
    before = dict(order(page))
    assert list(before) == ["column:adapted", "column:item-knn", "column:popular"]
    clicked = before["column:adapted"][2]
    act(page, 0, 2)
    after = dict(order(page))
    assert after["column:adapted"] != before["column:adapted"]
    kept = [item for item in before["column:popular"] if item != clicked]
    assert set(kept) <= set(after["column:popular"]), "popularity knows no person"
    page.screenshot(path=pictures / "8 compared.png")


def test_a_shared_link_shows_the_same(visit: Visit) -> None:
    page = visit()
    act(page, 0, 0)
    order(page)
    act(page, 1, 1, "favourite")
    order(page)
    page.get_by_role("button", name="young", exact=True).click()
    shown = order(page)
    again = visit("playground/#" + page.url.partition("#")[2])
    assert order(again) == shown
    titles = page.locator("#events .unseen").all_inner_texts()
    assert again.locator("#events .unseen").all_inner_texts() == titles
    assert re.fullmatch(r"looked at \w+ .+", titles[0]), "the title, not the id"


def test_switches_and_sliders_change_the_lists_and_back(visit: Visit) -> None:
    page = visit()
    act(page, 0, 0)
    plain = order(page)
    page.get_by_role("button", name="mobile", exact=True).click()
    assert order(page) != plain
    page.get_by_role("group", name="device").get_by_role("button", name="any", exact=True).click()
    assert order(page) == plain
    drawn = []
    slide(page, "explore", 1)
    drawn.append(order(page))
    assert page.locator(".flag.chance").count()
    page.locator("#draw").click()
    drawn.append(order(page))
    assert plain not in drawn and drawn[0] != drawn[1]
    slide(page, "explore", 0)
    assert {key: set(ids) for key, ids in order(page)} == {key: set(ids) for key, ids in plain}
