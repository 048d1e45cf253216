"""Exercise 24: time the GPU, not the launch."""

from collections.abc import Callable

import torch


def time_gpu(fn: Callable[[], object], warmup: int, iters: int) -> list[float]:
    """Call `fn` `warmup + iters` times; return the milliseconds on the GPU of each of the last `iters` calls.

    `fn` launches its work on the current stream. The host does not wait between the timed calls.
    """
    # TODO: warm up; events around each call; wait once; read the times
    raise NotImplementedError
