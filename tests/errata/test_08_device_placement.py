"""The errata of exercise 8, proven on the installed torch and on simulated devices."""

import pytest
import torch

from ptquiz.simcuda import simulated_cuda


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_set_device_and_cuda_raise_without_a_gpu() -> None:
    """Neither of the two calls works on a machine without a GPU."""
    with pytest.raises((RuntimeError, AssertionError, AttributeError)):
        torch.cuda.set_device(0)
    with pytest.raises((RuntimeError, AssertionError)):
        torch.ones(2).cuda()


def test_set_device_overrules_the_callers_choice() -> None:
    """After `set_device(0)` the choice of the caller is forgotten: `.cuda()` goes to device 0."""
    with simulated_cuda(devices=2):
        torch.cuda.set_device(1)
        assert torch.ones(2).cuda().device.index == 1
        torch.cuda.set_device(0)
        assert torch.ones(2).cuda().device.index == 0
        assert torch.cuda.current_device() == 0
