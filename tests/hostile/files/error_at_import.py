"""Raises while it is imported.

expect: failed error
message: ZeroDivisionError: division by zero\n  error_at_import.py:\d+\n    VALUE = 1 / 0
"""

VALUE = 1 / 0

def double(x):
    return x * 2
