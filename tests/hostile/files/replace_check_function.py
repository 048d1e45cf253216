"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: test_value
"""

import sys

for module in list(sys.modules.values()):
    if hasattr(module, 'test_value') and hasattr(module, 'test_gradient'):
        module.test_value = lambda submission, draw: None
        module.test_gradient.__code__ = (lambda submission, draw: None).__code__


def double(x):
    return x * 3
