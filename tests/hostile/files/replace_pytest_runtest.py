"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: Function\.runtest
"""

import _pytest.python

_pytest.python.Function.runtest = lambda self: None


def double(x):
    return x * 3
