"""The source's second example of "several streams", tried."""

import torch

from ptquiz.simcuda import simulated_cuda


def test_the_example_has_no_work_and_no_edges():
    """Emptying the cache on two streams leaves no kernel, no copy and no wait in the trace."""
    with simulated_cuda() as machine:
        streams = torch.cuda.Stream(), torch.cuda.Stream()
        mark = machine.mark()
        for stream in streams:
            with torch.cuda.stream(stream):
                torch.cuda.empty_cache()
        assert not [op for op in machine.since(mark)[0] if op.kind in ("kernel", "copy", "wait")]


def test_current_stream_switches_nothing():
    """Passing a stream to `current_stream` leaves the current stream as it was."""
    with simulated_cuda():
        before = torch.cuda.current_stream()
        torch.cuda.current_stream(torch.cuda.Stream())
        assert torch.cuda.current_stream() == before


def test_two_streams_are_not_ordered_by_the_lines():
    """Work launched later on another stream begins before the earlier work has ended."""
    with simulated_cuda() as machine:
        first, second = torch.cuda.Stream(), torch.cuda.Stream()
        mark = machine.mark()
        for stream in (first, second):
            with torch.cuda.stream(stream):
                torch.cuda._sleep(10_000_000)
        one, two = [op for op in machine.since(mark)[0] if op.kind == "sleep"]
        assert two.begin_ms < one.end_ms
