"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: torch\.testing\.assert_close
"""

import torch

torch.testing.assert_close = print


def double(x):
    return x * 3
