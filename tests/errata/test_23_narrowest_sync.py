"""The source's claim about synchronizing, tried."""

import torch

from ptquiz.simcuda import simulated_cuda


def _two_busy_streams():
    """A short job on one stream, a long one on another; the event behind the long one."""
    short, long = torch.cuda.Stream(), torch.cuda.Stream()
    with torch.cuda.stream(short):
        torch.cuda._sleep(1_000_000)
    with torch.cuda.stream(long):
        torch.cuda._sleep(1_000_000_000)
    return short, long.record_event()


def test_synchronize_with_a_stream_waits_for_the_whole_device():
    """`torch.cuda.synchronize(stream)` raises nothing, and has waited for the other stream too."""
    with simulated_cuda():
        short, long_job = _two_busy_streams()
        torch.cuda.synchronize(short)
        assert long_job.query()


def test_the_streams_own_method_waits_for_it_alone():
    """`stream.synchronize()` waits for that stream; the other one is still busy."""
    with simulated_cuda():
        short, long_job = _two_busy_streams()
        short.synchronize()
        assert short.query()
        assert not long_job.query()
