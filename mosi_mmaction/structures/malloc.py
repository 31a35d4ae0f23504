"""Control what the C library does with freed memory."""

import ctypes
from typing import Any

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4

#: The largest M_MMAP_THRESHOLD that glibc accepts, in bytes.
_LARGEST_THRESHOLD = 2**25


def _glibc() -> Any | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows has no such handle
        return None
    return library if hasattr(library, 'gnu_get_libc_version') else None


def keep_freed_memory() -> bool:
    """Let this process keep the memory it frees, for reuse.

    By default glibc returns large blocks, and the end of its heap, to the
    kernel as soon as they are freed. Each activation and gradient of a
    training step on the CPU then needs new pages, which the kernel zeroes one
    by one on first access: a tenth to a third of the step. Results do not
    depend on it.

    The process keeps the memory of its peak, see
    :func:`release_freed_memory`. It cannot return to glibc's default.

    Returns:
        Whether the C library is glibc; with others nothing is changed.
    """
    library = _glibc()
    if library is None:
        return False
    # -1, an unsigned number to glibc, is no limit.
    return bool(
        library.mallopt(_M_MMAP_MAX, 0)
        and library.mallopt(_M_TRIM_THRESHOLD, -1)
    )


def keep_small_blocks(most: int = 2**26) -> bool:
    """Let this process keep some of the memory it frees.

    This is :func:`keep_freed_memory` for a process that also frees large
    blocks and should return those: blocks above 32 MiB are not kept.

    Args:
        most: Limit of freed heap to keep, in bytes.

    Returns:
        Whether the C library is glibc; with others nothing is changed.
    """
    library = _glibc()
    if library is None:
        return False
    return bool(
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD)
        and library.mallopt(_M_TRIM_THRESHOLD, most)
    )


def release_freed_memory() -> None:
    """Return freed memory to the kernel once, if the C library is glibc."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)
