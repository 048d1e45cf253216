"""Leaves another device and stream current; the answer is right.

expect: passed
exercise: 2
"""

import torch


def work(gpu):
    torch.cuda.set_device(1)
    torch.cuda.set_stream(torch.cuda.Stream())
    torch.cuda.set_per_process_memory_fraction(0.001, 0)
