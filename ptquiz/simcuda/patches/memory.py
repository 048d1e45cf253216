"""torch.cuda's memory functions: what they call in torch._C is replaced, so that torch's own code runs.

Argument checks, `device=None`, flattening and printing stay PyTorch's. What the allocators do not model
(recorded history, pluggable allocators, graph pools) is refused.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

import torch

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.core.allocator import DeviceAllocator, OutOfMemory
from ptquiz.simcuda.core.pools import Block, PoolId
from ptquiz.simcuda.errors import invalid_device, not_modelled, out_of_memory
from ptquiz.simcuda.machine import Machine

__all__ = ["install"]

_SETTINGS = {
    "PYTORCH_CUDA_ALLOC_CONF": "",
    "max_split_size": -1,
    "garbage_collection_threshold": 0.0,
    "expandable_segments": False,
    "pinned_num_register_threads": 1,
    "release_lock_on_cudamalloc": False,
    "pinned_use_cuda_host_register": False,
}
# A generic accelerator knows no preemptive rejections and no private pools.
_CUDA_ONLY = ("num_oom_rejections", "reserved_bytes_by_private_pools")


def install(machine: Machine, patcher: Patcher) -> None:
    """Replaces what reads and steers the caching allocators."""
    device, pinned = _DeviceMemory(machine), _PinnedMemory(machine)
    for allocator in machine.allocators:
        allocator.caller = _caller
    _patch(
        patcher,
        _cuda_memoryStats=device.stats,
        _cuda_resetAccumulatedMemoryStats=device.reset_accumulated,
        _cuda_resetPeakMemoryStats=device.reset_peak,
        _cuda_emptyCache=device.empty_cache,
        _cuda_setMemoryFraction=device.set_fraction,
        _cuda_getMemoryFraction=device.get_fraction,
        _cuda_memorySnapshot=device.snapshot,
        _cuda_cudaCachingAllocator_raw_alloc=device.raw_alloc,
        _cuda_cudaCachingAllocator_raw_delete=device.raw_delete,
        _accelerator_isAllocatorInitialized=lambda: True,
        _accelerator_getDeviceStats=device.accelerator_stats,
        _accelerator_resetAccumulatedStats=device.reset_accumulated,
        _accelerator_resetPeakStats=device.reset_peak,
        _accelerator_emptyCache=device.empty_cache,
        _accelerator_getMemoryInfo=device.info,
        _accelerator_emptyHostCache=pinned.empty_cache,
        _host_emptyCache=pinned.empty_cache,
        _cuda_hostMemoryStats=pinned.stats,
        _cuda_resetAccumulatedHostMemoryStats=pinned.reset_accumulated,
        _cuda_resetPeakHostMemoryStats=pinned.reset_peak,
    )
    _install_pools(machine, patcher, device)
    _install_runtime(patcher, device)
    _install_refusals(patcher)


def _patch(patcher: Patcher, **functions: Any) -> None:
    for name, function in functions.items():
        patcher.set(torch._C, name, function)


def _caller() -> object:
    """Who allocates. Backward runs in threads of its own on a GPU, which no pool of the caller serves."""
    return None if torch._C._current_autograd_node() is not None else threading.get_ident()


class _DeviceMemory:
    """The functions of torch._C on device memory. Each returns what has gone to the allocator first."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._raw: dict[int, Block] = {}

    def allocator(self, device: int) -> DeviceAllocator:
        if not 0 <= device < self._machine.count:
            raise RuntimeError(f"Invalid device argument {device}: did you call init?")
        self._machine.drain()
        allocator = self._machine.allocators[device]
        allocator.settle_pools()
        return allocator

    def stats(self, device: int) -> dict[str, Any]:
        with self._machine.lock:
            return self.allocator(device).stats()

    def accelerator_stats(self, device: int) -> dict[str, Any]:
        return {key: value for key, value in self.stats(device).items() if key not in _CUDA_ONLY}

    def reset_peak(self, device: int) -> None:
        with self._machine.lock:
            self.allocator(device).reset_peak()

    def reset_accumulated(self, device: int) -> None:
        with self._machine.lock:
            self.allocator(device).reset_accumulated()

    def empty_cache(self) -> None:
        with self._machine.lock:
            for device in range(self._machine.count):
                self.allocator(device).empty_cache()

    def set_fraction(self, fraction: float, device: int) -> None:
        with self._machine.lock:
            self.allocator(device).set_fraction(fraction)

    def get_fraction(self, device: int) -> float:
        with self._machine.lock:
            return self.allocator(device).get_fraction()

    def info(self, device: int) -> tuple[int, int]:
        if not 0 <= device < self._machine.count:
            raise invalid_device()
        with self._machine.lock:
            return self.allocator(device).mem_get_info()

    def snapshot(self, selection: tuple[int, int, bool] | None = None) -> dict[str, Any]:
        """Segments of all devices; nothing records history, so that the traces are empty."""
        pool: PoolId = (0, 0) if selection is None else selection[:2]
        with self._machine.lock:
            devices = range(self._machine.count)
            segments = [segment for device in devices for segment in self.allocator(device).snapshot(pool)]
        return {
            "segments": segments,
            "device_traces": [[] for _ in devices],
            "allocator_settings": dict(_SETTINGS),
            "external_annotations": [],
        }

    def raw_alloc(self, size: int, stream: int) -> int:
        """The address of `size` bytes on the current device for work on the stream with this handle."""
        if size == 0:
            return 0
        with self._machine.lock:
            try:
                block = self.allocator(self._machine.tls.device).malloc(size, stream)
            except OutOfMemory as error:
                raise out_of_memory(str(error)) from None
            self._raw[block.address] = block
            return block.address

    def raw_delete(self, address: int) -> None:
        if not address:
            return
        with self._machine.lock:
            block = self._raw.pop(address, None)
            if block is None:
                raise RuntimeError(f"invalid device pointer: {address:#x}")
            self.allocator(block.device).free(block)


class _PinnedMemory:
    """The functions of torch._C on pinned host memory."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def stats(self) -> dict[str, Any]:
        with self._machine.lock:
            self._machine.drain()
            return self._machine.pinned.stats()

    def empty_cache(self) -> None:
        with self._machine.lock:
            self._machine.drain()
            self._machine.pinned.empty_cache()

    def reset_peak(self) -> None:
        with self._machine.lock:
            self._machine.drain()
            self._machine.pinned.reset_peak()

    def reset_accumulated(self) -> None:
        with self._machine.lock:
            self._machine.drain()
            self._machine.pinned.reset_accumulated()


def _install_pools(machine: Machine, patcher: Patcher, memory: _DeviceMemory) -> None:
    ids = itertools.count(1)

    class MemPool:
        """`torch.cuda.MemPool`: memory of the current device from which `use_mem_pool` allocates."""

        def __init__(self, allocator: Any = None, use_on_oom: bool = False, no_split: bool = False) -> None:
            if allocator is not None:
                not_modelled("memory pools with an allocator of their own")
            self._id: PoolId = (0, next(ids))
            with machine.lock:
                self._allocator = memory.allocator(machine.tls.device)
                self._allocator.create_pool(self._id, use_on_oom, no_split)

        def __del__(self) -> None:
            if hasattr(self, "_allocator"):
                self._allocator.pool_gone(self._id)

        @property
        def id(self) -> PoolId:
            return self._id

        @property
        def allocator(self) -> None:
            return None

        def use_count(self) -> int:
            with machine.lock:
                return self._allocator.pool_use_count(self._id)

        def snapshot(self, include_traces: bool = True) -> Any:
            return memory.snapshot((*self._id, include_traces))["segments"]

    def begin(device: int, pool: PoolId) -> None:
        with machine.lock:
            memory.allocator(device).begin_pool(pool)

    def end(device: int, pool: PoolId) -> None:
        with machine.lock:
            memory.allocator(device).end_pool(pool)

    def release(device: int, pool: PoolId) -> None:
        with machine.lock:
            memory.allocator(device).release_pool(pool)

    functions = {
        "_cuda_beginAllocateCurrentThreadToPool": begin,
        "_cuda_endAllocateToPool": end,
        "_cuda_releasePool": release,
    }
    for owner in (torch._C, torch.cuda.memory):
        for name, function in functions.items():
            patcher.set(owner, name, function)
    for owner in (torch._C, torch.cuda.graphs):
        patcher.set(owner, "_cuda_isCurrentStreamCapturing", lambda: False)
    MemPool.__qualname__, MemPool.__module__ = "MemPool", "torch.cuda.memory"
    for owner in (torch.cuda, torch.cuda.memory):
        patcher.set(owner, "MemPool", MemPool)


def _install_runtime(patcher: Patcher, memory: _DeviceMemory) -> None:
    class Runtime:
        """`torch.cuda.cudart()`: the one function of the CUDA runtime that is modelled."""

        cudaMemGetInfo = staticmethod(memory.info)  # noqa: N815 - CUDA's name

        def __getattr__(self, name: str) -> Any:
            not_modelled(f"cudart().{name}")

    runtime = Runtime()
    patcher.set(torch.cuda, "cudart", lambda: runtime)


def _install_refusals(patcher: Patcher) -> None:
    def record_history(enabled: Any, *_: Any) -> None:
        if enabled:
            not_modelled("recorded memory history", "torch.cuda.memory_snapshot() shows the present state.")

    def enable(value: bool = True) -> None:
        if not value:
            not_modelled("a device without the caching allocator")

    def refuse(what: str) -> Any:
        def refused(*_: Any, **__: Any) -> Any:
            not_modelled(what)

        return refused

    _patch(
        patcher,
        _cuda_record_memory_history=record_history,
        _cuda_record_memory_history_legacy=record_history,
        _cuda_getAllocatorBackend=lambda: "native",
        _cuda_isHistoryEnabled=lambda: False,
        _cuda_allocationTraceback=lambda address: None,
        _cuda_memoryMetadataSupported=lambda: False,
        _cuda_setMemoryMetadata=refuse("metadata of the memory history"),
        _cuda_annotateMemory=refuse("metadata of the memory history"),
        _cuda_getMemoryMetadata=lambda: "",
        _cuda_cudaCachingAllocator_enable=enable,
        _cuda_cudaCachingAllocator_is_enabled=lambda: True,
        _cuda_cudaHostAllocator=refuse("the address of the host allocator"),
        _cuda_customAllocator=refuse("pluggable allocators"),
        _cuda_changeCurrentAllocator=refuse("pluggable allocators"),
        _cuda_getAllocator=refuse("pluggable allocators"),
        _cuda_attach_out_of_memory_observer=refuse("observers of running out of memory"),
        _cuda_getCheckpointState=refuse("checkpoints of memory pools"),
        _cuda_setCheckpointPoolState=refuse("checkpoints of memory pools"),
        _cuda_checkPoolLiveAllocations=refuse("checkpoints of memory pools"),
        _cuda_beginAllocateCurrentStreamToPool=refuse("memory pools of CUDA graphs"),
        _accelerator_setAllocatorSettings=refuse("other settings of the caching allocator"),
        _accelerator_getAllocatorSettings=lambda: "",
    )
    for owner in (torch._C, torch.cuda.memory):
        patcher.set(owner, "_cuda_beginAllocateToPool", refuse("memory pools of CUDA graphs"))
    for module in (torch.cuda, torch.cuda.memory):
        patcher.set(module, "list_gpu_processes", refuse("the processes on a device"))
