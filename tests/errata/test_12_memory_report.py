"""The errata of exercise 12, proven on the installed torch and on a simulated device."""

import pytest
import torch

from ptquiz.simcuda import simulated_cuda


def test_memory_info_does_not_exist() -> None:
    """torch.cuda has no `memory_info`; it has `mem_get_info` and `memory_stats`."""
    with pytest.raises(AttributeError, match="memory_info"):
        torch.cuda.memory_info()  # type: ignore[attr-defined]
    assert callable(torch.cuda.mem_get_info)
    assert callable(torch.cuda.memory_stats)


def test_the_broken_word_is_no_attribute() -> None:
    """The last line of the answer raises as it stands."""
    with pytest.raises(AttributeError, match="cudaallo"):
        _ = torch.cudaallo  # type: ignore[attr-defined]


def test_del_gives_nothing_to_the_driver() -> None:
    """After `del` the driver's free memory is as before; after `empty_cache` it rises."""
    with simulated_cuda(memory="64MiB"):
        tensor = torch.empty(32 << 20, dtype=torch.uint8, device="cuda")
        free, total = torch.cuda.mem_get_info()
        del tensor
        assert torch.cuda.memory_allocated() == 0
        assert torch.cuda.mem_get_info() == (free, total)
        torch.cuda.empty_cache()
        assert torch.cuda.mem_get_info() == (total, total)
