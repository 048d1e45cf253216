"""Kills its own process group.

expect: failed crashed
message: SIGKILL
check: test_value
"""

import os
import signal


def double(x):
    os.killpg(0, signal.SIGKILL)
