"""Reads address zero.

expect: failed crashed
message: SIGSEGV[\s\S]*segfault.py:\d+, in double
check: test_value
"""

import ctypes


def double(x):
    return ctypes.string_at(0)
