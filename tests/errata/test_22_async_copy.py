"""The source's claims about copying device memory, tried."""

import pytest
import torch

from ptquiz.simcuda import simulated_cuda


def test_there_is_no_cuda_memcpy():
    """`torch.cudaMemcpy` does not exist; `copy_` copies device memory."""
    assert not hasattr(torch, "cudaMemcpy")
    with simulated_cuda():
        source = torch.arange(1000, device="cuda").to(torch.uint8)
        target = torch.zeros(1000, dtype=torch.uint8, device="cuda")
        with pytest.raises(AttributeError, match="cudaMemcpy"):
            torch.cudaMemcpy(target, source, 1000)
        target.copy_(source)
        assert torch.equal(target.cpu(), source.cpu())


def test_the_size_would_be_a_thousand_times_too_large():
    """A byte tensor of 1,000 elements has 1,000 bytes; `copy_` refuses a target that does not fit."""
    with simulated_cuda():
        source = torch.zeros(1000, dtype=torch.uint8, device="cuda")
        assert source.numel() * source.element_size() * 1000 == 1000 * 1000
        with pytest.raises(RuntimeError):
            torch.zeros(999, dtype=torch.uint8, device="cuda").copy_(source)


def test_a_copy_within_the_device_does_not_wait():
    """The host goes on while the stream is still busy with what came before the copy."""
    with simulated_cuda():
        source = torch.ones(1000, device="cuda")
        target = torch.zeros(1000, device="cuda")
        torch.cuda.synchronize()
        torch.cuda._sleep(20_000_000)
        target.copy_(source)
        assert not torch.cuda.current_stream().query()
