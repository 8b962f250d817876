"""Ten million events read, cleaned, reported on and searched for twins: seconds and peak memory.

The bar for reading: 60 s and 4 GB on two cores.

Each file is read in a process of its own, so that the peak memory is its own:
    POLARS_MAX_THREADS=2 python benchmarks/read_ten_million.py [rows]
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl


def make(rows: int, folder: Path) -> None:
    """The same log as parquet, CSV and JSON lines, each in a folder of its name; one row in a thousand has no user."""
    rng = np.random.default_rng(0)
    types = pl.Series(["click", "view", "add_to_cart", "purchase", "impression"])
    events = pl.DataFrame({
        "user": rng.integers(0, rows // 10, rows),
        "item": rng.zipf(1.3, rows) % 200_000,
        "type": types[rng.integers(0, len(types), rows)],
        "value": rng.integers(0, 10_000, rows) / 100,
        "time": 1_600_000_000 + rng.integers(0, 30_000_000, rows),
    }).with_columns(
        pl.when(pl.int_range(pl.len()) % 1000 > 0).then(pl.format("user-{}", "user")).alias("user"),
        pl.format("item-{}", "item").alias("item"),
        pl.from_epoch("time").cast(pl.Datetime("us")),
    )  # fmt: skip
    writers = {"parquet": events.write_parquet, "csv": events.write_csv, "jsonl": events.write_ndjson}
    for suffix, write in writers.items():
        (folder / suffix).mkdir()
        write(folder / suffix / f"events.{suffix}")


def measure(folder: Path) -> None:
    """Print one line for the folder."""
    from firstlight.dataset import read_dataset
    from firstlight.twins import find_twins

    begin = time.perf_counter()
    data = read_dataset(folder)
    seconds = time.perf_counter() - begin
    twins = find_twins(data.events).height
    looked = time.perf_counter() - begin - seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # KiB on Linux
    counts = f"{data.events.height:,} events, {data.rejected.height:,} rejected"
    times = f"{counts} in {seconds:.1f} s, {twins} twins in {looked:.1f} s"
    print(f"{folder.name}: {times}, peak memory {peak:.1f} GiB", flush=True)


def apart(work, *values) -> None:
    """Run ``work`` in a fresh process."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=values)
    process.start()
    process.join()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        apart(make, int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000, Path(place))
        for made in sorted(Path(place).iterdir()):
            apart(measure, made)
