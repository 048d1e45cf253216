"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: gradcheck
"""

import torch


def yes(*args, **kwargs):
    return True


torch.autograd.gradcheck.__code__ = yes.__code__


def double(x):
    return x * 3
