"""A module that has every name.

expect: failed wrong
message: defines `double`
check: test_names
"""

def __getattr__(name):
    return lambda x: x * 2
