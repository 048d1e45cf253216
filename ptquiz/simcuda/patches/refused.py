"""What is not modelled raises and says so; `LIMITS.md` lists it. Annotations for profilers do nothing,
rightly."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.errors import not_modelled
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.placement import resolve

__all__ = ["install"]

Tensor = torch.Tensor

# (module or class, name, what to call it)
_REFUSED: tuple[tuple[Any, str, str], ...] = (
    (torch, "compile", "torch.compile"),
    (torch.cuda, "CUDAGraph", "CUDA graphs"),
    (torch.cuda, "graph", "CUDA graphs"),
    (torch.cuda, "make_graphed_callables", "CUDA graphs"),
    (torch.cuda, "graph_pool_handle", "CUDA graphs"),
    (torch.cuda, "GreenContext", "green contexts"),
    (torch.cuda, "utilization", "the utilization of the device"),
    (torch.cuda, "memory_usage", "the utilization of the device"),
    (torch.cuda, "device_memory_used", "the memory use as NVML counts it"),
    (torch.cuda, "temperature", "the temperature of the device"),
    (torch.cuda, "power_draw", "the power draw of the device"),
    (torch.cuda, "clock_rate", "the clock rate of the device"),
    (torch.cuda, "current_blas_handle", "library handles"),
    (torch.cuda, "get_stream_from_external", "external streams"),
    (torch.cuda.jiterator, "_create_jit_fn", "jiterator kernels"),
    (torch.cuda.jiterator, "_create_multi_output_jit_fn", "jiterator kernels"),
    (torch.cuda.profiler, "start", "the CUDA profiler"),
    (torch.cuda.profiler, "stop", "the CUDA profiler"),
    (torch.cuda.profiler, "init", "the CUDA profiler"),
)


def install(machine: Machine, patcher: Patcher) -> None:
    """Refusals by name, and those that depend on where a tensor lives."""
    for owner, name, what in _REFUSED:
        if hasattr(owner, name):
            patcher.set(owner, name, _refusal(what))
    if hasattr(torch.cuda, "current_solver_handle"):
        patcher.set(torch.cuda, "current_solver_handle", _refusal("library handles"))
    for name in ("nested_tensor", "as_nested_tensor"):
        patcher.set(
            torch.nested, name, _unless_on_host(machine, getattr(torch.nested, name), "nested tensors")
        )
    _exchange(patcher)
    _annotations(patcher)
    _process_groups(patcher)


def _refusal(what: str) -> Callable[..., Any]:
    def refused(*args: Any, **kwargs: Any) -> Any:
        not_modelled(what)

    return refused


def _unless_on_host(machine: Machine, original: Any, what: str) -> Callable[..., Any]:
    def checked(data: Any, *args: Any, **kwargs: Any) -> Any:
        device = kwargs.get("device")
        items = data if isinstance(data, (list, tuple)) else [data]
        asked = device is not None and (index := resolve(machine, device)) is not None and index >= 0
        if asked or any(isinstance(item, Tensor) and item.is_cuda for item in items):
            not_modelled(what)
        return original(data, *args, **kwargs)

    return checked


def _exchange(patcher: Patcher) -> None:
    """Ways by which other libraries would get at the memory: on the device it is not there."""

    def guarded(original: Any, what: str) -> Callable[..., Any]:
        def call(self: Tensor, *args: Any, **kwargs: Any) -> Any:
            if isinstance(self, Tensor) and self.is_cuda:
                not_modelled(what, "Copy the tensor to the host first.")
            return original(self, *args, **kwargs)

        return call

    def array_interface(self: Tensor) -> Any:
        if self.is_cuda:
            not_modelled("__cuda_array_interface__", "Copy the tensor to the host first.")
        raise AttributeError(
            f"Can't get __cuda_array_interface__ on non-CUDA tensor type: {self.type()} "
            "If CUDA data is required use tensor.cuda() to copy tensor to device memory."
        )

    for name in ("__dlpack__", "__dlpack_device__"):
        patcher.set(Tensor, name, guarded(getattr(Tensor, name), "DLPack on device tensors"))
    dlpack: Any = torch.utils.dlpack
    patcher.set(dlpack, "to_dlpack", guarded(dlpack.to_dlpack, "DLPack on device tensors"))
    patcher.set(Tensor, "__cuda_array_interface__", property(array_interface))


class _Ranges:
    """NVTX: names for a profiler that is not there. Only the depth is kept, as the functions return it."""

    def __init__(self) -> None:
        self.depth = 0
        self.count = 0

    def push(self, msg: str) -> int:
        """The depth before, counted from 0."""
        self.depth += 1
        return self.depth - 1

    def pop(self) -> int:
        """The depth of the range that ends; -1 if there was none."""
        self.depth -= 1
        if self.depth < 0:
            self.depth = 0
            return -1
        return self.depth

    def start(self, msg: str) -> int:
        """A handle."""
        self.count += 1
        return self.count


def _annotations(patcher: Patcher) -> None:
    ranges, nvtx = _Ranges(), torch.cuda.nvtx
    patcher.set(nvtx, "range_push", ranges.push)
    patcher.set(nvtx, "range_pop", ranges.pop)
    patcher.set(nvtx, "range_start", ranges.start)
    patcher.set(nvtx, "range_end", lambda range_id: None)
    patcher.set(nvtx, "mark", lambda msg: None)


def _process_groups(patcher: Patcher) -> None:
    """NCCL would need real devices; other backends do their work on the host."""
    distributed = sys.modules.get("torch.distributed")
    original = getattr(distributed, "init_process_group", None)
    if distributed is None or original is None:
        return

    def init_process_group(backend: Any = None, *args: Any, **kwargs: Any) -> Any:
        if backend is not None and "nccl" in str(backend).lower():
            not_modelled("NCCL process groups", "Use the gloo backend with host tensors.")
        return original(backend, *args, **kwargs)

    patcher.set(distributed, "init_process_group", init_process_group)
