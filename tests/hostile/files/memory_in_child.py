"""A child in a session of its own takes memory without end.

expect: failed memory
message: MiB
"""

import os
import time


def double(x):
    if os.fork() == 0:
        os.setsid()
        kept = []
        while True:
            kept.append(bytearray(b"x" * (1 << 24)))
    time.sleep(60)
