"""Puts its own methods on the tensor that it returns.

expect: failed wrong
message: double\(x\)\[0, 0\]
check: test_value
"""

def double(x):
    y = x * 3
    y.detach = y.cpu = y.to = lambda *a, **k: x * 2
    return y
