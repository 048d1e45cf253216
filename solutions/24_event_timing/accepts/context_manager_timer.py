"""A timer as a context manager; every call is timed, the warm-up dropped; each end waited for in turn."""

import torch


class Timer:
    def __enter__(self):
        self.start = torch.cuda.Event(enable_timing=True)
        self.stop = torch.cuda.Event(enable_timing=True)
        self.start.record()
        return self

    def __exit__(self, *exc):
        self.stop.record()

    @property
    def milliseconds(self):
        self.stop.synchronize()
        return self.start.elapsed_time(self.stop)


def time_gpu(fn, warmup, iters):
    timers = []
    for _ in range(warmup + iters):
        with Timer() as timer:
            fn()
        timers.append(timer)
    return [timer.milliseconds for timer in timers][warmup:]
