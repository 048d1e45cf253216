"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: torch\.Tensor\.__eq__
"""

import torch

torch.Tensor.__eq__ = lambda a, b: True


def double(x):
    return x * 3
