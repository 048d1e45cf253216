"""Reads the stack with inspect.

expect: failed tampered
message: looked into the grader
check: test_value
"""

import inspect


def double(x):
    return inspect.currentframe().f_back.f_locals["x"] * 2
