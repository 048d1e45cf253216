"""torch.cuda and torch.accelerator: how many devices there are, which is current, what they are."""

from __future__ import annotations

import os
import uuid
from typing import Any

import torch

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.errors import invalid_device
from ptquiz.simcuda.machine import Machine

__all__ = ["DeviceProperties", "install"]


class DeviceProperties:
    """What `torch.cuda.get_device_properties` gives: an Ampere-like device with the simulated memory."""

    def __init__(self, index: int, memory: int) -> None:
        self.name = "Simulated CUDA Device"
        self.major, self.minor = 8, 0
        self.total_memory = memory
        self.multi_processor_count = 108
        self.is_integrated = 0
        self.is_multi_gpu_board = 0
        self.max_threads_per_multi_processor = 2048
        self.max_threads_per_block = 1024
        self.shared_memory_per_block = 49152
        self.shared_memory_per_block_optin = 166912
        self.shared_memory_per_multiprocessor = 167936
        self.regs_per_multiprocessor = 65536
        self.warp_size = 32
        self.L2_cache_size = 41943040
        self.clock_rate = 1410000
        self.memory_clock_rate = 1215000
        self.memory_bus_width = 5120
        self.gcnArchName = self.name
        self.pci_bus_id, self.pci_device_id, self.pci_domain_id = index + 1, 0, 0
        self.uuid = uuid.UUID(int=index)

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory >> 20}MB, multi_processor_count={self.multi_processor_count}, "
            f"uuid={self.uuid}, pci_bus_id={self.pci_bus_id}, pci_device_id={self.pci_device_id}, "
            f"pci_domain_id={self.pci_domain_id}, L2_cache_size={self.L2_cache_size >> 20}MB)"
        )


def install(machine: Machine, patcher: Patcher) -> None:
    """Questions about devices, and the current one of each thread."""
    _forks(machine, patcher)
    _questions(machine, patcher)
    _current(machine, patcher)
    _accelerator(machine, patcher)
    if not torch._C._has_cuda:
        _numbers(patcher)


def _forks(machine: Machine, patcher: Patcher) -> None:
    opened_in = os.getpid()

    def is_in_bad_fork() -> bool:
        return os.getpid() != opened_in

    machine.is_forked = is_in_bad_fork
    patcher.set(torch.cuda, "_is_in_bad_fork", is_in_bad_fork)
    patcher.set(torch.cuda, "_initialized", True)


def _questions(machine: Machine, patcher: Patcher) -> None:
    cuda = torch.cuda
    properties = [DeviceProperties(index, machine.memory) for index in range(machine.count)]
    patcher.set(cuda, "is_available", lambda: True)
    patcher.set(cuda, "device_count", lambda: machine.count)
    patcher.set(cuda, "_cached_device_count", machine.count)
    patcher.set(cuda, "_is_compiled", lambda: True)
    patcher.set(cuda, "_get_device_properties", lambda index: properties[index])
    patcher.set(cuda, "is_bf16_supported", lambda including_emulation=True: True)
    patcher.set(cuda, "is_tf32_supported", lambda: True)
    patcher.set(cuda, "get_arch_list", lambda: ["sm_80"])
    patcher.set(cuda, "ipc_collect", lambda: None)
    patcher.set(torch._C, "_cuda_getDeviceCount", lambda: machine.count)
    patcher.set(torch._C, "_cuda_canDeviceAccessPeer", lambda a, b: a != b)
    patcher.set(torch._C, "_cuda_getArchFlags", lambda: "sm_80")
    patcher.set(torch._C, "_cuda_set_sync_debug_mode", lambda mode: setattr(machine, "sync_debug_mode", mode))
    patcher.set(torch._C, "_cuda_get_sync_debug_mode", lambda: machine.sync_debug_mode)


def _current(machine: Machine, patcher: Patcher) -> None:
    tls = machine.tls

    def get() -> int:
        return tls.device

    def set_(index: int) -> None:
        if not 0 <= index < machine.count:
            raise invalid_device()
        tls.device = index

    def exchange(index: int) -> int:
        if index < 0:
            return -1
        before = tls.device
        set_(index)
        return before

    for name, call in (("getDevice", get), ("setDevice", set_), ("exchangeDevice", exchange)):
        patcher.set(torch._C, f"_cuda_{name}", call)
    patcher.set(torch._C, "_cuda_maybeExchangeDevice", exchange)
    patcher.set(torch.cuda, "_exchange_device", exchange)
    patcher.set(torch.cuda, "_maybe_exchange_device", exchange)


class _DeviceType(type):
    """`torch.device` of a build without CUDA, where a bare number is no device."""

    original = torch.device

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and type(args[0]) is int:
            args = ("cuda", args[0])
        return cls.original(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.original)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return issubclass(subclass, cls.original)


def _numbers(patcher: Patcher) -> None:
    patcher.set(torch, "device", _DeviceType("device", (), {"__module__": "torch"}))


_DTYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128"


def _accelerator(machine: Machine, patcher: Patcher) -> None:
    own = torch._C
    patcher.set(own, "_accelerator_getAccelerator", lambda: torch.device("cuda"))
    patcher.set(own, "_get_accelerator", lambda check=None: torch.device("cuda"))
    patcher.set(own, "_accelerator_getDeviceIndex", lambda: machine.tls.device)
    patcher.set(own, "_accelerator_setDeviceIndex", lambda index: own._cuda_setDevice(index))
    patcher.set(own, "_accelerator_exchangeDevice", lambda index: own._cuda_exchangeDevice(index))
    patcher.set(own, "_accelerator_maybeExchangeDevice", lambda index: own._cuda_exchangeDevice(index))
    patcher.set(own, "_accelerator_getDefaultGenerator", lambda index: torch.cuda.default_generators[index])
    capability = {"supported_dtypes": {getattr(torch, name) for name in _DTYPES.split()}}
    patcher.set(torch.accelerator, "get_device_capability", lambda device=None, /: capability)
    patcher.set(torch, "get_device_module", torch.get_device_module.__wrapped__)  # without its cache
