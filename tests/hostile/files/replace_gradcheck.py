"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: torch\.autograd\.gradcheck
"""

import torch

torch.autograd.gradcheck = lambda *a, **k: True


def double(x):
    return x * 3
