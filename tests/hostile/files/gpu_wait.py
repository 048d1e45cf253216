"""Waits for the device.

expect: failed wrong
message: host does not wait[\s\S]*gpu_wait.py:\d+
exercise: 2
check: test_work
"""

import torch


def work(gpu):
    gpu.busy(1.0)
    torch.cuda.synchronize()
