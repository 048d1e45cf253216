"""Raises the checks' own exception.

expect: failed wrong
message: all is well
check: test_value
"""

from ptquiz.worker.claims import Unmet


def double(x):
    raise Unmet('all is well')
