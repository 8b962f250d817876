"""Memory that is freed stays with the process: to touch a page anew takes longer than what is computed on it.

The scores of a batch are megabytes that are needed for milliseconds. glibc gives such memory back to the system as soon
as it is free, and takes it again, page by page, for the next batch: a third of the time of a list.
"""

import ctypes
from contextlib import suppress

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of ``mallopt``, malloc.h of glibc."""
KEPT, LARGE = 256 * 2**20, 32 * 2**20
"""Bytes: so much free memory stays; what is smaller than the second comes from it."""


def keep_freed() -> bool:
    """Whether the C library lets itself be told so; other libraries have their own ways."""
    with suppress(OSError, AttributeError):
        told = ctypes.CDLL(None).mallopt
        return bool(told(TRIM_THRESHOLD, KEPT)) and bool(told(MMAP_THRESHOLD, LARGE))
    return False
