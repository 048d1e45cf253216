"""Mixes tabs and spaces.

expect: failed error
message: (TabError|IndentationError)
"""

def double(x):
        y = x
	return y * 2
