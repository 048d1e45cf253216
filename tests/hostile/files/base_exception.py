"""Raises BaseException in a check.

expect: failed error
message: BaseException: no[\s\S]*in double
check: test_value
"""

def double(x):
    raise BaseException('no')
