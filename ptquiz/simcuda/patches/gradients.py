"""Gradients must live where their tensors do: what C++ checks there it cannot see here."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import BackwardCFunction

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.machine import Machine

__all__ = ["install"]

Tensor = torch.Tensor
_Base: Any = torch._C.TensorBase
_INPUTS = "_simcuda_inputs"  # on a custom function's node: the devices of its tensor arguments


def install(machine: Machine, patcher: Patcher) -> None:
    """`tensor.grad = …`, and what a custom backward returns."""
    _assignment(patcher)
    _custom_functions(patcher)


def _assignment(patcher: Patcher) -> None:
    get, put, delete = _Base.grad.__get__, _Base.grad.__set__, _Base.grad.__delete__

    def set_grad(self: Tensor, value: Any) -> None:
        if isinstance(value, Tensor) and value.device != self.device and not self.is_meta:
            raise _misplaced(value.device, self.device)
        put(self, value)

    patcher.set(Tensor, "grad", property(get, set_grad, delete))


def _misplaced(grad: torch.device, tensor: torch.device) -> RuntimeError:
    if grad.type == tensor.type:
        return RuntimeError(
            f"attempting to assign a gradient located on device with index '{grad.index}' to a tensor "
            f"located on device with index '{tensor.index}'. Please ensure that the gradient and the tensor "
            "are on the same device"
        )
    return RuntimeError(
        f"attempting to assign a gradient with device type '{grad.type}' to a tensor with device type "
        f"'{tensor.type}'. Please ensure that the gradient and the tensor are on the same device"
    )


def _custom_functions(patcher: Patcher) -> None:
    forward = vars(torch.autograd.Function)["apply"]
    backward: Any = BackwardCFunction.apply
    node_type: Any = BackwardCFunction

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        out = forward.__get__(None, cls)(*args, **kwargs)
        first = out[0] if isinstance(out, tuple) and out else out
        node = first.grad_fn if isinstance(first, Tensor) else None
        if isinstance(node, node_type) and not hasattr(node, _INPUTS):
            setattr(node, _INPUTS, tuple(a.device if isinstance(a, Tensor) else None for a in args))
        return out

    def checked(self: Any, *grads: Any) -> Any:
        result = backward(self, *grads)
        wanted = getattr(self, _INPUTS, None)
        returned = result if isinstance(result, tuple) else (result,)
        if wanted is not None and len(returned) >= len(wanted):
            _check(self, wanted, returned)
        return result

    patcher.set(torch.autograd.Function, "apply", classmethod(apply))
    patcher.set(BackwardCFunction, "apply", checked)


def _check(node: Any, wanted: Any, returned: Any) -> None:
    for index, (device, grad, needed) in enumerate(
        zip(wanted, returned, node.needs_input_grad, strict=False)
    ):
        if device is None or not needed or not isinstance(grad, Tensor) or grad.device == device:
            continue
        raise RuntimeError(
            f"Function {type(node).__name__} returned an invalid gradient at index {index} - expected device "
            f"{device} but got {grad.device}"
        )
