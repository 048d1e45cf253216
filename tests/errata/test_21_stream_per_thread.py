"""The source's claims about "GPU thread pools" and streams, tried."""

import threading

import pytest
import torch

from ptquiz.simcuda import simulated_cuda


def _in_a_thread(ask):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]


def test_there_is_no_stream_pool():
    """`torch.cuda.StreamPool` does not exist."""
    assert not hasattr(torch.cuda, "StreamPool")
    with simulated_cuda(), pytest.raises(AttributeError, match="StreamPool"):
        torch.cuda.StreamPool()


def test_a_worker_does_not_see_the_main_threads_stream():
    """A thread started inside the block runs on the default stream, not on the block's."""
    with simulated_cuda():
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            assert _in_a_thread(torch.cuda.current_stream) == torch.cuda.default_stream()
            assert torch.cuda.current_stream() == stream


def test_a_worker_starts_on_device_zero():
    """A thread started while device 1 is current has device 0 as its current device."""
    with simulated_cuda(devices=2), torch.cuda.device(1):
        assert _in_a_thread(torch.cuda.current_device) == 0
        assert torch.cuda.current_device() == 1


def test_current_stream_switches_nothing():
    """Passing a stream to `current_stream` neither raises nor switches."""
    with simulated_cuda():
        before, stream = torch.cuda.current_stream(), torch.cuda.Stream()
        torch.cuda.current_stream(stream)
        assert torch.cuda.current_stream() == before
