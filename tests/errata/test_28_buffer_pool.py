"""Errata of question 28, proven on the installed torch and on the simulated device."""

import torch

from ptquiz.simcuda import simulated_cuda


def test_neither_function_exists():
    """torch.cuda has neither of the source's functions; it has MemPool."""
    assert not hasattr(torch.cuda, "allocate")
    assert not hasattr(torch.cuda, "memory_info")
    assert hasattr(torch.cuda, "MemPool")


def test_the_caching_allocator_reuses():
    """A freed block is handed out again; nothing more is reserved."""
    with simulated_cuda():
        first = torch.empty(1000, device="cuda")
        address, reserved = first.data_ptr(), torch.cuda.memory_reserved()
        del first
        second = torch.empty(1000, device="cuda")
        assert second.data_ptr() == address
        assert torch.cuda.memory_reserved() == reserved
