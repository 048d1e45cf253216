"""LIMITS.md promises refusals: each raises `NotModelled` and names what is missing."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
import torch
from torch import nn

from ptquiz.simcuda import Machine, NotModelled

REFUSED: dict[str, tuple[Callable[[torch.Tensor], Any], str]] = {
    "graph": (lambda x: torch.cuda.graph(torch.cuda.CUDAGraph()), "CUDA graphs"),
    "graphed": (lambda x: torch.cuda.make_graphed_callables(nn.Linear(1, 1), ()), "CUDA graphs"),
    "compile": (lambda x: torch.compile(nn.Linear(1, 1)), "torch.compile"),
    "jiterator": (
        lambda x: torch.cuda.jiterator._create_jit_fn("template <typename T> T f(T x) {}"),
        "jiterator",
    ),
    "profiler": (lambda x: torch.cuda.profiler.start(), "profiler"),
    "share": (lambda x: x.share_memory_(), "sharing device memory"),
    "interprocess": (lambda x: torch.cuda.Event(interprocess=True), "processes"),
    "to_sparse": (lambda x: x.to_sparse(), "sparse"),
    "sparse": (lambda x: torch.eye(2).to_sparse().to("cuda"), "sparse"),
    "sparse factory": (lambda x: torch.sparse_coo_tensor([[0]], [1.0], (2,), device="cuda"), "sparse"),
    "nested": (lambda x: torch.nested.nested_tensor([x, x]), "nested"),
    "nested factory": (lambda x: torch.nested.nested_tensor([[1.0]], device="cuda"), "nested"),
    "dlpack": (lambda x: torch.utils.dlpack.to_dlpack(x), "DLPack"),
    "from_dlpack": (lambda x: torch.from_dlpack(x), "DLPack"),
    "array interface": (lambda x: x.__cuda_array_interface__, "__cuda_array_interface__"),
    "nccl": (lambda x: torch.distributed.init_process_group("nccl"), "NCCL"),
    "nccl id": (lambda x: torch.cuda.nccl.unique_id(), "NCCL"),
    "utilization": (lambda x: torch.cuda.utilization(), "utilization"),
    "temperature": (lambda x: torch.cuda.temperature(), "temperature"),
    "power": (lambda x: torch.cuda.power_draw(), "power"),
    "clock": (lambda x: torch.cuda.clock_rate(), "clock"),
    "blas": (lambda x: torch.cuda.current_blas_handle(), "handles"),
    "cudart": (lambda x: torch.cuda.cudart().cudaDeviceReset(), "cudart"),
    "history": (lambda x: torch.cuda.memory._record_memory_history(), "history"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(machine: Machine, name: str) -> None:
    """What is listed as refused raises and says what it was."""
    call, word = REFUSED[name]
    with pytest.raises(NotModelled, match=word):
        call(torch.ones(2, device="cuda"))


def test_the_host_keeps_what_the_device_refuses(machine: Machine) -> None:
    """Sparse, nested, shared memory and DLPack go on working for host tensors."""
    x = torch.eye(2)
    assert x.to_sparse().is_sparse and torch.nested.nested_tensor([x, x]).is_nested
    assert torch.from_dlpack(x).shape == (2, 2)
    assert x.share_memory_().is_shared()
    assert not hasattr(x, "__cuda_array_interface__")


def test_annotations_do_nothing(machine: Machine) -> None:
    """NVTX ranges are names for a profiler: they return their depth and nothing else."""
    nvtx = torch.cuda.nvtx
    assert nvtx.range_push("a") == 0 and nvtx.range_push("b") == 1
    assert nvtx.range_pop() == 1 and nvtx.range_pop() == 0
    with nvtx.range("step {}", 3):
        nvtx.mark("here")
    nvtx.range_end(nvtx.range_start("c"))
    assert not machine.trace


def test_the_page_is_part_of_the_package() -> None:
    """An installed package carries it."""
    assert "NotModelled" in files("ptquiz.simcuda").joinpath("LIMITS.md").read_text(encoding="utf-8")
