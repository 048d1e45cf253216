"""Errata of question 27, proven on the simulated device."""

import pytest
import torch

from ptquiz.simcuda import simulated_cuda


def test_assigning_to_the_function_limits_nothing(monkeypatch):
    """After the source's assignment a larger allocation still succeeds, and the function is gone."""
    with simulated_cuda():
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", 1 << 20)
        tensor = torch.empty(4 << 20, dtype=torch.uint8, device="cuda")
        assert tensor.numel() == 4 << 20
        with pytest.raises(TypeError, match="not callable"):
            torch.cuda.max_memory_allocated()


def _peak(empty):
    torch.cuda.reset_peak_memory_stats()
    h = torch.ones(1000, device="cuda", requires_grad=True)
    for _ in range(5):
        h = h.tanh()
        if empty:
            torch.cuda.empty_cache()
    h.sum().backward()
    return torch.cuda.max_memory_allocated()


def test_empty_cache_lowers_no_peak():
    """The activations that backward needs are referenced: emptying the cache changes nothing."""
    with simulated_cuda():
        assert _peak(empty=True) == _peak(empty=False)
