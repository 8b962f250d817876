"""How long after a click on the playground its shelves stand in their new order, in Debian's Chromium.

    python benchmarks/playground_click.py MODEL [--clicks 40]

MODEL: a model folder, such as `quickstart/model` after `make demo`. Each click looks at a card of another shelf, in a
page of the usual size; after every fifth all events are forgotten. Counted is from the time stamp of the click to the
end of the first frame that was painted with the new order; the cards then glide there for half a second. Beside it is
what the server took of that.
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from serving import HOST, Server

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless", "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-sync"]
READY = "#lists:not([aria-busy])"
FORGET = 5
WATCH = """
() => {
  const lists = document.getElementById("lists");
  let clicked = null;
  window.taken = [];
  document.addEventListener("click", (event) => { clicked = event.timeStamp; }, true);
  new MutationObserver(() => {
    if (lists.hasAttribute("aria-busy") || clicked === null) return;
    const begun = clicked;
    clicked = null;
    requestAnimationFrame(() => setTimeout(() => window.taken.push(performance.now() - begun)));
  }).observe(lists, { attributes: true, attributeFilter: ["aria-busy"] });
}
"""


def clicked(page: Page, shelf: int, card: int) -> tuple[float, float]:
    """Milliseconds until the new order is painted, and of these the server's."""
    face = page.locator("#lists > *").nth(shelf).locator(".card").nth(card).locator("[data-act=click]")
    with page.expect_response("**/categories/recommend") as answered:
        face.click()
    page.wait_for_timeout(900)  # until nothing glides any more
    return page.evaluate("window.taken.at(-1)"), answered.value.json()["took_ms"]


def told(name: str, taken: Sequence[float]) -> str:
    """The middle and the tail of some milliseconds."""
    ordered = sorted(taken)
    return f"{name}: p50 {statistics.median(ordered):.0f} ms, p95 {ordered[int(0.95 * (len(ordered) - 1))]:.0f} ms"


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model", type=Path)
    options.add_argument("--clicks", type=int, default=40)
    chosen = options.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        Server.of(chosen.model, f"{folder}/click.db") as server,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.goto(f"http://{HOST}:{server.port}/playground/")
        page.wait_for_selector(f"{READY} .card")
        page.evaluate(WATCH)
        shelves = page.locator("#lists > *").count()
        taken = []
        for number in range(chosen.clicks):
            taken.append(clicked(page, number % 3, 1 + number % 2))
            if number % FORGET == FORGET - 1:
                page.locator("#clear").click()
                page.wait_for_timeout(900)
        cards = page.locator(".card").count()
        browser.close()
    print(f"{chosen.clicks} clicks on {shelves} shelves with {cards} cards")
    print(told("painted", [whole for whole, _ in taken]))
    print(told("of which the server", [part for _, part in taken]))


if __name__ == "__main__":
    main()
