"""Raises KeyboardInterrupt while it is imported.

expect: failed error
message: KeyboardInterrupt
fresh: yes
"""

raise KeyboardInterrupt

def double(x):
    return x * 2
