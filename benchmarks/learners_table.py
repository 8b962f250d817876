"""The meta-learners beside popularity and the engine, through the command line, judged from outside: a table.

    python benchmarks/learners_table.py JUDGE DATA [--seed 0] [--domain Toys] [--learners maml,anil] [--threads 2]

JUDGE is a script with `cut DATA OUT --seed N` and `score OUT/kK RECS`; DATA a folder in the plain layout. Each learner
trains with its defaults on the cut and recommends to everybody who is judged. --domain: only the events of that domain,
so that everybody is new to it. Adapting is measured in this process: the median milliseconds of one person with 5
events, all items scored. Prints a JSON line for each learner, and the table in Markdown at the end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
import torch
from judged import FIRSTLIGHT, people, run

from firstlight.dataset import read_events, read_users
from firstlight.recommender import Recommender

LEARNERS = (
    "popular,engine,ridge,prototypes,neural-process,maml,fomaml,anil,meta-sgd,reptile,melu,mamo,collaborative-attention"
)
SHOTS, REPEATS = 5, 60


def narrowed(data: Path, domain: str, out: Path) -> Path:
    """The data set with the events of one domain alone."""
    out.mkdir()
    items = pl.read_parquet(data / "items.parquet").filter(pl.col("domain") == domain)
    events = pl.read_parquet(data / "events.parquet").filter(pl.col("item_id").is_in(items["item_id"].implode()))
    items.write_parquet(out / "items.parquet")
    events.write_parquet(out / "events.parquet")
    return out


def trained(cut: Path, learner: str, model: Path, threads: int) -> tuple[float, float]:
    """Seconds and GB of ``firstlight train``, start included."""
    command = [FIRSTLIGHT, "train", cut / "train", "--out", model, "--learner", learner, "--threads", str(threads)]
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{learner} could not be trained")
    return time.perf_counter() - start, used.ru_maxrss / 1e6


def adapt_ms(model: Path, folder: Path) -> float:
    """The median milliseconds of adapting to one person with 5 events and scoring all items."""
    recommender = Recommender.load(model)
    events = read_events(folder / "support.parquet").frame
    users = read_users(folder / "people.parquet").frame
    names = events["user_id"].unique().sort().head(REPEATS)
    support, _ = recommender.schema.support(events, users, names)
    taken = []
    for person in range(len(names)):
        one = support.rows(slice(person, person + 1))
        start = time.perf_counter()
        recommender.learner.adapt(recommender.prior, one).scores()
        taken.append(time.perf_counter() - start)
    return 1e3 * sorted(taken)[len(taken) // 2]


def measured(script: Path, cut: Path, learner: str, scratch: Path, threads: int) -> dict[str, Any]:
    """One row of the table."""
    model, lists = scratch / learner, scratch / f"{learner}.parquet"
    seconds, memory = trained(cut, learner, model, threads)
    found: dict[str, Any] = {"learner": learner, "train_s": round(seconds), "train_gb": round(memory, 1)}
    for folder in sorted(cut.glob("k*"), key=lambda path: int(path.name[1:])):
        users, support = people(cut, folder), folder / "support.parquet"
        run(FIRSTLIGHT, "recommend", model, "--support", support, "--users", users, "-n", 20, "--out", lists)
        found[folder.name] = json.loads(run(sys.executable, script, "score", folder, lists))
        if folder.name == f"k{SHOTS}":
            found["adapt_ms"] = round(adapt_ms(model, folder), 2)
    return found


def markdown(rows: list[dict[str, Any]]) -> str:
    """NDCG@10 at each number of events, and what it costs."""
    shots = [name for name in rows[0] if name.startswith("k")]
    head = ["learner", *(f"k = {name[1:]}" for name in shots), "adapt ms", "training s", "GB"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        scores = ["{:.4f} ± {:.4f}".format(*row[name]["ndcg@10"]).replace("0.", ".") for name in shots]
        costs = [f"{row.get('adapt_ms', 0):.2f}", str(row["train_s"]), f"{row['train_gb']:.1f}"]
        cells = [row["learner"], *scores, *costs]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Read the options, train, judge, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("judge", type=Path)
    options.add_argument("data", type=Path)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--domain")
    options.add_argument("--learners", default=LEARNERS)
    options.add_argument("--threads", type=int, default=2)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        data = narrowed(chosen.data, chosen.domain, scratch / "data") if chosen.domain else chosen.data
        run(sys.executable, chosen.judge, "cut", data, scratch / "cut", "--seed", chosen.seed)
        for learner in chosen.learners.split(","):
            rows.append(measured(chosen.judge, scratch / "cut", learner, scratch, chosen.threads))
            print(json.dumps(rows[-1]), flush=True)
    print(markdown(rows))


if __name__ == "__main__":
    main()
