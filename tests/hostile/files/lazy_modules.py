"""Imports torch._dynamo and more; the answer is right.

expect: passed
check_seconds: 30
"""

import torch
import torch._dynamo
import torch.fx

optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
optimizer.step()
torch.set_default_dtype(torch.float64)

def double(x):
    return x * 2
