"""Aborts.

expect: failed crashed
message: SIGABRT[\s\S]*in double
fresh: yes
check: test_value
"""

import os


def double(x):
    os.abort()
