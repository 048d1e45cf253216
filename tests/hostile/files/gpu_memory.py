"""Takes all memory of the device and keeps it; the next check must have some again.

expect: failed error
message: OutOfMemoryError
exercise: 2
check: test_work
"""

import torch


def work(gpu):
    kept = []
    while True:
        kept.append(torch.empty(1 << 24, device="cuda"))
