"""Reference answer to exercise 11."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def memory_cap(fraction: float, device: int | str | torch.device | None = None) -> Iterator[None]:
    """Inside: `device` gives at most `fraction` of its memory. Afterwards: the cap from before."""
    if isinstance(device, int):
        index: int | None = device
    else:
        index = None if device is None else torch.device(device).index
    chosen = torch.cuda.current_device() if index is None else index
    before = torch.cuda.get_per_process_memory_fraction(chosen)
    torch.cuda.set_per_process_memory_fraction(fraction, chosen)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(before, chosen)


def run_with_oom_fallback(fn: Callable[[Tensor], Tensor], batch: Tensor, min_chunk: int) -> Tensor:
    """`fn(batch)`, in halves where memory runs out; OutOfMemoryError when `min_chunk` rows are too many."""
    try:
        return fn(batch)
    except torch.OutOfMemoryError:
        if len(batch) <= min_chunk or len(batch) < 2:
            raise
    # Outside of the handler: inside it, the exception's traceback keeps the failed call's tensors alive.
    half = (len(batch) + 1) // 2
    pieces = (batch[:half], batch[half:])
    return torch.cat([run_with_oom_fallback(fn, piece, min_chunk) for piece in pieces])
