"""test_list_of_floats: elapsed_time is asked before the events have been reached."""

import torch


def time_gpu(fn, warmup, iters):
    for _ in range(warmup):
        fn()
    pairs = [
        (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(iters)
    ]
    for start, end in pairs:
        start.record()
        fn()
        end.record()
    return [s.elapsed_time(e) for s, e in pairs]
