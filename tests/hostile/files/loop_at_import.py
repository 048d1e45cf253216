"""Never ends importing.

expect: failed timeout
message: import[\s\S]*loop_at_import.py:\d+
"""

while True:
    pass

def double(x):
    return x * 2
