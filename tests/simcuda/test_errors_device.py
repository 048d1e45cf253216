"""The errors are PyTorch's, with its classes and words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ptquiz.simcuda import Machine, simulated_cuda

MIXED = r"Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"


def test_mixed_devices_in_pointwise_operators(machine: Machine) -> None:
    """Either order names the device first; a host scalar is allowed, a host vector is not."""
    x, host = torch.ones(3, device="cuda"), torch.ones(3)
    for call in (
        lambda: x + host,
        lambda: host + x,
        lambda: x.add_(host),
        lambda: torch.where(x > 0, x, host),
    ):
        with pytest.raises(RuntimeError, match=MIXED):
            call()
    assert (x + torch.tensor(1.0)).is_cuda and (torch.tensor(2.0) * x).is_cuda and (x * 2).is_cuda
    with pytest.raises(RuntimeError, match=r"two devices, cuda:0 and cuda:1!"):
        x + torch.ones(3, device="cuda:1")
    with pytest.raises(RuntimeError, match="same device"):
        host + torch.ones((), device="cuda")
    with pytest.raises(RuntimeError, match="same device"):
        host.add_(torch.ones((), device="cuda"))


def test_mixed_devices_elsewhere(machine: Machine) -> None:
    """Other operators name the argument and the kernel."""
    x, host = torch.ones(3, 3, device="cuda"), torch.ones(3, 3)
    with pytest.raises(
        RuntimeError, match=r"got mat2 is on cpu, different from other tensors on cuda:0 .*CUDA_mm\)"
    ):
        x @ host
    with pytest.raises(
        RuntimeError, match=r"got mat1 is on cpu, different .* cuda:0 \(.*wrapper_CUDA_addmm\)"
    ):
        nn.Linear(3, 3).cuda()(host)
    with pytest.raises(RuntimeError, match=r"got tensors is on cpu, different .*wrapper_CUDA_cat\)"):
        torch.cat([x, host])
    with pytest.raises(RuntimeError, match="same device"):
        nn.functional.cross_entropy(x, torch.tensor([0, 1, 2]))
    with pytest.raises(RuntimeError, match="same device"):
        nn.Embedding(3, 2).cuda()(torch.tensor([1]))
    with pytest.raises(
        RuntimeError, match=r"Input type \(torch.FloatTensor\) and weight type \(torch.cuda.FloatTensor\)"
    ):
        nn.Conv1d(3, 1, 1).cuda()(host[None])
    with pytest.raises(RuntimeError, match="same device"):
        host[torch.tensor([0], device="cuda")]


def test_arrays(machine: Machine) -> None:
    """numpy is refused for a device tensor, in every spelling; `force=True` copies."""
    x = torch.ones(2, device="cuda:1")
    words = r"can't convert cuda:1 device type tensor to numpy. Use Tensor.cpu\(\) to copy the tensor to host"
    with pytest.raises(TypeError, match=words):
        x.numpy()
    with pytest.raises(TypeError, match=words):
        np.asarray(x)
    with pytest.raises(TypeError, match=words):
        np.array(x)
    assert x.numpy(force=True).tolist() == x.cpu().numpy().tolist() == [1.0, 1.0]


def test_devices_that_are_not_there(machine: Machine) -> None:
    """An index out of range is the driver's error."""
    for call in (
        lambda: torch.ones(1, device="cuda:2"),
        lambda: torch.ones(1).to("cuda:7"),
        lambda: torch.ones(1).cuda(2),
        lambda: torch.cuda.set_device(2),
        lambda: nn.Linear(1, 1).to("cuda:5"),
        lambda: torch.cuda.device(3).__enter__(),
        lambda: torch.tensor([1], device=2),
        lambda: torch.cuda.synchronize(4),
    ):
        with pytest.raises(RuntimeError, match="CUDA error: invalid device ordinal"):
            call()
    with pytest.raises(AssertionError, match="Invalid device id"):
        torch.cuda.get_device_properties(2)
    with pytest.raises(RuntimeError, match="must be cuda device"):
        torch.ones(1).cuda("cpu")
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
        torch.ones(1, device="gpu")


def test_out_of_memory() -> None:
    """OutOfMemoryError in PyTorch's words; what fails takes nothing, and the host's memory is not filled."""
    with simulated_cuda(memory="64MiB"):
        with pytest.raises(
            torch.OutOfMemoryError, match=r"CUDA out of memory. Tried to allocate 80.00 GiB. GPU 0"
        ):
            torch.zeros(20 << 30, device="cuda")
        with pytest.raises(torch.cuda.OutOfMemoryError):
            torch.empty(1 << 40, device="cuda", dtype=torch.uint8)
        x = torch.empty(40 << 20, dtype=torch.uint8, device="cuda")
        with pytest.raises(torch.OutOfMemoryError):
            x.clone()
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(40 << 20, dtype=torch.uint8).cuda()
        assert torch.cuda.memory_allocated() == 40 << 20
        del x
        assert torch.cuda.memory_allocated() == 0
    assert issubclass(torch.OutOfMemoryError, RuntimeError)


def test_generators_of_another_device(machine: Machine) -> None:
    """A generator draws on its own kind of device only."""
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator but found 'cpu'"):
        torch.randn(2, device="cuda", generator=torch.Generator())
    with pytest.raises(RuntimeError, match="Expected a 'cpu' device type for generator but found 'cuda'"):
        torch.randn(2, generator=torch.Generator("cuda"))
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type"):
        torch.ones(2, device="cuda").normal_(generator=torch.Generator())


def test_pinning_a_device_tensor(machine: Machine) -> None:
    """Only host memory can be pinned."""
    with pytest.raises(
        RuntimeError, match=r"cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned"
    ):
        torch.ones(2, device="cuda").pin_memory()


def test_lengths_of_a_packed_sequence(machine: Machine) -> None:
    """They must be on the host."""
    with pytest.raises(
        RuntimeError, match="'lengths' argument should be a 1D CPU int64 tensor, but got 1D cuda:0 Long"
    ):
        nn.utils.rnn.pack_padded_sequence(
            torch.ones(3, 2, 1, device="cuda"), torch.tensor([3, 2], device="cuda")
        )


def test_names_that_torch_never_had(machine: Machine) -> None:
    """What does not exist does not exist here either."""
    for name in ("memory_info", "allocate", "StreamPool", "Parallel"):
        assert not hasattr(torch.cuda, name)
    assert not hasattr(torch, "cudaMemcpy")
    with pytest.raises(TypeError):
        torch.cuda.stream()  # type: ignore[call-arg]


def test_meta_tensors_pass(machine: Machine) -> None:
    """`meta` is no device of ours: it works as always."""
    x = torch.ones(3, device="meta")
    assert x.device.type == "meta" and (x + 1).is_meta and torch.zeros_like(x).is_meta
    with torch.device("meta"):
        net = nn.Linear(2, 2)
    assert net.weight.is_meta
    net = net.to_empty(device="cuda")
    assert net.weight.is_cuda
    with pytest.raises(NotImplementedError, match=r"Cannot copy out of meta tensor"):
        x.to("cuda")
