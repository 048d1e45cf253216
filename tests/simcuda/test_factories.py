"""Whatever makes a tensor puts it where it is told, or where the default device says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ptquiz.simcuda import Machine, NotModelled

FACTORIES: dict[str, Callable[..., torch.Tensor]] = {
    "empty": lambda **k: torch.empty(2, **k),
    "empty_strided": lambda **k: torch.empty_strided((2, 3), (1, 2), **k),
    "zeros": lambda **k: torch.zeros(2, **k),
    "ones": lambda **k: torch.ones((2, 3), **k),
    "full": lambda **k: torch.full((2,), 3, **k),
    "arange": lambda **k: torch.arange(5, **k),
    "linspace": lambda **k: torch.linspace(0, 1, 3, **k),
    "logspace": lambda **k: torch.logspace(0, 1, 3, **k),
    "eye": lambda **k: torch.eye(2, **k),
    "rand": lambda **k: torch.rand(2, **k),
    "randn": lambda **k: torch.randn(2, **k),
    "randint": lambda **k: torch.randint(3, (2,), **k),
    "randperm": lambda **k: torch.randperm(4, **k),
    "normal": lambda **k: torch.normal(0.0, 1.0, (2,), **k),
    "tril_indices": lambda **k: torch.tril_indices(3, 3, **k),
    "hann_window": lambda **k: torch.hann_window(4, **k),
    "kaiser_window": lambda **k: torch.kaiser_window(4, **k),
    "fftfreq": lambda **k: torch.fft.fftfreq(4, **k),
    "scalar_tensor": lambda **k: torch.scalar_tensor(2.0, **k),
    "tensor": lambda **k: torch.tensor([1, 2], **k),
    "tensor of an array": lambda **k: torch.tensor(np.ones(2), **k),
    "as_tensor": lambda **k: torch.as_tensor([1.0, 2.0], **k),
    "as_tensor of an array": lambda **k: torch.as_tensor(np.ones(2), **k),
    "asarray": lambda **k: torch.asarray([1.0], **k),
    "zeros_like": lambda **k: torch.zeros_like(torch.ones(2), **k),
    "rand_like": lambda **k: torch.rand_like(torch.ones(2), **k),
    "new_zeros": lambda **k: torch.ones(2).new_zeros(3, **k),
    "new_tensor": lambda **k: torch.ones(2).new_tensor([1, 2], **k),
    "linear": lambda **k: nn.Linear(2, 3, **k).weight,
    "embedding": lambda **k: nn.Embedding(2, 3, **k).weight,
}
DEFAULTED = [
    name for name in FACTORIES if "like" not in name and not name.startswith("new_") and name != "normal"
]


@pytest.mark.parametrize("name", FACTORIES)
@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda", 1), 1])
def test_device_is_obeyed(machine: Machine, name: str, device: Any) -> None:
    """`device=` as a string, a torch.device, an index; without an index it is the current device."""
    want = torch.device("cuda", 0 if device == "cuda" else 1)
    made = FACTORIES[name](device=device)
    assert made.device == want and made.is_cuda and not made.is_cpu
    assert made.get_device() == want.index
    assert FACTORIES[name](device="cpu").device.type == "cpu"


@pytest.mark.parametrize("name", DEFAULTED)
def test_default_device(machine: Machine, name: str) -> None:
    """`with torch.device` and `set_default_device` reach every factory; an explicit device wins."""
    with torch.device("cuda:1"):
        assert FACTORIES[name]().device == torch.device("cuda", 1)
        assert FACTORIES[name](device="cpu").device.type == "cpu"
    torch.set_default_device("cuda")
    try:
        assert FACTORIES[name]().device == torch.device("cuda", 0)
    finally:
        torch.set_default_device(None)
    assert FACTORIES[name]().device.type == "cpu"


def test_the_default_device_is_told(machine: Machine) -> None:
    """get_default_device says what was set."""
    torch.set_default_device("cuda:1")
    try:
        assert torch.get_default_device() == torch.device("cuda", 1)
    finally:
        torch.set_default_device(None)
    assert torch.get_default_device() == torch.device("cpu")


def test_beside_a_device_tensor(machine: Machine) -> None:
    """`*_like` and `new_*` follow their tensor, whatever the default device says."""
    x = torch.ones(2, device="cuda:1")
    with torch.device("cuda:0"):
        for made in (
            torch.zeros_like(x),
            torch.randn_like(x),
            x.new_ones(3),
            x.new_tensor([1.0]),
            torch.full_like(x, 2),
            x.new_empty(3),
        ):
            assert made.device == torch.device("cuda", 1)
        assert torch.as_tensor(x).get_device() == torch.zeros(1).get_device() == 0
        assert torch.zeros(1, device="cuda:1").get_device() == 1
        assert torch.zeros_like(x, device="cpu").device.type == "cpu"
    for made in (torch.as_tensor(x), torch.asarray(x), torch.as_tensor(x, dtype=torch.float64)):
        assert made.get_device() == 1


def test_a_name_bound_before_works_too(machine: Machine) -> None:
    """`from torch import ones` before the device was opened: C++ is told `cuda`, and the result is there."""
    ones = torch._C._VariableFunctions.ones
    assert ones(2, device="cuda:1").get_device() == 1
    with torch.device("cuda"):
        assert ones(2).get_device() == 0
    assert torch.ops.aten.zeros([2], device=torch.device("cuda", 1)).get_device() == 1


def test_current_device_is_where_cuda_goes(machine: Machine) -> None:
    """`cuda` without an index is the current device, also inside `with torch.cuda.device`."""
    with torch.cuda.device(1):
        assert torch.ones(1, device="cuda").get_device() == 1
        assert torch.ones(1).cuda().get_device() == 1
        assert torch.ones(1).to(torch.device("cuda")).get_device() == 1
    assert torch.ones(1, device="cuda").get_device() == 0
    torch.cuda.set_device(1)
    assert torch.ones(1, device="cuda").get_device() == 1


def test_requires_grad_and_dtype_are_kept(machine: Machine) -> None:
    """The other options work as always."""
    made = torch.tensor([1.0, 2.0], device="cuda", dtype=torch.float64, requires_grad=True)
    assert made.requires_grad and made.is_leaf and made.dtype is torch.float64
    assert torch.ones(2, device="cuda", requires_grad=True).is_leaf


def test_pinned_factories(machine: Machine) -> None:
    """`pin_memory=True` makes pinned host tensors; on a device it is an error."""
    assert torch.empty(3, pin_memory=True).is_pinned()
    assert torch.zeros_like(torch.ones(2), pin_memory=True).is_pinned()
    assert torch.tensor([1.0], pin_memory=True).is_pinned()
    assert not torch.empty(3).is_pinned()
    with pytest.raises(RuntimeError, match="Only dense CPU tensors can be pinned"):
        torch.empty(3, device="cuda", pin_memory=True)


def test_a_factory_waits_for_nothing_but_copies_do(machine: Machine) -> None:
    """`torch.ones(device=)` is asynchronous; `torch.tensor(list, device=)` copies and waits."""
    torch.ones(3, device="cuda")
    assert not machine.waits
    torch.tensor([1.0], device="cuda")
    assert [wait.reason for wait in machine.waits] == ["copy to device"]


@pytest.mark.parametrize("layout", ["coo", "csr"])
def test_sparse_is_refused(machine: Machine, layout: str) -> None:
    """Sparse device tensors are not modelled, and say so."""
    with pytest.raises(NotModelled, match="sparse"):
        if layout == "coo":
            torch.sparse_coo_tensor([[0]], [1.0], (2,), device="cuda")
        else:
            torch.sparse_csr_tensor([0, 1], [0], [1.0], (1, 1), device="cuda")
    with pytest.raises(NotModelled, match="sparse"):
        torch.eye(2, device="cuda").to_sparse()
    assert torch.eye(2).to_sparse().is_sparse


def test_a_storage_without_a_tensor(machine: Machine) -> None:
    """`torch.UntypedStorage(n, device="cuda")` takes from the allocator; a tensor can be laid over it."""
    before = torch.cuda.memory_allocated()
    storage = torch.UntypedStorage(1000, device="cuda")
    assert storage.device == torch.device("cuda", 0) and torch.cuda.memory_allocated() == before + 1024
    over = torch.empty(0, device="cuda").set_(storage, 0, (10, 25))  # type: ignore[call-overload]
    assert over.is_cuda and over.untyped_storage().data_ptr() == storage.data_ptr()
    assert torch.UntypedStorage([1, 2], device="cuda:0").is_cuda
    assert torch.UntypedStorage(8).device.type == "cpu"
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.UntypedStorage(8, device="cuda:9")
