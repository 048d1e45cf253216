"""Forks without end.

expect: failed memory
message: processes
"""

import os
import time


def double(x):
    while True:
        if os.fork() == 0:
            time.sleep(60)
