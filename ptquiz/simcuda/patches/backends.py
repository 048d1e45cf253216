"""Places where torch would take a library of the device, or a shortcut that the CPU's tensors do not have."""

from __future__ import annotations

from typing import Any

import torch
from torch.jit import _builtins as script_builtins

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.machine import Machine

__all__ = ["install"]

Tensor = torch.Tensor


def install(machine: Machine, patcher: Patcher) -> None:
    """cuDNN takes nothing, and what C++ moves to the host by itself is moved here."""
    patcher.set(torch.backends.cudnn, "is_acceptable", lambda tensor: False)
    patcher.set(torch.backends.cuda, "is_built", lambda: True)
    _ctc_loss(patcher)


def _ctc_loss(patcher: Patcher) -> None:
    original = torch.ctc_loss

    def ctc_loss(
        log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, *args: Any, **kwargs: Any
    ) -> Tensor:
        if log_probs.is_cuda:  # C++ takes the lengths to the host
            lengths = (input_lengths, target_lengths)
            input_lengths, target_lengths = (
                [int(n) for n in n_.tolist()] if isinstance(n_, Tensor) else n_ for n_ in lengths
            )
        return original(log_probs, targets, input_lengths, target_lengths, *args, **kwargs)

    patcher.set(torch, "ctc_loss", ctc_loss)


def known_to_script(patcher: Patcher, original: Any, wrapper: Any) -> None:
    """TorchScript finds a builtin by the function's identity: it finds the wrapper under the same name."""
    builtins: Any = script_builtins
    table = builtins._get_builtin_table()
    name = table.get(id(original))
    if name is not None:
        table[id(wrapper)] = name
        patcher.on_close(lambda: table.pop(id(wrapper), None))
