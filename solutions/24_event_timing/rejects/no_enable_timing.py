"""test_list_of_floats: events without enable_timing have no elapsed_time."""

import torch


def time_gpu(fn, warmup, iters):
    for _ in range(warmup):
        fn()
    pairs = [(torch.cuda.Event(), torch.cuda.Event()) for _ in range(iters)]
    for start, end in pairs:
        start.record()
        fn()
        end.record()
    torch.cuda.synchronize()
    return [s.elapsed_time(e) for s, e in pairs]
