"""The report of a data set: what was understood, what is cold, and what is wrong."""

import json
from datetime import datetime
from io import StringIO
from pathlib import Path

from folders import GOOD, events, folder
from rich.console import Console

from firstlight.dataset import read_dataset


def test_what_was_understood_and_what_is_cold(tmp_path: Path) -> None:
    rows = [{**GOOD, "user_id": f"u{n % 3}", "item_id": f"i{n % 6}", "time": 1_600_000_000 + n} for n in range(12)]
    items = [{"item_id": f"i{n}", "domain": "toys" if n < 3 else "books"} for n in range(5)] + [{"item_id": "new"}]
    report = read_dataset(folder(tmp_path, events=rows, items=items)).report
    assert (report.events, report.users, report.items) == (12, 3, 6)
    assert (report.first, report.last) == (datetime(2020, 9, 13, 12, 26, 40), datetime(2020, 9, 13, 12, 26, 51))
    assert dict(report.domains) == {"toys": 6, "books": 4}
    assert [(cold.what, cold.cold, cold.total) for cold in report.cold] == [
        ("users", 3, 3),
        ("items", 7, 7),
        ("domains", 2, 2),
    ]
    assert report.notes == (
        "1 items have events but no row in the catalogue",
        "1 of 6 items in the catalogue have no event",
    )


def test_the_report_is_json_and_can_be_shown(tmp_path: Path) -> None:
    data = events(tmp_path, [{**GOOD, "shop": 1}, {**GOOD, "user_id": ""}, {**GOOD, "type": "[red]"}])
    said = json.loads(json.dumps(data.report.as_dict()))
    assert said["cold"][0] == {"what": "users", "below": 5, "cold": 1, "total": 1, "share": 1.0}
    assert said["files"][0]["rejected"] == [{"reason": "missing user_id", "count": 1, "example_row": 2}]
    out = StringIO()
    Console(file=out, width=100).print(data.report.render())
    shown = " ".join(out.getvalue().split())
    for words in ("2 events of 1 users", "ISO 8601", "also shop", "missing user_id", "[red]", "100% of users"):
        assert words in shown
    assert shown.index("Understood") < shown.index("Cold") < shown.index("Bad rows")
