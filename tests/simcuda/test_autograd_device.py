"""Autograd over devices: gradients come back to where their tensors live."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from ptquiz.simcuda import Machine


def test_the_gradient_of_a_host_leaf_is_on_the_host(machine: Machine) -> None:
    """Through `.cuda()` and back, in the leaf's type."""
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    y = x.to("cuda", torch.float32)
    assert y.is_cuda and y.dtype is torch.float32 and y.requires_grad and not y.is_leaf
    (y * 2).cpu().sum().backward()
    assert x.grad is not None and x.grad.device.type == "cpu"
    assert torch.equal(x.grad, torch.full((3,), 2.0, dtype=torch.float64))


def test_the_gradient_crosses_devices(machine: Machine) -> None:
    """From cuda:1 back to cuda:0."""
    x = torch.ones(3, device="cuda:0", requires_grad=True)
    (x.to("cuda:1") ** 2).sum().backward()
    assert x.grad is not None and x.grad.get_device() == 0


def test_copy_carries_the_gradient_back(machine: Machine) -> None:
    """`copy_` from a host tensor that needs a gradient."""
    source = torch.ones(3, requires_grad=True)
    target = torch.zeros(3, device="cuda")
    target.copy_(source)
    (target * 3).sum().backward()
    assert source.grad is not None and source.grad.device.type == "cpu"
    assert source.grad.tolist() == [3.0, 3.0, 3.0]


def test_second_derivatives_cross_too(machine: Machine) -> None:
    """create_graph over a transfer."""
    x = torch.full((2,), 2.0, requires_grad=True)
    (first,) = torch.autograd.grad((x.cuda() ** 3).sum(), x, create_graph=True)
    first.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [12.0, 12.0]


def test_inside_backward_the_device_is_seen(machine: Machine) -> None:
    """`.device` and factories work in Function.backward and in hooks."""
    seen: list[torch.device] = []

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
            (x,) = ctx.saved_tensors
            seen.append(grads[0].device)
            return grads[0] * 2 * x + torch.zeros(2, device=x.device)

    x = torch.ones(2, device="cuda:1", requires_grad=True)
    x.register_hook(lambda grad: seen.append(grad.device))
    Square.apply(x).sum().backward()
    assert seen == [torch.device("cuda", 1)] * 2
    assert x.grad is not None and x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoint_replays_dropout(machine: Machine, reentrant: bool) -> None:
    """Recomputation uses the device's RNG state of the first run."""
    net = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.5), nn.Linear(16, 4)).cuda()
    x = torch.randn(5, 4, device="cuda", requires_grad=True)
    torch.manual_seed(7)
    checkpoint(net, x, use_reentrant=reentrant).pow(2).sum().backward()
    assert net[0].weight.grad is not None
    got = net[0].weight.grad.clone()
    net.zero_grad()
    torch.manual_seed(7)
    net(x).pow(2).sum().backward()
    torch.testing.assert_close(got.cpu(), net[0].weight.grad.cpu())
    assert checkpoint_sequential(net, 2, x, use_reentrant=reentrant).is_cuda


def test_func_transforms(machine: Machine) -> None:
    """grad, vmap, jacrev, jacfwd, hessian and functional_call."""
    x = torch.randn(3, device="cuda")
    assert torch.func.grad(lambda t: (t**2).sum())(x).is_cuda
    assert torch.vmap(lambda t: t * 2 + 1)(torch.randn(3, 4, device="cuda")).is_cuda
    per_sample = torch.func.vmap(torch.func.grad(lambda t: t.sin().sum()))(torch.randn(3, 4, device="cuda"))
    assert per_sample.is_cuda
    assert torch.func.jacrev(lambda t: t**2)(x).is_cuda
    assert torch.func.hessian(lambda t: (t**3).sum())(x).is_cuda
    assert torch.vmap(lambda t: t.to("cuda"))(torch.randn(3, 2)).is_cuda
    assert torch.func.grad(lambda t: t.to("cuda").sum())(torch.randn(3)).device.type == "cpu"
    net = nn.Linear(3, 2).cuda()
    assert torch.func.functional_call(net, dict(net.named_parameters()), (x,)).is_cuda


def test_gradcheck(machine: Machine) -> None:
    """Numerical against analytic gradients."""
    x = torch.randn(2, 3, dtype=torch.float64, device="cuda", requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: (t.sin() * t.exp()).cumsum(1), x)


def test_inference_mode(machine: Machine) -> None:
    """Tensors made in inference mode live on the device too."""
    with torch.inference_mode():
        x = torch.randn(3, device="cuda")
        y = (x * 2).add_(1)
        assert y.is_cuda and y.cpu().device.type == "cpu"


def test_c_code_makes_its_tensors_where_they_are_needed(machine: Machine) -> None:
    """Backward formulas that make tensors of their own: prod, cumprod, index."""
    x = torch.tensor([[0.0, 2.0], [3.0, 0.0]], device="cuda", requires_grad=True)
    (torch.prod(x, 0).sum() + x.cumprod(0).sum() + x[torch.tensor([0], device="cuda")].sum()).backward()
    assert x.grad is not None and x.grad.is_cuda


@pytest.mark.parametrize("where", ["cpu", "cuda:1"])
def test_gradients_that_are_only_zeros(machine: Machine, where: str) -> None:
    """Backward formulas that return zeros of their own making, on the host and on a device."""
    x = torch.tensor([1.0, 2.0], device=where, requires_grad=True)
    y = torch.tensor([3.0, 4.0], device=where, requires_grad=True)
    for out in (torch.copysign(x, y), torch.sgn(x) + y):
        grads = torch.autograd.grad(out.sum(), (x, y), allow_unused=True)
        assert all(grad is None or str(grad.device) == where for grad in grads)
    (grad,) = torch.autograd.grad(x.repeat(0, 2).sum(), x)
    assert str(grad.device) == where


def test_branches_on_host_and_device_do_not_mix(machine: Machine) -> None:
    """A graph with a branch on each: zeros that C++ makes in the host's branch stay on the host."""
    a = torch.ones(4, requires_grad=True)
    b = torch.ones(4, device="cuda", requires_grad=True)
    for _ in range(2):
        host = torch.copysign(a, a[:1] * 2).prod() + a[torch.tensor([0, 2])].sum() + a[1:3].sum()
        device = torch.copysign(b, b[:1] * 2).prod() + b[torch.tensor([0, 2])].sum() + b[1:3].sum()
        (host.to("cuda") * device).backward()
    assert a.grad is not None and b.grad is not None
    assert a.grad.device.type == "cpu" and b.grad.is_cuda
    assert torch.equal(a.grad, b.grad.cpu())


def test_zeros_without_memory_are_ordinary_ones(machine: Machine) -> None:
    """PyTorch's memoryless zeros crash under a dispatch mode when they are scaled; here they are real."""
    x = torch.ones(4, device="cuda", requires_grad=True)
    (grad,) = torch.autograd.grad(torch.sgn(x).sum(), x)
    assert torch.isclose(torch.zeros(4), grad.cpu()).all() and (grad * 2.0).is_cuda
    assert torch.isclose(torch.ones(4), torch._efficientzerotensor((4,))).sum() == 0
