"""test_list_of_floats: events are made and never recorded around the work; a stream waits for one of them."""

import torch


def time_gpu(fn, warmup, iters):
    times = []
    for _ in range(warmup):
        fn()
    for _ in range(iters):
        start = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        fn()
        end.record()
        start.wait()
        times.append(start.elapsed_time(end))
    return times
