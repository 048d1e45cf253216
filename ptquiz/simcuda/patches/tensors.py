"""What a tensor says of itself: its device, its address, whether it is pinned; and how the host looks into
it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.copying import read_by_host
from ptquiz.simcuda.errors import not_modelled, numpy_refused
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.patches.streams import handle_of
from ptquiz.simcuda.placement import type_name
from ptquiz.simcuda.storage import PINNED, state_of

__all__ = ["install"]

Tensor = torch.Tensor
_Base: Any = torch._C.TensorBase
_Storage: Any = torch.UntypedStorage
_device_of = _Base.device.__get__
_is_cpu = _Base.is_cpu.__get__


def install(machine: Machine, patcher: Patcher) -> None:
    """Tensor's getters, the methods by which the host reads, and storages made without a tensor."""
    _storages(machine, patcher)
    _where(machine, patcher)
    _addresses(machine, patcher)
    _pinning(machine, patcher)
    _reading(machine, patcher)


def _storages(machine: Machine, patcher: Patcher) -> None:
    """`torch.UntypedStorage(nbytes, device="cuda")`: bytes of a new allocation."""
    make = _Storage.__new__

    def new(cls: Any, *args: Any, **kwargs: Any) -> Any:
        where = kwargs.get("device")
        if where is None or torch.device(where).type != "cuda" or cls is not _Storage:
            return make(cls, *args, **kwargs)
        if len(args) == 1 and not isinstance(args[0], int):
            return torch.tensor(args[0], dtype=torch.uint8, device=where).untyped_storage()
        return torch.empty(*args, dtype=torch.uint8, device=where).untyped_storage()

    patcher.set(_Storage, "__new__", new)


def _where(machine: Machine, patcher: Patcher) -> None:
    devices = machine.devices

    def device(self: Tensor) -> torch.device:
        state = state_of(self)
        return devices[state.device] if state is not None and state.device >= 0 else _device_of(self)

    def is_cuda(self: Tensor) -> bool:
        state = state_of(self)
        return state is not None and state.device >= 0

    def is_cpu(self: Tensor) -> bool:
        return not is_cuda(self) and bool(_is_cpu(self))

    def get_device(self: Tensor) -> int:
        state = state_of(self)
        return state.device if state is not None and state.device >= 0 else -1

    patcher.set(Tensor, "device", property(device))
    patcher.set(Tensor, "is_cuda", property(is_cuda))
    patcher.set(Tensor, "is_cpu", property(is_cpu))
    patcher.set(Tensor, "get_device", get_device)
    patcher.set(torch, "get_device", get_device)
    patcher.set(torch.UntypedStorage, "is_cuda", property(_storage_is_cuda))
    patcher.set(torch.UntypedStorage, "device", property(_storage_device(machine)))
    patcher.set(torch.UntypedStorage, "get_device", lambda self: _storage_index(self))


def _storage_index(storage: Any) -> int:
    state = storage._simcuda
    return state.device if state is not None and state.device >= 0 else -1


def _storage_is_cuda(self: Any) -> bool:
    return _storage_index(self) >= 0


def _storage_device(machine: Machine) -> Callable[[Any], torch.device]:
    original = _Storage.device.__get__

    def device(self: Any) -> torch.device:
        index = _storage_index(self)
        return machine.devices[index] if index >= 0 else original(self)

    return device


def _addresses(machine: Machine, patcher: Patcher) -> None:
    tensor_ptr = Tensor.data_ptr
    storage_ptr = torch.UntypedStorage.data_ptr

    def data_ptr(self: Tensor) -> int:
        state = state_of(self)
        if state is None or state.block is None:
            return int(tensor_ptr(self))
        return int(state.address + self.storage_offset() * self.element_size()) if self.numel() else 0

    def storage_data_ptr(self: Any) -> int:
        state = self._simcuda
        return state.address if state is not None and state.block is not None else int(storage_ptr(self))

    patcher.set(Tensor, "data_ptr", data_ptr)
    patcher.set(torch.UntypedStorage, "data_ptr", storage_data_ptr)


def _pinning(machine: Machine, patcher: Patcher) -> None:
    def is_pinned(self: Tensor, device: Any = None) -> bool:
        state = state_of(self)
        return state is not None and state.device == PINNED

    def pin_memory(self: Tensor, device: Any = None) -> Tensor:
        state = state_of(self)
        if state is not None and state.device == PINNED:
            return self
        if state is not None and state.device >= 0:
            raise RuntimeError(f"cannot pin '{type_name(self, 0)}' only dense CPU tensors can be pinned")
        machine.tls.paused += 1
        try:
            out = self.detach().clone(memory_format=torch.preserve_format)
        finally:
            machine.tls.paused -= 1
        machine.place_pinned(out)
        return out

    def record_stream(self: Tensor, stream: Any) -> None:
        state = state_of(self)
        if state is None or state.device < 0:
            raise NotImplementedError(
                "Could not run 'aten::record_stream' with arguments from the 'CPU' backend. "
                "This operator is only available for tensors on a device."
            )
        if state.block is not None:
            with machine.lock:
                key = (stream.device_index, handle_of(stream.stream_id, stream.device_index))
                machine.allocators[state.device].record_stream(state.block, key)

    def share_memory_(self: Any) -> Any:
        state = state_of(self) if isinstance(self, Tensor) else self._simcuda
        if state is not None and state.device >= 0:
            not_modelled("sharing device memory between processes")
        return share(self) if isinstance(self, Tensor) else share_storage(self)

    def is_shared(self: Tensor) -> bool:
        return self.is_cuda or bool(shared(self))

    own: Any = Tensor
    shared, share, share_storage = own.is_shared, own.share_memory_, _Storage.share_memory_
    patcher.set(Tensor, "is_pinned", is_pinned)
    patcher.set(Tensor, "pin_memory", pin_memory)
    patcher.set(Tensor, "record_stream", record_stream)
    patcher.set(Tensor, "is_shared", is_shared)
    patcher.set(Tensor, "share_memory_", share_memory_)
    patcher.set(torch.UntypedStorage, "share_memory_", share_memory_)


def _reading(machine: Machine, patcher: Patcher) -> None:
    tls = machine.tls
    own: Any = Tensor
    numpy, tolist, array, represent = own.numpy, own.tolist, own.__array__, own.__repr__

    def refuse_device(self: Tensor, reason: str) -> None:
        state = state_of(self)
        if state is not None and state.device >= 0:
            raise numpy_refused(machine.devices[state.device])
        read_by_host(machine, self, reason)

    def to_numpy(self: Tensor, *, force: bool = False) -> Any:
        if force and self.is_cuda:
            return self.detach().cpu().resolve_conj().resolve_neg().numpy()
        refuse_device(self, "Tensor.numpy")
        return numpy(self, force=force)

    def to_array(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        refuse_device(self, "Tensor.__array__")
        return array(self, *args, **kwargs)

    def to_list(self: Tensor) -> Any:
        return _unseen(machine, self, "Tensor.tolist", tolist)

    def to_text(self: Tensor, *, tensor_contents: Any = None) -> str:
        if tls.paused:
            return str(represent(self, tensor_contents=tensor_contents))
        text: str = _unseen(
            machine, self, "Tensor.__repr__", lambda t: represent(t, tensor_contents=tensor_contents)
        )
        return text

    patcher.set(Tensor, "numpy", to_numpy)
    patcher.set(Tensor, "__array__", to_array)
    patcher.set(Tensor, "tolist", to_list)
    patcher.set(Tensor, "__repr__", to_text)


def _unseen(machine: Machine, tensor: Tensor, reason: str, call: Callable[[Tensor], Any]) -> Any:
    """The host reads the tensor once; what torch does to get there is not put on the device."""
    read_by_host(machine, tensor, reason)
    machine.tls.paused += 1
    try:
        return call(tensor)
    finally:
        machine.tls.paused -= 1
