"""Drops entries and says how much the driver really got back."""

import gc
from collections.abc import Sequence
from typing import Any

import torch


def release(holder: dict[str, Any], names: Sequence[str], device: torch.device | str | int) -> int:
    wanted = set(names)
    unknown = [name for name in wanted if name not in holder]
    if unknown:
        raise KeyError(f"unknown: {unknown}")
    before = torch.cuda.memory_reserved(device)
    for name in wanted:
        del holder[name]  # not pop: a variable for the value would keep the last one alive
    gc.collect()  # objects in reference cycles are not freed by counting
    torch.cuda.empty_cache()  # only now: what is still referenced is not cache
    # Measured, not added up: views, gradients and shared segments keep memory that was "dropped".
    return before - torch.cuda.memory_reserved(device)
