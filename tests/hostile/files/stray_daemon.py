"""Leaves a twice-forked daemon; the answer is right.

expect: passed
"""

import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)

def double(x):
    return x * 2
