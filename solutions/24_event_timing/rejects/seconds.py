"""test_time_of_each_call: elapsed_time, which is in milliseconds, is divided by 1000."""

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
    torch.cuda.synchronize()
    return [s.elapsed_time(e) / 1000 for s, e in pairs]
