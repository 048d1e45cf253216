"""test_time_of_each_call: every end is measured from the first start; the times add up."""

import torch


def time_gpu(fn, warmup, iters):
    for _ in range(warmup):
        fn()
    start = torch.cuda.Event(enable_timing=True)
    ends = [torch.cuda.Event(enable_timing=True) for _ in range(iters)]
    start.record()
    for end in ends:
        fn()
        end.record()
    torch.cuda.synchronize()
    return [start.elapsed_time(end) for end in ends]
