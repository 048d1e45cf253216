"""Replaces torch.allclose inside a check.

expect: failed tampered
message: torch\.allclose
check: test_value
"""

import torch


def double(x):
    torch.allclose = lambda *a, **k: True
    return x * 2
