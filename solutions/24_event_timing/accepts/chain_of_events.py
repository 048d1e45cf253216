"""One event between each two calls: the end of one is the start of the next."""

import torch


def time_gpu(fn, warmup, iters):
    def mark():
        return torch.cuda.current_stream().record_event(torch.cuda.Event(enable_timing=True))

    marks = []
    for i in range(-warmup, iters):
        if i == 0:
            marks.append(mark())
        fn()
        if i >= 0:
            marks.append(mark())
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in zip(marks, marks[1:])]
