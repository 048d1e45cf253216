"""The source's claims about several streams, tried."""

import torch

from ptquiz.simcuda import simulated_cuda


def test_current_stream_switches_nothing():
    """Passing a stream to `current_stream` raises nothing and leaves the current stream as it was."""
    with simulated_cuda():
        stream, before = torch.cuda.Stream(), torch.cuda.current_stream()
        came = torch.cuda.current_stream(stream)
        assert came == before
        assert torch.cuda.current_stream() == before != stream


def test_work_after_the_switch_stays_where_it_was():
    """A kernel launched after the supposed switch runs on the default stream."""
    with simulated_cuda() as machine:
        x = torch.ones(3, device="cuda")
        stream = torch.cuda.Stream()
        mark = machine.mark()
        torch.cuda.current_stream(stream)
        x.add_(1)
        (kernel,) = [op for op in machine.since(mark)[0] if op.kind == "kernel"]
        assert kernel.stream == torch.cuda.default_stream().cuda_stream != stream.cuda_stream


def test_the_example_launches_nothing():
    """Two `empty_cache` calls on two streams put no kernel and no copy on the device."""
    with simulated_cuda() as machine:
        streams = torch.cuda.Stream(), torch.cuda.Stream()
        mark = machine.mark()
        for stream in streams:
            with torch.cuda.stream(stream):
                torch.cuda.empty_cache()
        assert not [op for op in machine.since(mark)[0] if op.kind in ("kernel", "copy")]
