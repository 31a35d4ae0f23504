"""What the C library does with freed memory."""

import ctypes
from typing import Any

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4

#: The largest M_MMAP_THRESHOLD that glibc takes, in bytes.
_LARGEST_THRESHOLD = 2**25


def _glibc() -> Any | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows has no such handle
        return None
    return library if hasattr(library, 'gnu_get_libc_version') else None


def keep_freed_memory() -> bool:
    """Let this process keep the memory it frees, for what it needs next.

    By default glibc hands large blocks, and the end of its heap, back to the
    kernel as soon as they are freed. Each activation and gradient of a
    training step on the CPU then comes as new pages, which the kernel zeroes
    one by one at the first touch: a tenth to a third of the step. No result
    depends on it.

    The process stays as large as it was at its largest, see
    :func:`release_freed_memory`. There is no way back to glibc's own choice
    within the process.

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

    As :func:`keep_freed_memory`, for a process that frees large blocks too,
    and is to hand those back: of blocks above 32 MiB nothing is kept.

    Args:
        most: Number of bytes of freed heap that are kept.

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
    """Hand freed memory back to the kernel once, where glibc can."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)
