"""Takes memory without end.

expect: failed memory
message: MiB
check: test_value
"""

import torch

KEPT = []


def double(x):
    while True:
        KEPT.append(torch.ones(1 << 22))
