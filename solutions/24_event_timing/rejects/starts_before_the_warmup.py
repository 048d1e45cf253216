"""test_warmup_is_left_out: the first start event is recorded before the warm-up."""

import torch


def time_gpu(fn, warmup, iters):
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(iters + 1)]
    marks[0].record()
    for _ in range(warmup):
        fn()
    for mark in marks[1:]:
        fn()
        mark.record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in zip(marks, marks[1:])]
