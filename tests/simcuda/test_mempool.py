"""torch.cuda.MemPool and use_mem_pool."""

from __future__ import annotations

import threading

import pytest
import torch

from ptquiz.simcuda import simulated_cuda
from ptquiz.simcuda.errors import NotModelled

MIB = 1 << 20


@pytest.fixture(autouse=True)
def machine():
    with simulated_cuda(devices=2, memory="256MiB") as machine:
        yield machine


def test_a_pool_has_segments_of_its_own():
    """Inside of use_mem_pool tensors come from the pool; its id marks the segments."""
    pool = torch.cuda.MemPool()
    other = torch.cuda.MemPool()
    assert pool.id != other.id
    with torch.cuda.use_mem_pool(pool):
        inside = torch.ones(10, device="cuda")
    outside = torch.ones(10, device="cuda")
    assert torch.cuda.memory_reserved() == 4 * MIB
    assert [s["segment_pool_id"] for s in pool.snapshot()] == [pool.id]
    assert sorted(s["segment_pool_id"] for s in torch.cuda.memory_snapshot()) == [(0, 0), pool.id]
    assert other.snapshot() == []
    del inside, outside


def test_memory_of_a_pool_stays_in_it():
    """What is freed in a pool serves the pool again, and nobody else."""
    pool = torch.cuda.MemPool()
    with torch.cuda.use_mem_pool(pool):
        x = torch.empty(50 * MIB, dtype=torch.uint8, device="cuda")
    del x
    y = torch.empty(50 * MIB, dtype=torch.uint8, device="cuda")
    assert torch.cuda.memory_reserved() == 100 * MIB
    with torch.cuda.use_mem_pool(pool):
        z = torch.empty(50 * MIB, dtype=torch.uint8, device="cuda")
    assert torch.cuda.memory_reserved() == 100 * MIB
    del y, z


def test_a_living_pool_is_not_emptied():
    """empty_cache leaves the memory of a living pool; deleting the pool gives it back."""
    pool = torch.cuda.MemPool()
    with torch.cuda.use_mem_pool(pool):
        x = torch.empty(50 * MIB, dtype=torch.uint8, device="cuda")
    del x
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() == 50 * MIB
    del pool
    assert torch.cuda.memory_reserved() == 0


def test_use_count():
    """The object is one user, a running use_mem_pool another."""
    pool = torch.cuda.MemPool()
    assert pool.use_count() == 1
    with torch.cuda.use_mem_pool(pool):
        assert pool.use_count() == 2
    assert pool.use_count() == 1


def test_only_the_calling_thread_uses_the_pool():
    """Another thread's tensors come from the device's own pools."""
    pool = torch.cuda.MemPool()
    box = []
    with torch.cuda.use_mem_pool(pool):
        thread = threading.Thread(target=lambda: box.append(torch.ones(10, device="cuda")))
        thread.start()
        thread.join()
    assert pool.snapshot() == []
    assert box[0].is_cuda


def test_backward_does_not_use_the_pool():
    """On a GPU backward runs in threads of its own: gradients come from the device's pools."""
    pool = torch.cuda.MemPool()
    x = torch.ones(10, device="cuda", requires_grad=True)
    with torch.cuda.use_mem_pool(pool):
        y = (x * 2).sum()
        y.backward()
    owners = {s["segment_pool_id"]: s["allocated_size"] for s in torch.cuda.memory_snapshot()}
    assert x.grad is not None
    # y is in the pool, x and its gradient are not.
    assert owners == {(0, 0): 1024, pool.id: 512}


def test_statistics_by_pool():
    """memory_stats has the reserved bytes of each pool."""
    pool = torch.cuda.MemPool()
    with torch.cuda.use_mem_pool(pool):
        x = torch.ones(10, device="cuda")
    key = f"reserved_bytes_by_private_pools.{pool.id[0]}_{pool.id[1]}.all.current"
    assert torch.cuda.memory_stats()[key] == 2 * MIB
    del x


def test_a_pool_on_another_device():
    """A pool belongs to the device that is current when it is made."""
    with torch.cuda.device(1):
        pool = torch.cuda.MemPool()
    with torch.cuda.use_mem_pool(pool, device=1):
        x = torch.ones(10, device="cuda:1")
    assert [(s["device"], s["segment_pool_id"]) for s in torch.cuda.memory_snapshot()] == [(1, pool.id)]
    del x


def test_wrong_uses():
    """A pool is not entered twice, and an allocator of one's own is refused."""
    pool = torch.cuda.MemPool()
    with (
        torch.cuda.use_mem_pool(pool),
        pytest.raises(RuntimeError, match="already recording"),
        torch.cuda.use_mem_pool(pool),
    ):
        pass
    with pytest.raises(NotModelled, match="allocator"):
        torch.cuda.MemPool(object())
