"""Sets an alarm that would end the process; the answer is right.

expect: passed
"""

import signal

signal.alarm(1)

def double(x):
    return x * 2
