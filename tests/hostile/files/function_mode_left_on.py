"""Leaves a function mode on that answers yes.

expect: failed wrong
message: double\(x\)\[0, 0\]
check: test_value
"""

import torch
from torch.overrides import TorchFunctionMode


class Yes(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in ("allclose", "all", "equal"):
            return True
        return func(*args, **(kwargs or {}))


Yes().__enter__()


def double(x):
    return x * 3
