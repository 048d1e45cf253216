"""The source's claims about "stream control", tried."""

import pytest
import torch

from ptquiz.simcuda import simulated_cuda

CYCLES = 20_000_000  # some milliseconds of torch.cuda._sleep


def test_stream_is_no_constructor():
    """`torch.cuda.stream` with no argument raises; `torch.cuda.Stream` makes a stream."""
    with simulated_cuda():
        with pytest.raises(TypeError, match="stream"):
            torch.cuda.stream()
        assert isinstance(torch.cuda.Stream(), torch.cuda.Stream)


def test_wait_stream_ends_nothing():
    """A stream that was told to wait still runs what it had, and takes new work."""
    with simulated_cuda():
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(CYCLES)
        stream.wait_stream(torch.cuda.current_stream())
        assert not stream.query()
        with torch.cuda.stream(stream):
            later = torch.ones(3, device="cuda") + 1
        stream.synchronize()
        assert later.tolist() == [2, 2, 2]


def test_the_direction_matters():
    """`stream.wait_stream(current)` does not make the current stream wait; the other way round does."""
    with simulated_cuda():
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(CYCLES)
        stream.wait_stream(current)
        assert current.query()
        current.wait_stream(stream)
        assert not current.query()
        torch.cuda.synchronize()
        assert current.query()
