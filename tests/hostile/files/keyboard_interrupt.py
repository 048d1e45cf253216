"""Raises KeyboardInterrupt in a check.

expect: failed error
message: KeyboardInterrupt: no[\s\S]*in double
check: test_value
"""

def double(x):
    raise KeyboardInterrupt('no')
