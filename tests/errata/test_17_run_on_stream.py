"""The source's claims about "GPU thread pools", tried."""

import threading

import pytest
import torch

from ptquiz.simcuda import simulated_cuda


def test_stream_needs_a_stream():
    """`torch.cuda.stream` makes no stream: with one it is a context manager."""
    with simulated_cuda():
        with pytest.raises(TypeError, match="stream"):
            torch.cuda.stream()
        context = torch.cuda.stream(torch.cuda.Stream())
        assert not isinstance(context, torch.cuda.Stream)
        assert hasattr(context, "__enter__")


def test_a_stream_has_no_threads():
    """Creating and using streams starts no thread, and torch.cuda has no pool of them."""
    with simulated_cuda():
        torch.ones(1, device="cuda")
        before = threading.active_count()
        for stream in [torch.cuda.Stream() for _ in range(8)]:
            with torch.cuda.stream(stream):
                torch.ones(3, device="cuda")
        assert threading.active_count() == before
    assert not [name for name in dir(torch.cuda) if "ThreadPool" in name or "StreamPool" in name]


def test_empty_cache_is_no_stream_work():
    """Emptying the cache inside the block launches no kernel and no copy."""
    with simulated_cuda() as machine:
        stream = torch.cuda.Stream()
        mark = machine.mark()
        with torch.cuda.stream(stream):
            torch.cuda.empty_cache()
        assert not [op for op in machine.since(mark)[0] if op.kind in ("kernel", "copy")]


def test_after_the_block_the_old_stream_is_current():
    """Leaving the block puts the earlier stream back, so that the source prints the default stream."""
    with simulated_cuda():
        before, stream = torch.cuda.current_stream(), torch.cuda.Stream()
        with torch.cuda.stream(stream):
            assert torch.cuda.current_stream() == stream
        assert torch.cuda.current_stream() == before != stream
