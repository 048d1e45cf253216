"""A tensor subclass that answers yes to everything.

expect: failed wrong
message: Yes
check: test_value
"""

import torch


class Yes(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func.__name__ in ("allclose", "equal", "all", "__bool__"):
            return True
        return super().__torch_function__(func, types, args, kwargs or {})


def double(x):
    return (x * 3).as_subclass(Yes)
