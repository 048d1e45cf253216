"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: torch\.equal
"""

import torch

torch.equal = torch.is_tensor


def double(x):
    return x * 3
