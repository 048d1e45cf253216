"""The source's imagined class, looked for."""

from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import Pool

import pytest
import torch

from ptquiz.simcuda import simulated_cuda


def test_torch_has_no_stream_pool():
    """Neither torch nor torch.cuda has a StreamPool."""
    assert not hasattr(torch.cuda, "StreamPool")
    assert not hasattr(torch, "StreamPool")
    with simulated_cuda(), pytest.raises(AttributeError, match="StreamPool"):
        torch.cuda.StreamPool()


def test_streams_have_no_such_methods():
    """`apply_async` is a method of multiprocessing's pool; a stream has neither it nor `wait`."""
    assert hasattr(Pool, "apply_async")
    assert not hasattr(torch.cuda.Stream, "apply_async")
    assert not hasattr(torch.cuda.Stream, "wait")


def test_a_pool_thread_does_not_see_the_blocks_stream():
    """Work handed to a thread pool inside `with stream:` finds the default stream current there."""
    with simulated_cuda():
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream), ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.cuda.current_stream).result() == torch.cuda.default_stream()
            assert torch.cuda.current_stream() == stream
