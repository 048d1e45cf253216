"""Exercise 11: a limit that limits, and a way on after running out of memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def memory_cap(fraction: float, device: int | str | torch.device | None = None) -> Iterator[None]:
    """Inside: `device` gives at most `fraction` of its memory. Afterwards: the cap from before."""
    # TODO: set, yield, and put back whatever happens.
    raise NotImplementedError


def run_with_oom_fallback(fn: Callable[[Tensor], Tensor], batch: Tensor, min_chunk: int) -> Tensor:
    """`fn(batch)`, in halves where memory runs out; OutOfMemoryError when `min_chunk` rows are too many."""
    # TODO: one try, then the halves.
    raise NotImplementedError
