"""Raises GeneratorExit in a check.

expect: failed error
message: GeneratorExit: no[\s\S]*in double
check: test_value
"""

def double(x):
    raise GeneratorExit('no')
