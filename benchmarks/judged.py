"""The default learner through the command line, judged from outside: cut, train, recommend at each k, score.

    python benchmarks/judged.py JUDGE DATA [--seed 0] [--baselines] [--train-option=--time-budget=120 ...]

JUDGE is a script with `cut DATA OUT --seed N`, `score OUT/kK RECS` and `baselines OUT`; DATA a folder in the plain
layout. Every judged person is named in USERS, with what the users file of the cut says of them. Prints one JSON line.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

FIRSTLIGHT = Path(sys.executable).with_name("firstlight")


def run(*command: object) -> str:
    """Standard output of a command; what it says on standard error is passed on."""
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout


def people(cut: Path, folder: Path) -> Path:
    """A users file of everybody who is judged in ``folder``."""
    names = pl.read_parquet(folder / "query.parquet").select("user_id").unique().sort("user_id")
    known = cut / "train" / "users.parquet"
    if known.exists():
        names = names.join(pl.read_parquet(known), on="user_id", how="left")
    names.write_parquet(folder / "people.parquet")
    return folder / "people.parquet"


def judge(script: Path, data: Path, seed: int, options: list[str], baselines: bool) -> dict[str, Any]:
    """Seconds, memory and the judge's figures at each number of events."""
    with tempfile.TemporaryDirectory() as scratch:
        cut, model, lists = Path(scratch) / "cut", Path(scratch) / "model", Path(scratch) / "lists.parquet"
        run(sys.executable, script, "cut", data, cut, "--seed", seed)
        start = time.perf_counter()
        run(FIRSTLIGHT, "train", cut / "train", "--out", model, *options)
        found: dict[str, Any] = {"data": data.name, "seed": seed, "train_s": round(time.perf_counter() - start, 1)}
        found["train_gb"] = round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6, 2)
        for folder in sorted(cut.glob("k*"), key=lambda path: int(path.name[1:])):
            users = people(cut, folder)
            start = time.perf_counter()
            support = folder / "support.parquet"
            run(FIRSTLIGHT, "recommend", model, "--support", support, "--users", users, "-n", 20, "--out", lists)
            seconds = round(time.perf_counter() - start, 1)
            found[folder.name] = {
                "recommend_s": seconds,
                **json.loads(run(sys.executable, script, "score", folder, lists)),
            }
        if baselines:
            found["baselines"] = json.loads(run(sys.executable, script, "baselines", cut, "--ials"))
        return found


def main() -> None:
    """Read the options and print what was found."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("judge", type=Path)
    options.add_argument("data", type=Path)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--baselines", action="store_true", help="also the judge's tuned baselines (needs scipy)")
    options.add_argument("--train-option", action="append", default=[], help="passed on to `firstlight train`")
    chosen = options.parse_args()
    print(json.dumps(judge(chosen.judge, chosen.data, chosen.seed, chosen.train_option, chosen.baselines)))


if __name__ == "__main__":
    main()
