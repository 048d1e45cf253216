"""Takes memory without end while it is imported.

expect: failed memory
message: MiB
"""

KEPT = []
while True:
    KEPT.append(bytearray(b"x" * (1 << 24)))

def double(x):
    return x * 2
