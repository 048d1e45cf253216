"""Prints sixty megabytes; the answer is right.

expect: passed
"""

import sys

for _ in range(60):
    sys.stdout.write("x" * (1 << 20))

def double(x):
    return x * 2
