"""Waits for a lock that it holds.

expect: failed timeout
message: in double\n    with LOCK, LOCK
check: test_value
"""

import threading

LOCK = threading.Lock()


def double(x):
    with LOCK, LOCK:
        return x * 2
