"""Raises the recursion limit, then calls itself without end.

expect: failed *
check: test_value
"""

import sys

sys.setrecursionlimit(10**9)


def double(x):
    sys.setrecursionlimit(10**9)
    return repr(nested(x))


def nested(x):
    y = []
    for _ in range(10**6):
        y = [y]
    return y
