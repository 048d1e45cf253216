"""Ignores every signal that can be ignored, then loops.

expect: failed timeout
message: seconds
check: test_value
"""

import contextlib
import signal

for number in range(1, 65):
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)


def double(x):
    while True:
        pass
