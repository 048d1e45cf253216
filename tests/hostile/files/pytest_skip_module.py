"""Skips itself while it is imported.

expect: failed error
message: all of it
"""

import pytest

pytest.skip('all of it', allow_module_level=True)

def double(x):
    return x * 2
