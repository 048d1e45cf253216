"""test_current_stream: the events are recorded on the default stream, whatever stream is current."""

import torch


def time_gpu(fn, warmup, iters):
    for _ in range(warmup):
        fn()
    pairs = [
        (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(iters)
    ]
    stream = torch.cuda.default_stream()
    for start, end in pairs:
        start.record(stream)
        fn()
        end.record(stream)
    torch.cuda.synchronize()
    return [s.elapsed_time(e) for s, e in pairs]
