"""The source's second example of "stream control", tried."""

import torch

from ptquiz.simcuda import simulated_cuda


def test_wait_stream_ends_nothing_and_waits_the_other_way():
    """After `stream.wait_stream(current)` the stream is as busy as before; the current one is free."""
    with simulated_cuda():
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(20_000_000)
        stream.wait_stream(current)
        assert not stream.query()
        assert current.query()


def test_the_block_is_over():
    """Outside of `with torch.cuda.stream(stream):` the stream from before is current."""
    with simulated_cuda():
        stream, before = torch.cuda.Stream(), torch.cuda.current_stream()
        with torch.cuda.stream(stream):
            torch.cuda.empty_cache()
        assert torch.cuda.current_stream() == before != stream


def test_the_stream_gets_no_work():
    """The example leaves no kernel and no copy on its stream."""
    with simulated_cuda() as machine:
        stream = torch.cuda.Stream()
        mark = machine.mark()
        with torch.cuda.stream(stream):
            torch.cuda.empty_cache()
        stream.wait_stream(torch.cuda.current_stream())
        work = [op for op in machine.since(mark)[0] if op.kind in ("kernel", "copy", "sleep")]
        assert work == []
