"""Leaves a race behind.

expect: failed wrong
message: data race[\s\S]*gpu_race.py:\d+
exercise: 2
check: test_work
"""

import torch


def work(gpu):
    side = torch.cuda.Stream()
    y = torch.zeros(1000, device="cuda")
    with torch.cuda.stream(side):
        y.add_(1)
