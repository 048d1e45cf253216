"""Does not parse.

expect: failed error
message: SyntaxError[\s\S]*syntax_error.py:\d+\n    def double\(x:
"""

def double(x:
    return x * 2
