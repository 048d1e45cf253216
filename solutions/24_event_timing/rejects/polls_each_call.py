"""test_no_wait_between_calls: the end event is asked again and again before the next call."""

import torch


def time_gpu(fn, warmup, iters):
    for _ in range(warmup):
        fn()
    times = []
    for _ in range(iters):
        start = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        start.record()
        fn()
        end.record()
        while not end.query():
            pass
        times.append(start.elapsed_time(end))
    return times
