"""Everything that makes tensors: each puts its result where `device=`, or the default device, says."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _device as torch_device

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.copying import transfer
from ptquiz.simcuda.errors import not_modelled
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.patches.backends import known_to_script
from ptquiz.simcuda.placement import resolve
from ptquiz.simcuda.storage import CPU, HOST, state_of

__all__ = ["install"]

Tensor = torch.Tensor
_PLAIN = (
    "empty", "empty_permuted", "empty_strided", "ones", "zeros", "arange", "bartlett_window",
    "blackman_window", "eye", "full", "hamming_window", "hann_window", "kaiser_window", "linspace",
    "logspace", "rand", "randn",
    "randint", "randperm", "range", "tril_indices", "triu_indices", "scalar_tensor", "normal",
    "complex", "from_file",
)  # fmt: skip
_LIKE = ("empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like")
_NEW = ("new", "new_empty", "new_empty_strided", "new_zeros", "new_ones", "new_full")
_SPARSE = (
    "sparse_coo_tensor", "sparse_compressed_tensor", "sparse_csr_tensor", "sparse_csc_tensor",
    "sparse_bsr_tensor", "sparse_bsc_tensor", "empty_quantized",
)  # fmt: skip


def install(machine: Machine, patcher: Patcher) -> None:
    """The factories of torch, of tensors, and the default device."""
    takes_default = torch_device._device_constructors()  # cached by torch: filled before anything is replaced
    replaced: dict[Any, Callable[..., Any]] = {}

    def replace(owner: Any, name: str, wrap: Callable[..., Callable[..., Any]]) -> None:
        original = getattr(owner, name, None)
        if original is not None:
            replaced[original] = wrapper = functools.wraps(original)(wrap(machine, original))
            patcher.set(owner, name, wrapper)
            known_to_script(patcher, original, wrapper)

    for name in _PLAIN:
        replace(torch, name, _factory)
    for owner, name in ((torch.fft, "fftfreq"), (torch.fft, "rfftfreq")):
        replace(owner, name, _factory)
    for name in _LIKE:
        replace(torch, name, _beside)
    for name in _NEW:
        replace(Tensor, name, _beside)
    replace(Tensor, "new_tensor", _new_tensor)
    replace(torch, "tensor", _tensor)
    replace(torch, "as_tensor", _as_tensor)
    replace(torch, "asarray", _as_tensor)
    for name in _SPARSE:
        replace(torch, name, functools.partial(_refused, name))

    def torch_function(self: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if kwargs.get("device") is None and func in takes_default:
            kwargs["device"] = self.device
        return replaced.get(func, func)(*args, **kwargs)

    patcher.set(torch_device.DeviceContext, "__torch_function__", torch_function)


def _default(device: Any) -> Any:
    """The device asked for, or the default one if a block or `set_default_device` has set one."""
    if device is None:
        for index in reversed(range(torch._C._len_torch_function_stack())):
            mode = torch._C._get_function_stack_at(index)
            if isinstance(mode, torch_device.DeviceContext):
                return mode.device
    return device


def _placed(machine: Machine, place: int, original: Any, args: Any, kwargs: Any) -> Any:
    tls = machine.tls
    before, tls.placement = tls.placement, place
    try:
        return original(*args, **kwargs)
    finally:
        tls.placement = before


def _pinned(machine: Machine, out: Tensor, pin: Any, place: int) -> Tensor:
    if pin:
        if place >= 0:
            raise RuntimeError("Only dense CPU tensors can be pinned")
        machine.place_pinned(out)
    return out


def _factory(machine: Machine, original: Any) -> Callable[..., Any]:
    def factory(*args: Any, **kwargs: Any) -> Any:
        place = CPU
        device = kwargs.get("device")
        if device is HOST:
            return original(*args, **kwargs)
        if device is not None:
            found = resolve(machine, device)
            if found is None:
                return original(*args, **kwargs)
            place, kwargs["device"] = found, HOST
        elif kwargs.get("out") is not None or (args and isinstance(args[0], Tensor)):
            return original(*args, **kwargs)
        pin = kwargs.pop("pin_memory", False)
        return _pinned(machine, _placed(machine, place, original, args, kwargs), pin, place)

    return factory


def _beside(machine: Machine, original: Any) -> Callable[..., Any]:
    """`zeros_like(x)`, `x.new_zeros(…)`: beside `x` unless `device` says otherwise."""

    def beside(*args: Any, **kwargs: Any) -> Any:
        device = kwargs.get("device")
        if device is HOST:
            return original(*args, **kwargs)
        pin = kwargs.pop("pin_memory", False)
        place = _index(args[0]) if args else CPU
        if device is not None:
            found = resolve(machine, device)
            if found is None:
                return original(*args, **kwargs)
            place, kwargs["device"] = found, HOST
        out = _arrive(machine, _placed(machine, place, original, args, kwargs), place, None)
        return _pinned(machine, out, pin, place)

    return beside


def _tensor(machine: Machine, original: Any) -> Callable[..., Any]:
    def tensor(data: Any, *, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
        if device is HOST:
            return original(data, dtype=dtype, device=HOST, **kwargs)
        requires_grad = kwargs.pop("requires_grad", False)
        pin = kwargs.pop("pin_memory", False)
        place = _index(data)
        device = _default(device)
        if device is not None:
            found = resolve(machine, device)
            if found is None:
                return original(data, dtype=dtype, device=device, requires_grad=requires_grad, **kwargs)
            place, kwargs["device"] = found, HOST
        if isinstance(data, (list, tuple)):
            _read_scalars(data)
        out = _placed(machine, place, original, (data,), {"dtype": dtype, **kwargs})
        out = _arrive(machine, out, place, data)
        out = _pinned(machine, out, pin, place)
        return out.requires_grad_() if requires_grad else out

    return tensor


def _read_scalars(data: Any) -> None:
    """Device scalars in a list are read one by one, and each makes the host wait."""
    for item in data:
        if isinstance(item, Tensor):
            if item.is_cuda and item.numel() == 1:
                item.item()
        elif isinstance(item, (list, tuple)):
            _read_scalars(item)


def _arrive(machine: Machine, out: Tensor, place: int, data: Any) -> Tensor:
    """Values that torch has put on the host: copies them to where they belong, or sees them already there."""
    if place < 0 or _index(out) == place:
        return out
    source = state_of(data) if isinstance(data, Tensor) else None
    transfer(
        machine, out, machine.place(out, place), data if isinstance(data, Tensor) else out, source, False
    )
    return out


def _as_tensor(machine: Machine, original: Any) -> Callable[..., Any]:
    def as_tensor(data: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("device") is HOST:
            return original(data, *args, **kwargs)
        device = kwargs.pop("device", None)
        if len(args) > 1:
            device, args = args[1], args[:1]
        device = _default(device)
        here = data.device if isinstance(data, Tensor) else None
        if isinstance(data, (list, tuple)):
            _read_scalars(data)
        out = _placed(machine, _index(data), original, (data, *args), {**kwargs, "device": HOST})
        wanted = device if device is not None else here
        return out if wanted is None else out.to(wanted)

    return as_tensor


def _index(data: Any) -> int:
    state = state_of(data) if isinstance(data, Tensor) else None
    return CPU if state is None or state.device < 0 else state.device


def _new_tensor(machine: Machine, original: Any) -> Callable[..., Any]:
    def new_tensor(self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
        dtype = self.dtype if dtype is None else dtype
        return torch.tensor(data, dtype=dtype, device=self.device if device is None else device, **kwargs)

    return new_tensor


def _refused(name: str, machine: Machine, original: Any) -> Callable[..., Any]:
    def refused(*args: Any, **kwargs: Any) -> Any:
        device = kwargs.get("device")
        if (
            device is not None
            and (resolve(machine, device) or 0) >= 0
            and torch.device(device).type == "cuda"
        ):
            not_modelled(f"sparse or quantized tensors (torch.{name})")
        return original(*args, **kwargs)

    return refused
