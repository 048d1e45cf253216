"""Looks for the grader's objects with gc.

expect: failed wrong
message: double\(x\)
check: test_value
"""

import gc


def double(x):
    for thing in gc.get_objects():
        if type(thing).__name__ in ("Plugin", "Request", "Guard"):
            return x * 2
    return x * 3
