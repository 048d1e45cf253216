"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: AssertionError
"""

import builtins


class Quiet(Exception):
    pass


builtins.AssertionError = Quiet


def double(x):
    return x * 3
