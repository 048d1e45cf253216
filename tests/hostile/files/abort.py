"""Aborts.

expect: failed crashed
message: SIGABRT[\s\S]*in double
check: test_value
"""

import os


def double(x):
    os.abort()
