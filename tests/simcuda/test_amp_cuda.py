"""autocast("cuda") and GradScaler."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ptquiz.simcuda import Machine, simulated_cuda


def test_cast_lists(machine: Machine) -> None:
    """Products in float16, sums and normalisations in float32, the rest as it comes: CUDA's lists, not the
    CPU's."""
    x = torch.randn(4, 8, device="cuda")
    layer, norm = nn.Linear(8, 8).cuda(), nn.LayerNorm(8).cuda()
    with torch.autocast("cuda"):
        half = layer(x)
        assert half.dtype is (x @ x.T).dtype is torch.einsum("ij,kj->ik", x, x).dtype is torch.float16
        assert F.softmax(half, -1).dtype is half.sum().dtype is half.exp().dtype is torch.float32
        assert norm(half).dtype is F.mse_loss(half, half).dtype is half.pow(2).dtype is torch.float32
        assert F.cross_entropy(half, torch.zeros(4, dtype=torch.long, device="cuda")).dtype is torch.float32
        assert (half + x).dtype is torch.addcmul(x, x, half).dtype is torch.float32
        assert F.relu(half).dtype is torch.float16
        assert layer(x.double().float()).dtype is torch.float16
        with pytest.raises(RuntimeError, match="unsafe to autocast"):
            F.binary_cross_entropy(torch.sigmoid(half), torch.ones_like(half))
    assert layer(x).dtype is torch.float32


def test_dtype_and_nesting(machine: Machine) -> None:
    """bfloat16 on demand, `enabled=False` inside, and the old spelling."""
    x, layer = torch.randn(4, 8, device="cuda"), nn.Linear(8, 8).cuda()
    with torch.autocast("cuda", dtype=torch.bfloat16):
        assert layer(x).dtype is torch.bfloat16
        with torch.autocast("cuda", enabled=False):
            assert layer(x).dtype is torch.float32
        assert layer(x).dtype is torch.bfloat16
    with torch.amp.autocast("cuda", dtype=torch.float16):
        assert torch.is_autocast_enabled("cuda") and not torch.is_autocast_enabled("cpu")
        assert torch.get_autocast_dtype("cuda") is torch.float16


def test_host_tensors_are_left_alone(machine: Machine) -> None:
    """autocast("cuda") casts device tensors only, autocast("cpu") host tensors only; each may hold the
    other."""
    x, layer = torch.randn(4, 8), nn.Linear(8, 8)
    device_layer = copy.deepcopy(layer).cuda()
    with torch.autocast("cuda"):
        assert layer(x).dtype is torch.float32
        with torch.autocast("cpu"):
            assert layer(x).dtype is torch.bfloat16
            assert device_layer(x.cuda()).dtype is torch.float16
        assert layer(x).dtype is torch.float32
    with torch.autocast("cpu"):
        assert layer(x).dtype is torch.bfloat16
        assert device_layer(x.cuda()).dtype is torch.float32


def test_weights_are_cast_once_a_block(machine: Machine) -> None:
    """The cache: two uses of one weight, one cast."""
    layer, x = nn.Linear(8, 8, bias=False).cuda(), torch.randn(2, 8, device="cuda")
    with torch.autocast("cuda"):
        layer(x)
        mark = machine.mark()
        layer(x.half())
    assert [op.name for op in machine.since(mark)[0] if op.kind == "kernel"] == ["mm"]


@pytest.mark.parametrize("fused", [False, True])
def test_scaler_trains(machine: Machine, fused: bool) -> None:
    """Scaled, unscaled, clipped steps equal the plain ones; an overflow skips its step and halves the
    scale."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1).cuda()
    plain = copy.deepcopy(model)
    x, y = torch.randn(8, 4, device="cuda"), torch.randn(8, 1, device="cuda")
    scaler = torch.amp.GradScaler("cuda", init_scale=256.0)
    assert scaler.is_enabled()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, fused=fused)
    reference = torch.optim.Adam(plain.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        scaler.scale(F.mse_loss(model(x), y)).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        scaler.step(optimizer)
        scaler.update()
        reference.zero_grad()
        F.mse_loss(plain(x), y).backward()
        reference.step()
    torch.testing.assert_close(model.weight.cpu(), plain.weight.cpu())
    before = model.weight.detach().clone()
    optimizer.zero_grad()
    scaler.scale(model(x).sum() * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    assert torch.equal(before.cpu(), model.weight.detach().cpu()) and scaler.get_scale() == 128.0


def test_autocast_training_step(machine: Machine) -> None:
    """Gradients arrive in the parameters' own type, near the plain ones."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 2)).cuda()
    x = torch.randn(4, 8, device="cuda")
    model(x).pow(2).mean().backward()
    want = [p.grad.cpu() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    with torch.autocast("cuda"):
        loss = model(x).pow(2).mean()
    loss.backward()
    for parameter, grad in zip(model.parameters(), want, strict=True):
        assert parameter.grad is not None and parameter.grad.dtype is torch.float32
        torch.testing.assert_close(parameter.grad.cpu(), grad, rtol=0.05, atol=5e-3)


def test_the_cpus_own_autocast_comes_back() -> None:
    """After the device is closed autocast("cpu") follows the CPU's lists again."""
    with simulated_cuda(), torch.autocast("cuda"):
        pass
    assert not torch.is_autocast_enabled("cpu")
    with torch.autocast("cpu"):
        assert nn.Linear(2, 2)(torch.ones(1, 2)).dtype is torch.bfloat16
        assert F.softmax(torch.ones(2, dtype=torch.bfloat16), 0).dtype is torch.bfloat16
