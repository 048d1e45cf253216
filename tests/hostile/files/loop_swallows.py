"""Swallows every exception in an endless loop.

expect: failed timeout
message: in double
check: test_value
"""

import time


def double(x):
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            pass
