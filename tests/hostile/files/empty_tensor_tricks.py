"""Returns NaN.

expect: failed wrong
message: got: nan
check: test_value
"""

def double(x):
    return x * float('nan')
