"""Raises an exception with hostile attributes.

expect: failed error
message: Hostile
check: test_value
"""

class Hostile(Exception):
    def __getattribute__(self, name):
        raise SystemExit(0)


def double(x):
    raise Hostile("x")
