"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: torch\.allclose
"""

import torch

torch.allclose = lambda *a, **k: True


def double(x):
    return x * 3
