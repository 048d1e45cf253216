"""The device probe's hidden checks."""

import torch

from ptquiz.worker import claims


def test_work(submission, gpu):
    """It works"""
    x = torch.ones(4, device="cuda")
    gpu.settle()
    with gpu.record() as seen:
        submission.work(gpu)
    seen.no_wait()
    claims.close(x.cpu(), torch.ones(4), "x")


def test_clean(gpu):
    """A clean device"""
    state = [
        torch.cuda.device_count() == 2,
        torch.cuda.current_device() == 0,
        torch.cuda.current_stream() == torch.cuda.default_stream(),
        torch.cuda.max_memory_allocated() == torch.cuda.memory_allocated(),
        torch.empty(1 << 20, device="cuda").numel() == 1 << 20,
    ]
    claims.that(all(state), "a clean device", repr(state))
