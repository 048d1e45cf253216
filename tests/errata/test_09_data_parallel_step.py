"""Errata of question 9, proven on the installed torch and on simulated devices."""

import pytest
import torch
from torch import nn
from torch.nn.parallel import DataParallel

from ptquiz.simcuda import simulated_cuda


def test_data_parallel_is_no_decorator():
    """Decorating a class with it hands it a class where it wants a module."""
    with simulated_cuda(devices=2), pytest.raises((TypeError, AttributeError)):

        @DataParallel
        class _Net(nn.Linear):
            pass

        _Net(2, 1)


def test_the_second_move_does_nothing():
    """The wrapper's parameters are the model's, on the device already."""
    with simulated_cuda(devices=2):
        model = nn.Linear(2, 1).cuda()
        wrapped = DataParallel(model)
        addresses = [parameter.data_ptr() for parameter in wrapped.parameters()]
        moved = wrapped.cuda()
        assert [parameter.data_ptr() for parameter in moved.parameters()] == addresses
        assert all(a is b for a, b in zip(moved.parameters(), model.parameters(), strict=True))


def test_torch_cuda_has_no_parallel():
    """The name in the source does not exist."""
    assert not hasattr(torch.cuda, "Parallel")
