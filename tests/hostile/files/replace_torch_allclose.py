"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: torch\.allclose
fresh: yes
"""

import torch

torch.allclose = lambda *a, **k: True


def double(x):
    return x * 3
