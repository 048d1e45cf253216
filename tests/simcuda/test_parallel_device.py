"""Several devices in one process: torch.cuda.comm and nn.DataParallel."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.cuda import comm

from ptquiz.simcuda import Machine, simulated_cuda


def _devices(tensors: object) -> list[int]:
    return [tensor.get_device() for tensor in tensors]  # type: ignore[attr-defined]


def test_broadcast(machine: Machine) -> None:
    """A copy on each device; the one that is there already is the tensor itself."""
    x = torch.arange(3.0, device="cuda:0")
    copies = comm.broadcast(x, [0, 1])
    assert _devices(copies) == [0, 1] and copies[0] is x and copies[1].tolist() == [0.0, 1.0, 2.0]
    assert _devices(comm.broadcast(torch.ones(2), ["cuda:0", "cuda:1"])) == [0, 1]
    out = [torch.empty(3, device="cuda:0"), torch.empty(3, device="cuda:1")]
    assert comm.broadcast(x, out=out)[1].tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(RuntimeError, match="Exactly one of 'devices' and 'out'"):
        comm.broadcast(x)


def test_broadcast_coalesced(machine: Machine) -> None:
    """Several tensors at once; all must live on the first device."""
    tensors = [torch.ones(2, device="cuda:0"), torch.zeros(3, 2, device="cuda:0")]
    copies = comm.broadcast_coalesced(tensors, [0, 1])
    assert _devices(copies[1]) == [1, 1] and copies[1][1].shape == (3, 2)
    with pytest.raises(RuntimeError, match=r"must be on devices\[0\]"):
        comm.broadcast_coalesced(tensors, [1, 0])


def test_scatter_and_gather(machine: Machine) -> None:
    """Even and uneven chunks, along any dimension, and back to a device or to the host."""
    x = torch.arange(10.0).view(5, 2)
    parts = comm.scatter(x, [0, 1])
    assert _devices(parts) == [0, 1] and [len(part) for part in parts] == [3, 2]
    parts = comm.scatter(x.cuda(), [0, 1], chunk_sizes=[1, 4])
    assert [len(part) for part in parts] == [1, 4]
    assert torch.equal(comm.gather(parts).cpu(), x)
    assert comm.gather(parts, destination="cuda:1").get_device() == 1
    assert comm.gather(parts, destination="cpu").device.type == "cpu"
    assert _devices(comm.scatter(x, [1, 0], dim=1)) == [1, 0]
    with pytest.raises(RuntimeError, match="chunk_sizes"):
        comm.scatter(x, [0, 1], chunk_sizes=[1, 1])


def test_reduce_add(machine: Machine) -> None:
    """The sum is on the destination; host tensors are refused."""
    parts = [torch.full((2,), float(index + 1), device=f"cuda:{index}") for index in (0, 1)]
    total = comm.reduce_add(parts, 1)
    assert total.get_device() == 1 and total.tolist() == [3.0, 3.0]
    sums = comm.reduce_add_coalesced([[parts[0], parts[0]], [parts[1], parts[1]]], 0)
    assert _devices(sums) == [0, 0] and sums[1].tolist() == [3.0, 3.0]
    with pytest.raises(AssertionError, match="expects all inputs to be on GPUs"):
        comm.reduce_add([torch.ones(2), parts[1]], 1)


@pytest.mark.parametrize("batch", [1, 2, 5, 6])
def test_data_parallel_equals_one_device(machine: Machine, batch: int) -> None:
    """Outputs and gradients of uneven shards, and of a batch smaller than the number of devices."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).cuda()
    reference = copy.deepcopy(net)
    x = torch.randn(batch, 4)
    parallel = nn.DataParallel(net)
    for data in (x.cuda(), x):
        net.zero_grad()
        reference.zero_grad()
        out = parallel(data)
        out.pow(2).sum().backward()
        want = reference(x.cuda())
        want.pow(2).sum().backward()
        assert out.get_device() == 0
        torch.testing.assert_close(out.cpu(), want.cpu())
        for ours, theirs in zip(net.parameters(), reference.parameters(), strict=True):
            assert ours.grad is not None and theirs.grad is not None and ours.grad.get_device() == 0
            torch.testing.assert_close(ours.grad.cpu(), theirs.grad.cpu())


def test_every_device_runs_its_shard(machine: Machine) -> None:
    """Both devices multiply."""
    parallel = nn.DataParallel(nn.Linear(4, 2).cuda())
    mark = machine.mark()
    parallel(torch.randn(6, 4, device="cuda"))
    assert {op.device for op in machine.since(mark)[0] if op.name == "addmm"} == {0, 1}


def test_module_on_the_wrong_device(machine: Machine) -> None:
    """DataParallel wants its parameters on the first device."""
    parallel = nn.DataParallel(nn.Linear(4, 2).to("cuda:1"))
    with pytest.raises(RuntimeError, match="module must have its parameters and buffers on device cuda:0"):
        parallel(torch.randn(2, 4, device="cuda"))


def test_peer_copies_are_ordered_both_ways() -> None:
    """A copy between devices waits for the work of both current streams, and the destination waits for it."""
    with simulated_cuda(devices=2) as machine:
        a = torch.randn(1000, 1000, device="cuda:0")
        b = torch.empty(1000, 1000, device="cuda:1")
        b.fill_(1.0)
        b.copy_(a)
        b.add_(1)
        a.zero_()
        assert not machine.waits and not machine.races
        copies = [op for op in machine.trace if op.kind == "copy"]
        assert [(op.name, op.device) for op in copies] == [("p2p", 0)]
        (add,) = (op for op in machine.trace if op.name == "add_")
        assert add.begin_ns >= copies[0].end_ns
