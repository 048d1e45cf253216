"""Stops itself.

expect: failed timeout
message: seconds
check: test_value
"""

import os
import signal


def double(x):
    os.kill(os.getpid(), signal.SIGSTOP)
    return x * 2
