"""A forked child runs on into the grader's code; its results must not count.

expect: passed
"""

import os

HERE = os.getpid()


def double(x):
    if os.getpid() == HERE and os.fork() == 0:
        return x * 3
    return x * 2
