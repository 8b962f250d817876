"""The playground in a real browser, for tests: a small shop served, a browser, and what is done and seen there."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from commands import run
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from firstlight import quickstart
from firstlight.dataset import Dataset, read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.learners import make
from firstlight.recommender import Recommender
from firstlight.serve.app import serving
from firstlight.serve.settings import VARIABLE, ServeSettings

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()
READY = "#lists:not([aria-busy])"
USUAL = {"locale": "en-GB", "viewport": {"width": 1360, "height": 900}, "reduced_motion": "reduce"}

LEARNER = "fewshot-ease"


def market(users: int, seed: int) -> Dataset:
    """Small enough to be quick; what is learned of it takes no time budget, so that it is always the same."""
    with TemporaryDirectory() as folder:
        return read_dataset(simulate(n_users=users, n_items=450, n_events=30 * users, seed=seed).write(Path(folder)))


class Quick(Recommender):
    """Learns with a closed form that knows of people's profiles."""

    @classmethod
    def fit(cls, dataset: Dataset, *_: Any, **__: Any) -> Recommender:  # type: ignore[override]
        return Recommender.fit(dataset, make(LEARNER))


SMALL = {"BESIDE": ("popular", "item-knn"), "DEFAULT": LEARNER, "marketplace": market, "Recommender": Quick}

Order = list[tuple[str, list[str]]]
Visit = Callable[..., Page]


def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of what ``firstlight quickstart --serve`` serves."""
    folder = tmp_path_factory.mktemp("market")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "")
        for name, value in SMALL.items():
            patch.setattr(quickstart, name, value)
        patch.setattr(uvicorn, "run", lambda *_, **__: None)
        done = run("quickstart", "--serve", "--users", 300, "--out", folder, "--port", free_port())
        assert done.exit_code == 0, done.output
        assert f"{ServeSettings.from_environment().port}/playground/" in done.stdout
        app = serving()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=free_port(), log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    limit = time.monotonic() + 20
    while not server.started and thread.is_alive() and time.monotonic() < limit:
        time.sleep(0.02)
    try:
        assert server.started
        yield f"http://127.0.0.1:{server.config.port}/"
    finally:
        server.should_exit = True
        thread.join(20)


def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no {CHROMIUM}: install the package chromium")
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield opened
        opened.close()


def visit(browser: Browser, served: str) -> Iterator[Visit]:
    """Opens the page. When the test ends, every request was for this machine and the console had nothing to say."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def opened(
        path: str = "", ready: str = ".card", before: Callable[[BrowserContext], None] | None = None, **settings: Any
    ) -> Page:
        context = browser.new_context(**{**USUAL, **settings})
        contexts.append(context)
        context.set_default_timeout(10_000)
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        if before is None:
            page.on("console", lambda message: said.append(message.text))
        else:  # where requests are made to fail, the console tells of it
            before(context)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(served + path)
        page.wait_for_selector(ready)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []
    assert asked and {urlsplit(url).hostname for url in asked if not url.startswith("data:")} == {"127.0.0.1"}


def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("playground")
    yield folder
    print(f"\n{len(list(folder.iterdir()))} screenshots of the playground are in {folder}", file=sys.stderr)


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def order(page: Page) -> Order:
    """Every shelf or column with the items on it, from the top."""
    page.wait_for_selector(READY)
    found = page.evaluate(
        "[...document.querySelectorAll('#lists > *')].map(group => "
        "[group.dataset.key, [...group.querySelectorAll('.card')].map(card => card.dataset.item)])"
    )
    return [(key, ids) for key, ids in found]


def act(page: Page, shelf: int, card: int, name: str = "click") -> str:
    """Do it with a card; the key of its shelf."""
    key = page.locator("#lists > *").nth(shelf).get_attribute("data-key")
    page.locator("#lists > *").nth(shelf).locator(".card").nth(card).locator(f"[data-act={name}]").click()
    return str(key)


def take_back(page: Page, place: int) -> None:
    page.locator(f"#events [data-index='{place}']").click()


def text(page: Page, selector: str) -> str:
    return page.locator(selector).first.inner_text()


def tell(page: Page, *items: str) -> None:
    """Follow a link to a person who clicked these."""
    with page.expect_response("**/categories/recommend"):
        page.evaluate("hash => { location.hash = hash }", "&".join(f"e=click~{item}" for item in items))


def slide(page: Page, name: str, value: float) -> None:
    with page.expect_response("**/categories/recommend"):
        page.locator(f"#slider-{name}").fill(str(value))
