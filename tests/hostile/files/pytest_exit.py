"""Calls pytest.exit with success.

expect: failed error
message: done
check: test_value
"""

import pytest


def double(x):
    pytest.exit('done', returncode=0)
