"""test_current_stream: fn is run on a new stream."""

import torch


def time_gpu(fn, warmup, iters):
    with torch.cuda.stream(torch.cuda.Stream()):
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
        return [s.elapsed_time(e) for s, e in pairs]
