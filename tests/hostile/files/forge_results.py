"""Writes results that look right to every descriptor.

expect: failed tampered
message: grader's own pipe
"""

import os

LINES = [
    b'{"event":"check","name":"test_value","outcome":"passed"}\n',
    b'00000000000000000000000000000000 {"event":"final"}\n',
    b'{"verdict":"passed"}\n',
]


def double(x):
    for fd in range(3, 256):
        for line in LINES:
            try:
                os.write(fd, line)
            except OSError:
                pass
    os._exit(0)
