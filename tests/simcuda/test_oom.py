"""Running out of simulated memory."""

from __future__ import annotations

import re

import pytest
import torch

from ptquiz.simcuda import simulated_cuda

MIB = 1 << 20


@pytest.fixture
def machine():
    with simulated_cuda(memory="256MiB") as machine:
        yield machine


def mebibytes(n):
    return torch.empty(n * MIB, dtype=torch.uint8, device="cuda")


def test_the_error_is_pytorchs(machine):
    """torch.OutOfMemoryError, a RuntimeError, with PyTorch's words and numbers."""
    kept = mebibytes(100)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        mebibytes(200)
    assert isinstance(caught.value, RuntimeError)
    assert torch.cuda.OutOfMemoryError is torch.OutOfMemoryError
    assert re.match(
        r"CUDA out of memory\. Tried to allocate 200\.00 MiB\. GPU 0 has a total capacity of 256\.00 MiB"
        r" of which 156\.00 MiB is free\. .*Of the allocated memory 100\.00 MiB is allocated by PyTorch,"
        r" and 0 bytes is reserved by PyTorch but unallocated\.",
        str(caught.value),
    )
    del kept


def test_an_operation_that_fails_leaves_the_books_right(machine):
    """The result that found no room is not counted, and the device goes on working."""
    x = torch.zeros(100 * MIB // 4, device="cuda")
    y = x + 1
    with pytest.raises(torch.OutOfMemoryError):
        x + y
    assert torch.cuda.memory_allocated() == 200 * MIB
    stats = torch.cuda.memory_stats()
    assert (stats["num_ooms"], stats["num_alloc_retries"]) == (1, 1)
    del y
    z = x + 2
    assert torch.cuda.memory_allocated() == 200 * MIB
    assert torch.cuda.max_memory_allocated() == 200 * MIB
    del z


def test_backward_can_run_out_too(machine):
    """An error in the middle of backward arrives as itself, and what backward took comes back."""
    x = torch.zeros(80 * MIB // 4, device="cuda", requires_grad=True)
    loss = x.exp().sum()
    ballast = mebibytes(90)
    with pytest.raises(torch.OutOfMemoryError):
        loss.backward()
    del loss, ballast
    assert x.grad is None
    assert torch.cuda.memory_allocated() == 80 * MIB


def test_moving_to_a_full_device(machine):
    """.to and .cuda raise as factories do."""
    x = torch.empty(300 * MIB, dtype=torch.uint8)
    for move in (lambda: x.to("cuda"), lambda: x.cuda()):
        with pytest.raises(torch.OutOfMemoryError):
            move()
    assert torch.cuda.memory_allocated() == 0


def test_the_cache_goes_first(machine):
    """What is only cached does not stand in the way."""
    x = mebibytes(200)
    del x
    y = mebibytes(220)
    assert torch.cuda.memory_reserved() == 220 * MIB
    assert torch.cuda.memory_stats()["num_alloc_retries"] == 1
    del y


def test_fragments_stand_in_the_way(machine):
    """A segment with one small piece in use cannot go, however much of it is free."""
    big = [mebibytes(6) for _ in range(36)]  # three to a segment of 20 MiB
    del big[1::3], big[1::2]
    assert torch.cuda.memory_allocated() == 72 * MIB
    with pytest.raises(torch.OutOfMemoryError, match="is reserved by PyTorch but unallocated"):
        mebibytes(100)


def test_the_allowed_fraction(machine):
    """set_per_process_memory_fraction limits what is reserved and leaves mem_get_info alone."""
    torch.cuda.set_per_process_memory_fraction(0.5)
    assert torch.cuda.get_per_process_memory_fraction() == 0.5
    assert torch.cuda.mem_get_info() == (256 * MIB, 256 * MIB)
    x = mebibytes(100)
    with pytest.raises(torch.OutOfMemoryError, match=r"128\.00 MiB allowed; Of the allocated memory"):
        mebibytes(100)
    torch.cuda.set_per_process_memory_fraction(1.0)
    y = mebibytes(100)
    del x, y


def test_a_cap_is_a_limit_and_not_a_reservation(machine):
    """Setting the fraction takes no memory, and a cap below what is in use takes nothing away."""
    x = mebibytes(100)
    torch.cuda.set_per_process_memory_fraction(0.1)
    assert torch.cuda.memory_allocated() == 100 * MIB
    with pytest.raises(torch.OutOfMemoryError):
        mebibytes(1)
    del x


@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_fractions_out_of_range(machine, fraction):
    """PyTorch's own checks stay."""
    with pytest.raises(ValueError, match="Invalid fraction value"):
        torch.cuda.set_per_process_memory_fraction(fraction)
    with pytest.raises(TypeError, match="must be `float`"):
        torch.cuda.set_per_process_memory_fraction(1)
