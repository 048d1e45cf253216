"""Two lists of events, a wait before the timed calls and one at the end, for the current stream."""

import torch


def time_gpu(fn, warmup, iters):
    stream = torch.cuda.current_stream()
    for _ in range(warmup):
        fn()
    stream.synchronize()
    begins = [torch.cuda.Event(enable_timing=True) for _ in range(iters)]
    ends = [torch.cuda.Event(enable_timing=True) for _ in range(iters)]
    for i in range(iters):
        begins[i].record(stream)
        fn()
        ends[i].record(stream)
    stream.synchronize()
    return [b.elapsed_time(e) for b, e in zip(begins, ends)]
