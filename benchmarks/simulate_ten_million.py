"""Ten million simulated events: seconds and peak memory. The bar: 60 s and 6 GB on two cores.

Each log is made in a process of its own, so that the peak memory is its own:
    python benchmarks/simulate_ten_million.py
"""

import multiprocessing
import resource
import time

from firstlight.datasets.simulated import simulate

LIKES = {"likes only": 10_000_000, "with impressions": 2_030_000}


def measure(name: str, likes: int) -> None:
    """Print one line for one log."""
    begin = time.perf_counter()
    market = simulate(n_users=200_000, n_items=20_000, n_events=likes, impressions=name == "with impressions")
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # KiB on Linux
    print(f"{name}: {market.events.height:,} events in {seconds:.1f} s, peak memory {peak:.1f} GiB")


if __name__ == "__main__":
    for log in LIKES.items():
        process = multiprocessing.get_context("spawn").Process(target=measure, args=log)
        process.start()
        process.join()
