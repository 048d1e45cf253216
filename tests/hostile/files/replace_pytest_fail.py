"""Replaces what the checks stand on; the answer is wrong.

expect: failed tampered
message: pytest\.fail
"""

import pytest

pytest.fail = print


def double(x):
    return x * 3
