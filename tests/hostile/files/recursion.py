"""Calls itself without end.

expect: failed error
message: RecursionError[\s\S]*without end
check: test_value
"""

def double(x):
    return double(x)
