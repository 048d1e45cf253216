"""test_time_of_each_call: the host's clock around the call measures the launch."""

import time

import torch


def time_gpu(fn, warmup, iters):
    for _ in range(warmup):
        fn()
    torch.cuda.synchronize()
    times = []
    for _ in range(iters):
        begin = time.perf_counter()
        fn()
        times.append((time.perf_counter() - begin) * 1000)
    torch.cuda.synchronize()
    return times
