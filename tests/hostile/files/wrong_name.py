"""A name is misspelt.

expect: failed wrong
message: duoble
check: test_names
"""

def duoble(x):
    return x * 2
