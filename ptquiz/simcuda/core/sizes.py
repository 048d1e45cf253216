"""Sizes of blocks and segments, and what is said when there is no room for one."""

from __future__ import annotations

MIB = 1 << 20
MIN_BLOCK = 512
SMALL_LIMIT = MIB
SMALL_SEGMENT = 2 * MIB
LARGE_SEGMENT = 20 * MIB
OWN_SEGMENT = 10 * MIB  # from this size on a request gets a segment of its own
ROUND_LARGE = 2 * MIB
EXBIBYTE = 1 << 60


class OutOfMemory(Exception):  # noqa: N818 - the caller turns it into PyTorch's OutOfMemoryError
    """No memory is left, in the words of PyTorch's `OutOfMemoryError`."""


def format_size(size: int) -> str:
    """A size as PyTorch's messages write it: `512 bytes`, `1024.00 KiB`, `2.00 GiB`."""
    if size <= 1 << 10:
        return f"{size} bytes"
    for power, unit in ((1, "KiB"), (2, "MiB")):
        if size <= 1 << (10 * (power + 1)):
            return f"{size / (1 << 10 * power):.2f} {unit}"
    return f"{size / (1 << 30):.2f} GiB"


def round_size(nbytes: int) -> int:
    return MIN_BLOCK if nbytes < MIN_BLOCK else (nbytes + MIN_BLOCK - 1) & ~(MIN_BLOCK - 1)


def segment_size(size: int) -> int:
    """Bytes to ask of the driver for a block of `size` (rounded) bytes."""
    if size <= SMALL_LIMIT:
        return SMALL_SEGMENT
    if size < OWN_SEGMENT:
        return LARGE_SEGMENT
    return -(-size // ROUND_LARGE) * ROUND_LARGE


def complaint(
    device: int,
    wanted: int,
    total: int,
    free: int,
    allowed: int | None,
    allocated: int,
    reserved: int,
    private: int,
) -> str:
    """PyTorch's message for running out of memory; all sizes in bytes.

    `wanted`: the segment that was asked of the driver. `private`: free blocks of the `MemPool`s.
    """
    limit = "" if allowed is None else f"{format_size(allowed)} allowed; "
    pools = f"with {format_size(private)} allocated in private pools (e.g., CUDA Graphs), " if private else ""
    return (
        f"CUDA out of memory. Tried to allocate {format_size(wanted)}. GPU {device} has a total capacity of "
        f"{format_size(total)} of which {format_size(free)} is free. Including non-PyTorch memory, this "
        f"process has {format_size(reserved)} memory in use. {limit}Of the allocated memory "
        f"{format_size(allocated + private)} is allocated by PyTorch, {pools}and "
        f"{format_size(reserved - allocated - private)} is reserved by PyTorch but unallocated."
        " If reserved but unallocated memory is large try setting"
        " PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation. "
        " See documentation for Memory Management  (https://docs.pytorch.org/docs/stable/notes/cuda.html"
        "#optimizing-memory-usage-with-pytorch-cuda-alloc-conf)"
    )
