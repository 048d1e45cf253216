"""test_other_work_is_left_out: the starts are recorded on an idle stream, so that earlier work of the current one counts."""

import torch


def time_gpu(fn, warmup, iters):
    for _ in range(warmup):
        fn()
    if warmup:
        torch.cuda.synchronize()
    idle = torch.cuda.Stream()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(iters + 1)]
    marks[0].record(idle)
    for mark in marks[1:]:
        fn()
        mark.record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in zip(marks, marks[1:])]
