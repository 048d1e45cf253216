"""The errata of exercise 11, proven on a simulated device."""

import pytest
import torch

from ptquiz.simcuda import simulated_cuda

MIB = 1 << 20


def test_assigning_to_a_function_limits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number in place of the function does not limit, and the next call of it raises."""
    with simulated_cuda(memory="64MiB"):
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", 2 * MIB)
        held = torch.empty(32 * MIB, dtype=torch.uint8, device="cuda")
        with pytest.raises(TypeError, match="'int' object is not callable"):
            torch.cuda.max_memory_allocated()  # type: ignore[operator]
        monkeypatch.undo()
        assert torch.cuda.max_memory_allocated() >= held.numel()
        del held


def test_the_fraction_limits() -> None:
    """Half of 64 MiB: 40 MiB raise, 24 do not."""
    with simulated_cuda(memory="64MiB"):
        torch.cuda.set_per_process_memory_fraction(0.5)
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(40 * MIB, dtype=torch.uint8, device="cuda")
        torch.empty(24 * MIB, dtype=torch.uint8, device="cuda")


def test_empty_cache_frees_no_live_tensor() -> None:
    """Live tensors keep their memory; and a full cache is given back without being asked."""
    with simulated_cuda(memory="64MiB"):
        held = torch.empty(24 * MIB, dtype=torch.uint8, device="cuda")
        torch.cuda.empty_cache()
        assert torch.cuda.memory_allocated() == torch.cuda.memory_reserved() == 24 * MIB
        del held
        assert torch.cuda.memory_reserved() == 24 * MIB
        torch.empty(60 * MIB, dtype=torch.uint8, device="cuda")
