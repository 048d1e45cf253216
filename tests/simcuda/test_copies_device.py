"""Which copies make the host wait, what they are called, and what reading too early means."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from ptquiz.simcuda import Machine, simulated_cuda


def _copies(machine: Machine) -> list[tuple[str, int, bool]]:
    return [(op.name, op.device, op.pinned) for op in machine.trace if op.kind == "copy"]


def _reasons(machine: Machine) -> list[str]:
    return [wait.reason for wait in machine.waits]


def test_blocking_copies_wait_both_ways(machine: Machine) -> None:
    """`.cuda()` and `.cpu()` wait for the current stream."""
    x = torch.ones(1000).cuda()
    assert _copies(machine) == [("h2d", 0, False)] and _reasons(machine) == ["copy to device"]
    x.cpu()
    assert _copies(machine)[1:] == [("d2h", 0, False)] and _reasons(machine)[1:] == ["copy to host"]


def test_pinned_non_blocking_does_not_wait(machine: Machine) -> None:
    """From pinned memory with non_blocking, to pinned memory with non_blocking."""
    host, back = torch.ones(1000).pin_memory(), torch.empty(1000, pin_memory=True)
    x = host.to("cuda", non_blocking=True)
    y = torch.empty(1000, device="cuda")
    y.copy_(host, non_blocking=True)
    back.copy_(x, non_blocking=True)
    assert _copies(machine) == [("h2d", 0, True), ("h2d", 0, True), ("d2h", 0, True)]
    assert not machine.waits
    host.cuda()
    assert _reasons(machine) == ["copy to device"]


def test_pageable_source_may_change_at_once(machine: Machine) -> None:
    """non_blocking from pageable memory is staged: no wait, no race with a later change."""
    host = torch.ones(1000)
    x = host.to("cuda", non_blocking=True)
    host.zero_()
    assert not machine.waits and x.sum().item() == 1000


def test_to_pageable_memory_waits_whatever_is_said(machine: Machine) -> None:
    """`copy_` into ordinary memory."""
    x = torch.ones(10, device="cuda")
    torch.empty(10).copy_(x, non_blocking=True)
    assert _reasons(machine) == ["copy to host"]


READS: dict[str, Callable[[torch.Tensor], object]] = {
    "item": lambda t: t[0].item(),
    "tolist": lambda t: t.tolist(),
    "numpy": lambda t: t.numpy(),
    "repr": lambda t: repr(t),
    "operator": lambda t: t + 1,
    "in place": lambda t: t.add_(1),
    "bool": lambda t: bool(t[0] > 0),
    "copy": lambda t: torch.empty(10).copy_(t),
}


@pytest.mark.parametrize("name", READS)
def test_reading_too_early_is_a_race(name: str) -> None:
    """`.to("cpu", non_blocking=True)` gives pinned memory that is not ready: the host must wait first."""
    with simulated_cuda() as machine:
        x = torch.ones(10, device="cuda")
        early = x.to("cpu", non_blocking=True)
        assert early.is_pinned() and early.device.type == "cpu" and not machine.waits
        READS[name](early)
        assert len(machine.races) == 1, machine.races
        assert "the host" in str(machine.races[0])


@pytest.mark.parametrize("name", READS)
def test_reading_after_a_wait_is_none(machine: Machine, name: str) -> None:
    """The same reads after synchronize."""
    early = torch.ones(10, device="cuda").to("cpu", non_blocking=True)
    torch.cuda.synchronize()
    READS[name](early)
    assert not machine.races


def test_changing_a_pinned_source_too_early_is_a_race() -> None:
    """The copy may not have read it yet."""
    with simulated_cuda() as machine:
        host = torch.ones(10).pin_memory()
        host.to("cuda", non_blocking=True)
        host.zero_()
        assert len(machine.races) == 1
        torch.cuda.synchronize()
        host.fill_(2)
        assert len(machine.races) == 1


def test_copies_on_one_device_do_not_wait(machine: Machine) -> None:
    """`copy_`, `clone`, `.to` of another type on one device."""
    x = torch.ones(10, device="cuda")
    torch.empty_like(x).copy_(x)
    x.clone()
    x.to(torch.float64)
    x.to("cuda", copy=True)
    assert not machine.waits


def test_to_returns_self_where_nothing_changes(machine: Machine) -> None:
    """As in PyTorch: same device, same type, no copy."""
    x = torch.ones(2, device="cuda")
    assert x.to("cuda") is x and x.cuda() is x and x.to(x) is x and x.to(torch.float32) is x
    assert x.to("cuda:0", copy=True) is not x
    host = torch.ones(2)
    assert host.cpu() is host and host.to("cpu") is host
    assert x.to("cuda:1").get_device() == 1 and x.cuda(1).get_device() == 1
    assert x.to(torch.ones(1, dtype=torch.int32)).dtype is torch.int32
    assert x.to(torch.ones(1)).device.type == "cpu"
    assert x.to(device="cpu", dtype=torch.float64).dtype is torch.float64
    assert x.to("cpu", torch.float16).dtype is torch.float16


def test_type_moves_too(machine: Machine) -> None:
    """The old names of types."""
    x = torch.ones(2)
    assert x.type() == "torch.FloatTensor"
    y = x.type("torch.cuda.DoubleTensor")
    assert y.is_cuda and y.type() == "torch.cuda.DoubleTensor" and y.dtype is torch.float64
    assert y.type(torch.FloatTensor).device.type == "cpu"  # type: ignore[arg-type]
    assert isinstance(y, torch.cuda.DoubleTensor) and not isinstance(y, torch.cuda.FloatTensor)
    assert torch.cuda.FloatTensor(3).shape == (3,) and torch.cuda.LongTensor([1, 2]).tolist() == [1, 2]


WAITS: dict[str, tuple[Callable[[torch.Tensor], object], str]] = {
    "item": (lambda x: x.sum().item(), "Tensor.item"),
    "bool": (lambda x: bool(x.sum() > 0), "Tensor.item"),
    "float": (lambda x: float(x[0]), "Tensor.item"),
    "tolist": (lambda x: x.tolist(), "Tensor.tolist"),
    "repr": (lambda x: repr(x), "Tensor.__repr__"),
    "format": (lambda x: f"{x[0]:.3f}", "Tensor.item"),
    "nonzero": (lambda x: x.nonzero(), "torch.nonzero"),
    "mask": (lambda x: x[x > 0], "indexing with a mask"),
    "equal": (lambda x: torch.equal(x, x.clone()), "torch.equal"),
    "unique": (lambda x: x.unique(), "torch.unique2"),
    "if": (lambda x: 1 if x[0] > 0 else 0, "Tensor.item"),
    "contains": (lambda x: 1.0 in x, "Tensor.item"),
    "allclose": (lambda x: torch.allclose(x, x), "torch.allclose"),
    "index": (lambda x: [1, 2, 3][x.long()[0]], "Tensor.item"),
}


@pytest.mark.parametrize("name", WAITS)
def test_what_makes_the_host_wait(machine: Machine, name: str) -> None:
    """Whatever needs a value, or a size that depends on values, waits once, and says why."""
    x = torch.ones(3, device="cuda")
    call, reason = WAITS[name]
    call(x)
    assert _reasons(machine) == [reason]
    assert machine.waits[0].line.endswith(f"{__file__}:{machine.waits[0].line.rpartition(':')[2]}")


def test_what_does_not(machine: Machine) -> None:
    """Launching is asynchronous: arithmetic, views, backward, an optimizer's step, zero_grad."""
    net = torch.nn.Linear(3, 1, device="cuda")
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss = net(torch.ones(2, 3, device="cuda")).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    loss.detach().view(1)[0].clone()
    assert not machine.waits


def test_views_launch_nothing(machine: Machine) -> None:
    """Views, `empty` and shapes put nothing on the stream."""
    x = torch.empty(4, 6, device="cuda")
    before = len(machine.trace)
    (
        x.view(24),
        x.t(),
        x[1:, 2],
        x.expand(2, 4, 6),
        x.detach(),
        x.permute(1, 0),
        x.reshape(6, 4),
        x.shape,
        x.numel(),
    )
    torch.empty_like(x)
    assert len(machine.trace) == before


def test_lines_are_the_users(machine: Machine) -> None:
    """An operation deep inside torch is reported at the line of this file that caused it."""
    torch.nn.Linear(3, 1, device="cuda")(torch.ones(2, 3, device="cuda")).sum().backward()
    assert {op.line.rpartition(":")[0] for op in machine.trace} == {__file__}


def test_a_gap_in_the_host_memory_makes_the_copy_pageable() -> None:
    """A pinned source that is not in one piece is gathered at once; such a destination waits."""
    with simulated_cuda() as machine:
        base = torch.ones(10, 10).pin_memory()
        x = base[:, ::2].to("cuda", non_blocking=True)
        base.zero_()
        assert x.sum().item() == 50 and not machine.races
        assert _copies(machine)[0] == ("h2d", 0, False)
        machine.waits.clear()
        base[:, ::2].copy_(x, non_blocking=True)
        assert _reasons(machine) == ["copy to host"] and base.sum().item() == 50 and not machine.races


@pytest.mark.parametrize(
    "view", [lambda t: t.t(), lambda t: t[2:], lambda t: t.view(4, 25), lambda t: t[None, 3]]
)
def test_a_view_in_one_piece_stays_asynchronous(
    machine: Machine, view: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Transposed, sliced and reshaped pinned memory goes over the bus as it is."""
    host = view(torch.arange(100.0).view(10, 10).pin_memory())
    x = host.to("cuda", non_blocking=True)
    back = x.to("cpu", non_blocking=True)
    assert not machine.waits and all(op.pinned for op in machine.trace if op.kind == "copy")
    torch.cuda.synchronize()
    assert torch.equal(back, host)


def test_copies_of_nothing(machine: Machine) -> None:
    """An empty tensor is not copied and not waited for."""
    x = torch.empty(0, 3).cuda()
    assert x.is_cuda and x.cpu().shape == (0, 3) and not machine.trace and not machine.waits
