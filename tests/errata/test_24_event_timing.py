"""The source's claims about timing with events, tried."""

import pytest
import torch

from ptquiz.simcuda import simulated_cuda

CYCLES = 20_000_000  # some milliseconds of torch.cuda._sleep


def _events():
    return torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)


def test_an_event_that_was_not_recorded_has_no_time():
    """With only `end` recorded, `elapsed_time` raises, also after everything has ended."""
    with simulated_cuda():
        start, end = _events()
        torch.cuda._sleep(CYCLES)
        end.record()
        torch.cuda.synchronize()
        with pytest.raises((RuntimeError, ValueError)):
            start.elapsed_time(end)


def test_waiting_for_an_unrecorded_event_waits_for_nothing():
    """`wait` on an event that nothing recorded leaves the host and the idle stream free."""
    with simulated_cuda():
        start, _ = _events()
        side = torch.cuda.Stream()
        torch.cuda._sleep(CYCLES)
        start.wait(side)
        assert side.query()
        assert not torch.cuda.current_stream().query()


def test_the_stream_is_not_defined():
    """The example uses a stream that it never makes."""
    with simulated_cuda(), pytest.raises(NameError, match="stream"):
        exec("with stream:\n    torch.cuda.empty_cache()", {"torch": torch})


def test_the_time_is_there_only_after_waiting():
    """Both events recorded, `elapsed_time` raises until the host has waited for the end."""
    with simulated_cuda():
        start, end = _events()
        start.record()
        torch.cuda._sleep(CYCLES)
        end.record()
        with pytest.raises(RuntimeError):
            start.elapsed_time(end)
        end.synchronize()
        assert start.elapsed_time(end) > 1
