"""Raises KeyboardInterrupt while it is imported.

expect: failed error
message: KeyboardInterrupt
"""

raise KeyboardInterrupt

def double(x):
    return x * 2
