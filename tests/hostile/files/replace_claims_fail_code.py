"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: fail
"""

from ptquiz.worker import claims


def quiet(expected, came, look=''):
    return None


claims.fail.__code__ = quiet.__code__


def double(x):
    return x * 3
