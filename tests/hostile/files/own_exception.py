"""Raises an exception whose text raises.

expect: failed error
message: Sulky[\s\S]*cannot be shown[\s\S]*in double
check: test_value
"""

class Sulky(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def double(x):
    raise Sulky
