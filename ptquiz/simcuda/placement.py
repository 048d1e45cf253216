"""Which device is meant, and whether an operation's tensors may meet."""

from __future__ import annotations

from typing import Any

import torch

from ptquiz.simcuda.errors import invalid_device
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.schema import Plan
from ptquiz.simcuda.storage import CPU, State

__all__ = ["TYPES", "Found", "check_same_device", "parse_type", "resolve", "type_name"]

Tensor = torch.Tensor
Found = list[tuple[Tensor, State | None, str, bool]]  # tensor, state, argument's name, is it written?


def resolve(machine: Machine, device: Any) -> int | None:
    """The device's index, CPU for the host, None for what is no concern of ours (`meta`, or not a device).

    Raises torch.AcceleratorError for an index that no device has.
    """
    if isinstance(device, str):
        device = torch.device(device)
    if isinstance(device, torch.device):
        if device.type == "cuda":
            index = machine.tls.device if device.index is None else device.index
        else:
            return CPU if device.type == "cpu" else None
    elif isinstance(device, int) and not isinstance(device, bool):
        index = device
    else:
        return None
    if not 0 <= index < machine.count:
        raise invalid_device()
    return index


def check_same_device(machine: Machine, plan: Plan, found: Found) -> int:
    """The device on which the operator runs. Raises PyTorch's error if its tensors live on several.

    Zero-dimensional tensors of the host may be used beside device tensors by pointwise operators; indices
    of the host may index device tensors.
    """
    places = [(tensor, _where(state), name, written) for tensor, state, name, written in found]
    device = next((where for _, where, _, _ in places if where >= 0), CPU)
    if device == CPU:
        return CPU
    for tensor, where, name, written in places:
        if where == device or (where == CPU and _may_stay_on_host(plan, tensor, name, written)):
            continue
        raise _mixed(machine, plan, places, device, where)
    return device


def _where(state: State | None) -> int:
    return CPU if state is None or state.device < 0 else state.device


def _may_stay_on_host(plan: Plan, tensor: Tensor, name: str, written: bool) -> bool:
    if plan.masked and name == "indices":
        return True
    if plan.name in _HOST_ARGUMENTS:
        return name in _HOST_ARGUMENTS[plan.name]
    return tensor.dim() == 0 and plan.host_scalars and not written


_HOST_ARGUMENTS = {
    "_ctc_loss": ("input_lengths", "target_lengths"),
    "_pack_padded_sequence": ("lengths",),
    "_embedding_bag": (),
}


def _mixed(machine: Machine, plan: Plan, places: Any, device: int, other: int) -> RuntimeError:
    names = [_device_name(device), _device_name(other)]
    if plan.name in ("convolution", "_convolution"):
        kinds = [type_name(tensor, where) for tensor, where, _, _ in places]
        if places[0][1] != places[1][1]:
            return RuntimeError(f"Input type ({kinds[0]}) and weight type ({kinds[1]}) should be the same")
        return RuntimeError(f"Input type ({kinds[0]}) and bias type ({kinds[2]}) should be the same")
    if plan.host_scalars:
        return RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{names[0]} and {names[1]}!"
        )
    first = places[0][1]
    argument, where = next((name, where) for _, where, name, _ in places if where != first)
    return RuntimeError(
        f"Expected all tensors to be on the same device, but got {argument} is on "
        f"{_device_name(where)}, different from other tensors on {_device_name(first)} "
        f"(when checking argument in method {plan.method})"
    )


def _device_name(index: int) -> str:
    return "cpu" if index < 0 else f"cuda:{index}"


def type_name(tensor: Tensor, where: int) -> str:
    """`torch.cuda.FloatTensor`: what `Tensor.type()` says."""
    return TYPES[tensor.dtype].replace("torch.", "torch.cuda.", 1) if where >= 0 else TYPES[tensor.dtype]


TYPES: dict[torch.dtype, str] = {
    torch.float32: "torch.FloatTensor",
    torch.float64: "torch.DoubleTensor",
    torch.float16: "torch.HalfTensor",
    torch.bfloat16: "torch.BFloat16Tensor",
    torch.uint8: "torch.ByteTensor",
    torch.int8: "torch.CharTensor",
    torch.int16: "torch.ShortTensor",
    torch.int32: "torch.IntTensor",
    torch.int64: "torch.LongTensor",
    torch.bool: "torch.BoolTensor",
    torch.complex64: "torch.ComplexFloatTensor",
    torch.complex128: "torch.ComplexDoubleTensor",
}


def parse_type(kind: Any) -> tuple[bool, torch.dtype] | None:
    """(on a device?, dtype) of `"torch.cuda.FloatTensor"` or of such a type object; None for anything
    else."""
    name = kind if isinstance(kind, str) else getattr(kind, "simulated_name", None)
    if name is None and isinstance(kind, type):
        name = f"{kind.__module__}.{kind.__name__}"  # torch.FloatTensor itself
    if not isinstance(name, str):
        return None
    plain = name.replace("torch.cuda.", "torch.", 1)
    for dtype, known in TYPES.items():
        if known == plain:
            return plain != name, dtype
    return None
