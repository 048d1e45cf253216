"""Closes all descriptors.

expect: failed tampered
message: descriptors
"""

import os

os.closerange(0, 1024)

def double(x):
    return x * 2
