"""Ends the process with success inside a check.

expect: failed exited
message: exit code 0
check: test_value
"""

import os


def double(x):
    os._exit(0)
