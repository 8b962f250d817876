"""``firstlight evaluate`` with protocols other than cold-user: what it prints, writes and refuses."""

import json
from pathlib import Path

import pytest
from commands import refused, run

LEARNERS = ["--learners", "popular,item-knn"]


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (["cold-item"], ["new items", "whole catalogue"]),
        (["n-shot-item", "--shots", "0,2"], ["0 events", "2 events"]),
        (["cold-domain", "--target", "toys", "--shots", "0,100"], ["0 events", "100 events"]),
        (["leave-group-out", "--target", "device=mobile", "--shots", "0,3"], ["0 events", "3 events"]),
        (["leave-device-out", "--target", "mobile", "--shots", "0,3"], ["0 events", "3 events"]),
        (["dormant-user", "--target", "7"], ["returning people"]),
    ],
    ids=lambda value: value[0],
)
def test_a_protocol_has_a_column_a_stage_and_its_settings_in_the_report(
    options: list[str], labels: list[str], world: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.json"
    done = run("evaluate", world / "market", *LEARNERS, "--out", out, "--seed", 2, "--protocol", *options)
    assert done.exit_code == 0, done.output
    report = json.loads(out.read_text())
    assert (report["protocol"], report["labels"], report["seed"]) == (options[0], labels, 2)
    assert [[cell["label"] for cell in row["cells"]] for row in report["rows"]] == [labels] * 2
    if "--target" in options and options[0] != "dormant-user":
        assert report["settings"]["target"] == options[2]
    assert all(label in done.stdout for label in labels)
    assert max(map(len, done.stdout.replace(str(out), "").splitlines())) <= 80


def test_alike_stages_are_lines(world: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    done = run("evaluate", world / "market", *LEARNERS, "--protocol", "leave-category-out", "--out", out)
    assert done.exit_code == 0, done.output
    report = json.loads(out.read_text())
    assert report["alike"] and report["settings"]["column"] == "domain"
    assert report["rows"][1]["mean_over_popular"].keys() == {"mean", "low", "high"}
    assert {pair["source_name"] for pair in report["rows"][1]["transfer"]} >= set(report["labels"])
    assert "not judged, for want of 25 people: " in report["note"]
    assert all(label in done.stdout for label in report["labels"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["cold-domain", "--target", "cars"], "No item is in the domain 'cars': take one of"),
        (["leave-group-out"], "needs --target COLUMN=VALUE, the column one of age_group, household, device"),
        (["leave-device-out", "--target", "watch"], "on the device 'watch': take one of mobile, pc"),
        (["drift", "--shots", "1"], "--shots has no meaning for drift"),
        (["cold-user", "--target", "x"], "--target has no meaning for cold-user"),
        (["drift", "--target", "week"], "--target week is no number of days"),
    ],
)
def test_what_cannot_be_is_one_sentence(options: list[str], said: str, world: Path) -> None:
    assert said in refused("evaluate", world / "market", *LEARNERS, "--protocol", *options)
