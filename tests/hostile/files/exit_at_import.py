"""Ends the process with success while it is imported.

expect: failed exited
message: exit code 0
"""

import os

os._exit(0)

def double(x):
    return x * 2
