"""What is freed stays with the process, where the C library can be told."""

import platform
import subprocess
import sys

import pytest

TRIED = """
import resource
import torch
from firstlight.serve.memory import keep_freed
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        torch.ones(2_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
told = keep_freed()
faults()
print(int(told), faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has ways of its own")
def test_memory_that_was_freed_is_there_for_the_next_batch() -> None:
    told, faults = subprocess.run(
        [sys.executable, "-c", TRIED], capture_output=True, check=True, text=True
    ).stdout.split()
    assert told == "1"
    assert int(faults) < 1_000  # 50 times 2,000 pages where the memory is given back
