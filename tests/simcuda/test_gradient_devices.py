"""Gradients live where their tensors do; anything else is PyTorch's error."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ptquiz.simcuda import Machine


def test_assigning_a_gradient_of_another_device(machine: Machine) -> None:
    """`p.grad = g` wants g on p's device; None and right ones pass, and so does deleting."""
    weight = nn.Parameter(torch.ones(2, device="cuda"))
    with pytest.raises(RuntimeError, match="device type 'cpu' to a tensor with device type 'cuda'"):
        weight.grad = torch.ones(2)
    with pytest.raises(
        RuntimeError, match="device with index '1' to a tensor located on device with index '0'"
    ):
        weight.grad = torch.ones(2, device="cuda:1")
    weight.grad = torch.full((2,), 3.0, device="cuda")
    assert weight.grad.tolist() == [3.0, 3.0]
    weight.grad = None
    del weight.grad
    assert weight.grad is None
    with pytest.raises(RuntimeError, match="size"):
        weight.grad = torch.ones(3, device="cuda")


class _Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scale: float, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x * scale + y

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        return None, grads[0], grads[0].cpu()


def test_a_custom_backward_on_the_wrong_device(machine: Machine) -> None:
    """The argument and both devices are named."""
    x = torch.ones(2, device="cuda", requires_grad=True)
    y = torch.ones(2, device="cuda", requires_grad=True)
    words = "_WrongBackward returned an invalid gradient at index 2 - expected device cuda:0 but got cpu"
    with pytest.raises(RuntimeError, match=words):
        _Wrong.apply(2.0, x, y * 1).sum().backward()
    _Wrong.apply(2.0, x, y.detach()).sum().backward()  # nobody wants the wrong one
    assert x.grad is not None and x.grad.is_cuda


def test_accumulating_from_two_devices(machine: Machine) -> None:
    """A second gradient from the right device is added, whichever way it came."""
    x = torch.ones(2, device="cuda:0", requires_grad=True)
    (x * 2).sum().backward()
    (x.to("cuda:1") * 3).sum().backward()
    assert x.grad is not None and x.grad.get_device() == 0 and x.grad.tolist() == [5.0, 5.0]
