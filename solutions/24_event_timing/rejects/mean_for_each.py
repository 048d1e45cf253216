"""test_time_of_each_call: the total is divided by iters, and each call given the mean."""

import torch


def time_gpu(fn, warmup, iters):
    for _ in range(warmup):
        fn()
    start = torch.cuda.Event(enable_timing=True)
    end = torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(iters):
        fn()
    end.record()
    torch.cuda.synchronize()
    return [start.elapsed_time(end) / iters] * iters
