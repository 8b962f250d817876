"""The playground's page in a real browser: keys, colours, languages, narrow screens, and what goes wrong in words."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pages
import pytest
from pages import Visit, act, order, text
from playwright.sync_api import Route

from firstlight.datasets.vocabulary import CATEGORIES, STYLES, THEMES
from firstlight.serve.app import PLAYGROUND

served = pytest.fixture(scope="module")(pages.served)
browser = pytest.fixture(scope="module")(pages.browser)
visit = pytest.fixture(pages.visit)
pictures = pytest.fixture(scope="module")(pages.pictures)


def test_everything_goes_by_keyboard(visit: Visit) -> None:
    page = visit()
    page.locator(".face").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    second = page.locator(".shelf").nth(1).locator(".card").nth(1)
    assert page.evaluate("document.activeElement.closest('.card').dataset.item") == second.get_attribute("data-item")
    before = order(page)
    page.keyboard.press("f")
    page.locator("#events .favourite").wait_for()
    order(page)
    assert page.evaluate("document.activeElement.dataset.act"), "the keyboard stays on the shelf"
    page.keyboard.press("z")
    assert order(page) == before
    page.keyboard.press("?")
    page.locator("dialog kbd").first.wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    assert page.evaluate("document.activeElement.name") == "title"
    page.keyboard.type("d l 2")
    assert page.locator("html").get_attribute("lang") == "en", "letters in a field are letters"


def test_the_command_that_is_copied_is_what_was_asked(visit: Visit) -> None:
    page = visit()
    clicked = order(page)[0][1][0]
    act(page, 0, 0)
    order(page)
    page.locator("#curl").click()
    told = text(page, "dialog pre")
    assert told.startswith(f"curl -s '{page.url.partition('playground')[0]}v1/categories/recommend'")
    assert f'"events":[{{"item_id":"{clicked}","type":"click"}}]' in told


def test_dark_chinese_and_narrow(visit: Visit, pictures: Path) -> None:
    page = visit()
    act(page, 0, 0)
    order(page)
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.screenshot(path=pictures / "9 dark.png")
    page.locator("#language").click()
    order(page)
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert "一次点击" in text(page, "h1")
    page.screenshot(path=pictures / "10 Chinese.png")
    phone = visit(viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.screenshot(path=pictures / "11 phone.png")
    phone.locator("#open-panel").click()
    assert phone.locator("#add").is_visible()
    phone.screenshot(path=pictures / "12 phone settings.png")


def test_a_key_is_asked_for_and_kept_in_the_tab(visit: Visit) -> None:
    def guard(route: Route) -> None:
        if route.request.headers.get("authorization") == "Bearer open sesame":
            route.continue_()
        else:
            route.fulfill(status=401, json={"title": "Unauthorized", "detail": "This needs an API key."})

    page = visit(ready="dialog[open] input", before=lambda context: context.route("**/v1/**", guard))
    assert "This needs an API key." in text(page, "dialog")
    page.keyboard.type("open sesame")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card")
    assert page.evaluate("[Object.values(sessionStorage), Object.values(localStorage)]") == [["open sesame"], []]
    page.locator("#curl").click()
    assert "$FIRSTLIGHT_KEY" in text(page, "dialog pre") and "sesame" not in text(page, "dialog pre")


def test_problems_are_told_in_words_and_can_be_tried_again(visit: Visit) -> None:
    def away(route: Route) -> None:
        route.abort() if broken else route.continue_()

    broken = False
    page = visit(before=lambda context: context.route("**/v1/**", away))
    before = order(page)
    broken = True
    act(page, 0, 0)
    page.locator("#problem").wait_for()
    assert "does not answer" in text(page, "#problem p")
    assert order(page) == before, "what was there stays there"
    broken = False
    page.locator("#again").click()
    page.locator("#problem").wait_for(state="hidden")
    assert order(page) != before


def test_every_thing_of_the_marketplace_has_a_picture_and_every_word_a_colour() -> None:
    drawings = (PLAYGROUND / "drawings.js").read_text(encoding="utf-8")
    drawn = {match[1] or match[2] for match in re.finditer(r'^  (?:"([^"]+)"|(\w+)): `', drawings, re.MULTILINE)}
    assert set(CATEGORIES) <= drawn
    coloured = set(re.findall(r"(\w+) [0-9a-f]{6}\b", (PLAYGROUND / "colours.js").read_text(encoding="utf-8")))
    words = set(STYLES) | {word for group in THEMES.values() for word in group}
    assert words <= coloured, sorted(words - coloured)


def test_both_languages_have_every_word(visit: Visit) -> None:
    page = visit()
    languages: Mapping[str, Mapping[str, Any]] = page.evaluate(
        "import('./words.js').then(({LANGUAGES}) => JSON.parse(JSON.stringify(LANGUAGES, (_, value) => "
        "typeof value === 'function' ? value.length : value)))"
    )
    assert shape(languages["en"]) == shape(languages["zh"])


def shape(words: Any) -> Any:
    """Which words there are, and how many things each sentence takes."""
    if isinstance(words, dict):
        return {key: shape(value) for key, value in words.items()}
    return len(words) if isinstance(words, list) else words if isinstance(words, int) else str
