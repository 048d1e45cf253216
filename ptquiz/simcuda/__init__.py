"""A simulated CUDA device: unmodified torch.cuda code runs without a GPU, and a missing synchronization is
a race.

    with simulated_cuda(devices=2, memory="256MiB") as machine:
        x = torch.ones(3, device="cuda")

What is not modelled stands in LIMITS.md and raises `NotModelled`.
"""

from ptquiz.simcuda.context import current_machine, simulated_cuda
from ptquiz.simcuda.errors import NotModelled
from ptquiz.simcuda.machine import Machine

__all__ = ["Machine", "NotModelled", "current_machine", "simulated_cuda"]
