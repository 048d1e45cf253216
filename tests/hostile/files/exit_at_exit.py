"""A wrong answer that hopes for a good exit code at the end.

expect: failed wrong
message: double\(x\)\[0, 0\] ==
check: test_value
"""

import atexit
import os

atexit.register(os._exit, 0)


def double(x):
    return x * 3
