"""Errata of question 26, proven on the installed torch and on the simulated device."""

import torch

from ptquiz.simcuda import simulated_cuda


def test_there_is_no_memory_info():
    """torch.cuda has no `memory_info`."""
    assert not hasattr(torch.cuda, "memory_info")
    assert hasattr(torch.cuda, "mem_get_info")


def test_empty_cache_frees_nothing_that_is_referenced():
    """A referenced tensor keeps its segment; dropped, it goes back."""
    with simulated_cuda():
        tensor = torch.empty(16 << 20, dtype=torch.uint8, device="cuda")
        reserved = torch.cuda.memory_reserved()
        torch.cuda.empty_cache()
        assert torch.cuda.memory_reserved() == reserved >= 16 << 20
        del tensor
        torch.cuda.empty_cache()
        assert torch.cuda.memory_reserved() == 0
