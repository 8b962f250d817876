"""The report of an evaluation: for a terminal of 80 columns, and as JSON that appears whole or not at all."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from stand_ins import Broken, shown

from firstlight import report
from firstlight.errors import SettingsError
from firstlight.evaluate import Evaluation, cold_user, evaluate
from firstlight.evaluate.metrics import METRICS
from firstlight.tasks import Corpus


def test_the_table_fits_a_terminal_of_80_columns(evaluation: Evaluation) -> None:
    lines = shown(evaluation).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert not any("…" in line for line in lines)
    row = next(line for line in lines if "neighbours" in line)
    for cell in evaluation.rows[3].cells:
        assert f"{cell.metrics['ndcg@10'].mean:.3f}"[1:] in row
    assert "broken failed: broken needs content" in " ".join(lines)
    assert all(name in shown(evaluation, 100) for name in ("recall@20", "prec@10", "hit@10", "mrr@10", "coverage"))


def test_the_best_of_a_column_is_bold(evaluation: Evaluation) -> None:
    out = io.StringIO()
    Console(file=out, width=100, force_terminal=True, color_system="standard").print(report.table(evaluation))
    row = next(line for line in out.getvalue().splitlines() if "neighbours" in line)
    best = f"{evaluation.rows[3].cells[4].metrics['ndcg@10'].mean:.3f}"[1:]
    assert f"\x1b[1m{best}\x1b[0m" in row


def test_all_learners_failing_is_still_a_table(corpus: Corpus) -> None:
    assert "failed" in shown(evaluate(corpus, {"broken": Broken()}, cold_user(corpus)))


def test_json_holds_everything(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.write_json(evaluation, path)
    read = json.loads(path.read_text("utf-8"))
    assert read["sizes"] == {"people": 400, "trained on": 280, "validation": 40, "test": 80, "items": 60, "likes": 6800}
    cell = read["rows"][3]["cells"][2]
    assert set(cell["metrics"]) == set(METRICS)
    assert cell["difference"].keys() == {"mean", "low", "high"} and cell["against"] == "popular"
    assert cell["unadapted"].keys() == cell["gain"].keys() == {"mean", "low", "high"}
    assert cell["moved"] > 0 and cell["shift"] > 0
    assert (read["seed"], read["protocol"], read["shots"]) == (0, "cold-user", [0, 1, 3, 5, 10])
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_a_file_that_cannot_be_written_is_one_sentence_and_leaves_nothing(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"report\.json cannot be written .*: choose another place"):
        report.write_json(evaluation, tmp_path / "file" / "report.json")
    (tmp_path / "taken").mkdir()
    with pytest.raises(SettingsError, match="taken cannot be written"):
        report.write_json(evaluation, tmp_path / "taken")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "taken"]


def test_a_report_that_is_there_stays_whole_when_writing_fails(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.json"
    path.write_text("old")
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(SettingsError, match=r"report.json cannot be written \(No space left on device\)"):
        report.write_json(evaluation, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"] and path.read_text() == "old"
