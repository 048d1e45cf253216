"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: all
"""

import builtins

builtins.all = lambda *a: True


def double(x):
    return x * 3
