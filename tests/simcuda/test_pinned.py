"""The caching allocator of pinned host memory."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptquiz.simcuda.core.pinned import PinnedAllocator


class Work:
    """Streams that end their work only when told to."""

    def __init__(self) -> None:
        self.finished: set[tuple[int, int]] = set()

    def record(self, stream):
        return stream

    def done(self, point):
        return point in self.finished

    def ended(self, point, device, address, size):
        """Nothing to remember."""

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


def test_peaks_are_summed_over_sizes(pinned):
    """As in PyTorch, each size has its own peak, and the total is their sum."""
    for nbytes in (1000, 5000):
        pinned.free(pinned.malloc(nbytes))
    assert pinned.stats()["active_bytes"]["peak"] == 1024 + 8192
    assert pinned.stats()["active_requests"]["peak"] == 2


orders = st.lists(
    st.one_of(
        st.tuples(st.just("malloc"), st.integers(1, 5000)),
        st.tuples(st.just("free"), st.integers(0, 20)),
        st.tuples(st.just("use"), st.integers(0, 20)),
        st.tuples(st.just("finish"), st.integers(0, 2)),
        st.tuples(st.just("empty"), st.just(0)),
    ),
    min_size=10,
    max_size=60,
)


@settings(derandomize=True, max_examples=80, deadline=None)
@given(orders)
def test_nothing_in_use_is_handed_out(orders):
    """No block that somebody holds, or that a copy still uses, overlaps a new one; the counters add up."""
    clock, finished = [0], [0, 0, 0]  # a stream's point is the time of its record

    class Streams(Work):
        def record(self, stream):
            clock[0] += 1
            return stream[1], clock[0]

        def done(self, point):
            return point[1] <= finished[point[0]]

    pinned = PinnedAllocator(Streams())
    held, uses, in_flight = [], {}, []
    for name, number in orders:
        if name == "malloc":
            block = pinned.malloc(number)
            in_flight = [(b, point) for b, point in in_flight if point[1] > finished[point[0]]]
            for other in [*held, *(b for b, _ in in_flight)]:
                apart = (
                    block.address >= other.address + other.size or other.address >= block.address + block.size
                )
                assert apart
            held.append(block)
        elif name == "finish":
            finished[number] = clock[0]
        elif name == "empty":
            pinned.empty_cache()
        elif held and name == "use":
            block = held[number % len(held)]
            pinned.record_use(block, (0, number % 3))
            uses.setdefault(id(block), set()).add(number % 3)
        elif held:
            block = held.pop(number % len(held))
            pinned.free(block)
            in_flight.extend((block, (stream, clock[0])) for stream in uses.pop(id(block), ()))
        stats = pinned.stats()
        assert stats["active_requests"]["current"] >= len(held)
        assert stats["allocated_bytes"]["current"] >= stats["active_bytes"]["current"]
        assert stats["active_bytes"]["current"] >= sum(block.size for block in held)


def test_freeing_twice_is_refused(pinned):
    """The books are never spoilt in silence."""
    block = pinned.malloc(8)
    pinned.free(block)
    with pytest.raises(ValueError, match="freed twice"):
        pinned.free(block)
    with pytest.raises(ValueError, match="at least one byte"):
        pinned.malloc(0)
