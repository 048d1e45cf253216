"""Errata of question 14, proven on the installed torch and on the simulated device."""

import torch

from ptquiz.simcuda import simulated_cuda


def test_there_is_no_allocate():
    """torch.cuda has no `allocate`."""
    assert not hasattr(torch.cuda, "allocate")


def test_there_is_no_memory_info():
    """torch.cuda has `mem_get_info` and `memory_stats`, and no `memory_info`."""
    assert not hasattr(torch.cuda, "memory_info")
    assert hasattr(torch.cuda, "mem_get_info")
    assert hasattr(torch.cuda, "memory_stats")


def test_the_allocator_rounds():
    """1000 bytes count as 1024, in a segment of 2 MiB."""
    with simulated_cuda():
        before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
        tensor = torch.empty(1000, dtype=torch.uint8, device="cuda")
        assert torch.cuda.memory_allocated() - before[0] == 1024
        assert torch.cuda.memory_reserved() - before[1] == 2 * 1024 * 1024
        del tensor
