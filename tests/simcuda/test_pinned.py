"""The caching allocator of pinned host memory."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ptquiz.simcuda.core.pinned import PinnedAllocator


class Work:
    """Streams that end their work only when told to."""

    def __init__(self) -> None:
        self.finished: set[tuple[int, int]] = set()

    def record(self, stream):
        return stream

    def done(self, point):
        return point in self.finished

    def wait(self, point):
        raise AssertionError("the pinned allocator never waits")

    def release(self, device, address, size):
        raise AssertionError("no device memory here")


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def pinned(work):
    return PinnedAllocator(work)


@pytest.mark.parametrize(
    ("asked", "size"), [(1, 1), (2, 2), (3, 4), (1000, 1024), (1024, 1024), (1025, 2048), (1 << 20, 1 << 20)]
)
def test_sizes_are_powers_of_two(pinned, asked, size):
    """A request is rounded up to the next power of two."""
    assert pinned.malloc(asked).size == size


def test_a_freed_block_is_handed_out_again(pinned):
    """The block freed last comes first, for any request of its size class."""
    a, b = pinned.malloc(1000), pinned.malloc(1000)
    pinned.free(a)
    pinned.free(b)
    assert pinned.malloc(600) is b
    assert pinned.malloc(1024) is a
    assert pinned.stats()["num_host_alloc"] == 2


def test_a_block_is_held_until_the_copies_end(pinned, work):
    """A freed block that a stream still copies is not given to anybody else."""
    block = pinned.malloc(1000)
    pinned.record_use(block, (0, 7))
    pinned.free(block)
    assert pinned.malloc(1000) is not block
    assert pinned.stats()["active_requests"]["current"] == 2
    work.finished.add((0, 7))
    assert pinned.malloc(1000) is block


def test_a_block_waits_for_every_stream(pinned, work):
    """With copies on two streams, both must have ended."""
    block = pinned.malloc(1000)
    pinned.record_use(block, (0, 7))
    pinned.record_use(block, (1, 9))
    pinned.free(block)
    work.finished.add((0, 7))
    assert pinned.malloc(1000) is not block
    work.finished.add((1, 9))
    assert pinned.malloc(1000) is block


def test_the_first_unfinished_copy_stops_the_search(pinned, work):
    """Blocks come back in the order in which they were freed, as in PyTorch."""
    first, second = pinned.malloc(1000), pinned.malloc(1000)
    pinned.record_use(first, (0, 7))
    pinned.record_use(second, (0, 8))
    pinned.free(first)
    pinned.free(second)
    work.finished.add((0, 8))
    assert pinned.malloc(1000) not in (first, second)


def test_no_two_blocks_overlap(pinned):
    """Live blocks have addresses of their own, and an unpinned one's address may come again."""
    blocks = [pinned.malloc(5000) for _ in range(4)]
    for low, high in pairwise(blocks):
        assert low.address + low.size <= high.address
    pinned.free(blocks[0])
    pinned.empty_cache()
    assert pinned.malloc(5000).address == blocks[0].address


def test_statistics(pinned):
    """allocations count what is pinned, cached or not; active counts what is handed out."""
    block = pinned.malloc(1000)
    pinned.free(block)
    stats = pinned.stats()
    assert stats["allocated_bytes"] == {"current": 1024, "peak": 1024, "allocated": 1024, "freed": 0}
    assert stats["active_bytes"] == {"current": 0, "peak": 1024, "allocated": 1024, "freed": 1024}
    pinned.reset_peak()
    pinned.reset_accumulated()
    assert pinned.stats()["active_bytes"] == {"current": 0, "peak": 0, "allocated": 0, "freed": 0}
    pinned.empty_cache()
    assert pinned.stats()["num_host_free"] == 1
    assert pinned.stats()["allocated_bytes"]["current"] == 0


def test_freeing_twice_is_refused(pinned):
    """The books are never spoilt in silence."""
    block = pinned.malloc(8)
    pinned.free(block)
    with pytest.raises(ValueError, match="freed twice"):
        pinned.free(block)
    with pytest.raises(ValueError, match="at least one byte"):
        pinned.malloc(0)
