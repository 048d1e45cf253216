"""Kills the process that started it.

expect: failed crashed
check: test_value
"""

import os
import signal
import time


def double(x):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(5)
    return x * 2
