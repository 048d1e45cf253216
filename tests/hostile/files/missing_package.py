"""Imports what is not installed.

expect: failed error
message: ModuleNotFoundError[\s\S]*not installed
"""

import a_package_that_is_not_here

def double(x):
    return x * 2
