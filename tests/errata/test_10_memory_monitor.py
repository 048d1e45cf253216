"""The errata of exercise 10, proven on simulated devices."""

import torch

from ptquiz.simcuda import simulated_cuda


def test_a_freed_temporary_shows_in_the_peak_only() -> None:
    """What was freed before the reading is in neither allocated nor any growth of it, but in the peak."""
    with simulated_cuda():
        temporary = torch.empty(300_000, device="cuda")
        del temporary
        assert torch.cuda.memory_allocated() == 0
        assert torch.cuda.max_memory_allocated() >= 1_200_000


def test_the_calls_read_the_current_device() -> None:
    """Memory on device 1 does not appear while device 0 is current."""
    with simulated_cuda(devices=2):
        held = torch.empty(1000, device="cuda:1")
        assert torch.cuda.memory_allocated() == torch.cuda.memory_reserved() == 0
        assert torch.cuda.memory_allocated(1) == 4096
        del held


def test_one_float_counts_512_bytes() -> None:
    """Allocations are rounded to 512 bytes, and come from a segment of 2 MiB."""
    with simulated_cuda():
        held = torch.empty(1, device="cuda")
        assert torch.cuda.memory_allocated() == 512
        assert torch.cuda.memory_reserved() == 2 << 20
        del held
