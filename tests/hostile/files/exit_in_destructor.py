"""A destructor ends the process.

expect: failed exited
message: exit code 0
"""

import os


class Bomb:
    def __del__(self):
        os._exit(0)


def double(x):
    Bomb()
    return x * 2
