"""Calls pytest.fail.

expect: failed error
message: nothing to see[\s\S]*cannot skip
check: test_value
"""

import pytest


def double(x):
    pytest.fail('nothing to see')
