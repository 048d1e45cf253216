"""Exercise 24, reference answer."""

from collections.abc import Callable

import torch


def time_gpu(fn: Callable[[], object], warmup: int, iters: int) -> list[float]:
    """Call `fn` `warmup + iters` times; return the milliseconds of each of the last `iters`."""
    for _ in range(warmup):
        fn()
    # Timing is off unless asked for; an event without it can order streams, and its elapsed_time raises.
    pairs = [
        (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(iters)
    ]
    for start, end in pairs:
        start.record()  # both on the current stream, like the work of fn
        fn()
        end.record()
    # The queue is in order: when the last event has been reached, all of them have.
    pairs[-1][1].synchronize()
    return [start.elapsed_time(end) for start, end in pairs]
