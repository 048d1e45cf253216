"""Says that it is a tensor.

expect: failed wrong
message: Liar
check: test_value
"""

import torch


class Liar:
    __class__ = torch.Tensor
    shape = (3, 2)


def double(x):
    return Liar()
