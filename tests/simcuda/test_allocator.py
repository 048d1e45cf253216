"""The caching allocator's rules, one at a time."""

from __future__ import annotations

import gc
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from ptquiz.simcuda.core.allocator import DeviceAllocator
from ptquiz.simcuda.core.sizes import OutOfMemory, format_size, round_size, segment_size

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Work:
    """A device whose streams end their work only when told to."""

    def __init__(self) -> None:
        self.finished: set[tuple[int, int]] = set()
        self.waited: list[tuple[int, int]] = []
        self.released: list[tuple[int, int, int]] = []

    def record(self, stream):
        return stream

    def done(self, point):
        return point in self.finished

    def ended(self, point, device, address, size):
        """Nothing to remember."""

    def wait(self, point):
        self.waited.append(point)

    def release(self, device, address, size):
        self.released.append((device, address, size))


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def memory(work):
    return DeviceAllocator(0, 64 * MIB, work)


def segments(memory):
    return [(s["segment_type"], s["total_size"], [b["size"] for b in s["blocks"]]) for s in memory.snapshot()]


@pytest.mark.parametrize(
    ("asked", "rounded"),
    [(1, 512), (512, 512), (513, 1024), (1024, 1024), (1025, 1536), (MIB - 1, MIB), (MIB + 1, MIB + 512)],
)
def test_sizes_are_multiples_of_512_bytes(asked, rounded):
    """A block has the next multiple of 512 bytes."""
    assert round_size(asked) == rounded


@pytest.mark.parametrize(
    ("size", "segment"),
    [
        (512, 2 * MIB),
        (MIB, 2 * MIB),
        (MIB + 512, 20 * MIB),
        (10 * MIB - 512, 20 * MIB),
        (10 * MIB, 10 * MIB),
        (10 * MIB + 512, 12 * MIB),
        (21 * MIB, 22 * MIB),
    ],
)
def test_what_is_asked_of_the_driver(size, segment):
    """2 MiB for small blocks, 20 MiB below 10 MiB, then multiples of 2 MiB."""
    assert segment_size(size) == segment


def test_small_blocks_share_a_segment(memory):
    """Small blocks are cut one after the other from a segment of 2 MiB."""
    first, second = memory.malloc(100, 0), memory.malloc(1000, 0)
    assert second.address == first.address + 512
    assert segments(memory) == [("small", 2 * MIB, [512, 1024, 2 * MIB - 1536])]


def test_a_small_remainder_stays_in_a_large_block(memory):
    """A large block is split only if more than 1 MiB is left; what stays counts as allocated."""
    a = memory.malloc(11 * MIB, 0)
    assert a.size == 12 * MIB and memory.allocated_bytes == 12 * MIB
    b = memory.malloc(9 * MIB, 0)
    assert b.size == 9 * MIB
    assert memory.malloc(10 * MIB, 0).size == 11 * MIB, "1 MiB of the segment would be left"
    memory.free(b)
    assert memory.malloc(8 * MIB - 512, 0).size == 8 * MIB - 512, "more than 1 MiB is left"


def test_best_fit(memory):
    """The smallest block that fits is taken, not the first."""
    big, wall, small, end = (memory.malloc(size, 0) for size in (4096, 512, 1024, 512))
    memory.free(big)
    memory.free(small)
    assert memory.malloc(600, 0).address == small.address
    assert wall.allocated and end.allocated


def test_among_equals_the_lowest_address(memory):
    """Free blocks of one size are handed out from the lowest address on."""
    blocks = [memory.malloc(512, 0) for _ in range(6)]
    addresses = [block.address for block in blocks]
    memory.free(blocks[3])
    memory.free(blocks[1])
    assert memory.malloc(512, 0).address == addresses[1]
    assert memory.malloc(512, 0).address == addresses[3]


def test_free_neighbours_merge(memory):
    """Freed neighbours become one block, whatever the order; a wholly free segment is one block."""
    a, b, c = (memory.malloc(512, 0) for _ in range(3))
    memory.free(a)
    memory.free(c)
    assert memory.stats()["inactive_split"]["all"]["current"] == 2
    memory.free(b)
    assert segments(memory) == [("small", 2 * MIB, [2 * MIB])]
    assert memory.stats()["inactive_split"]["all"]["current"] == 0


def test_a_freed_block_is_handed_out_again(memory):
    """The same request on the same stream gets the same memory, without a call to the driver."""
    first = memory.malloc(MIB, 0).address
    block = memory.malloc(3 * MIB, 0)
    address = block.address
    memory.free(block)
    calls = memory.stats()["num_device_alloc"]
    assert memory.malloc(3 * MIB, 0).address == address != first
    assert memory.stats()["num_device_alloc"] == calls


def test_streams_do_not_share_the_cache(memory):
    """A block freed on one stream is no answer to a request on another."""
    block = memory.malloc(512, 0)
    address = block.address
    memory.free(block)
    assert memory.malloc(512, 7).address != address
    assert memory.reserved_bytes == 4 * MIB


def test_a_recorded_stream_delays_reuse(memory, work):
    """A block that another stream uses is active until that stream has got past its use."""
    block = memory.malloc(512, 0)
    address = block.address
    memory.record_stream(block, (0, 7))
    memory.free(block)
    stats = memory.stats()
    assert stats["allocated_bytes"]["all"]["current"] == 0
    assert stats["active_bytes"]["all"]["current"] == 512
    assert memory.snapshot()[0]["blocks"][0]["state"] == "active_awaiting_free"
    assert memory.malloc(512, 0).address != address
    work.finished.add((0, 7))
    assert memory.malloc(512, 0).address == address


def test_recording_the_own_stream_does_nothing(memory):
    """The stream that allocated a block needs no record."""
    block = memory.malloc(512, 7)
    address = block.address
    memory.record_stream(block, (0, 7))
    memory.free(block)
    assert memory.malloc(512, 7).address == address


def test_a_block_waits_for_every_recorded_stream(memory, work):
    """With two streams recorded, both must have got past it."""
    block = memory.malloc(512, 0)
    address = block.address
    memory.record_stream(block, (0, 7))
    memory.record_stream(block, (0, 8))
    memory.free(block)
    work.finished.add((0, 8))
    assert memory.malloc(512, 0).address != address
    work.finished.add((0, 7))
    assert memory.malloc(512, 0).address == address


def test_empty_cache_returns_free_segments_only(memory, work):
    """Only a segment without any block in use goes back to the driver."""
    keep, go = memory.malloc(512, 0), memory.malloc(3 * MIB, 0)
    memory.free(go)
    assert memory.reserved_bytes == 22 * MIB
    memory.empty_cache()
    assert memory.reserved_bytes == 2 * MIB
    assert work.released == [(0, go.address, 20 * MIB)]
    assert memory.mem_get_info() == (62 * MIB, 64 * MIB)
    assert keep.allocated


def test_empty_cache_waits_for_recorded_streams(memory, work):
    """Pending uses are waited for, so that their blocks can go."""
    block = memory.malloc(512, 0)
    memory.record_stream(block, (0, 7))
    memory.free(block)
    memory.empty_cache()
    assert work.waited == [(0, 7)]
    assert memory.reserved_bytes == 0
    assert memory.stats()["num_sync_all_streams"] == 1


def test_addresses_come_again_after_the_driver_had_them(memory):
    """A segment that went back can be given out again at its old address."""
    block = memory.malloc(3 * MIB, 0)
    memory.free(block)
    memory.empty_cache()
    assert memory.malloc(12 * MIB, 0).address == block.address


def test_devices_have_addresses_of_their_own():
    """No address belongs to two devices."""
    ends = [DeviceAllocator(i, 64 * GIB).malloc(60 * GIB, 0) for i in range(3)]
    for low, high in pairwise(ends):
        assert low.address + low.size <= high.address


def test_the_cache_is_given_up_before_memory_runs_out(memory):
    """A full device first returns its cache to the driver, and counts one retry."""
    block = memory.malloc(40 * MIB, 0)
    memory.free(block)
    memory.malloc(50 * MIB, 0)
    stats = memory.stats()
    assert (stats["num_alloc_retries"], stats["num_ooms"]) == (1, 0)
    assert memory.reserved_bytes == 50 * MIB


def test_out_of_memory_says_what_pytorch_says(memory):
    """Size of the segment, capacity, free, allocated and reserved, in PyTorch's words."""
    memory.malloc(30 * MIB, 0)
    memory.malloc(512, 0)
    with pytest.raises(OutOfMemory) as caught:
        memory.malloc(40 * MIB, 0)
    text = str(caught.value)
    assert text.startswith(
        "CUDA out of memory. Tried to allocate 40.00 MiB. GPU 0 has a total capacity of 64.00 MiB of which"
        " 32.00 MiB is free."
    )
    assert (
        "Of the allocated memory 30.00 MiB is allocated by PyTorch, and 2.00 MiB is reserved by PyTorch"
        in text
    )
    assert memory.stats()["num_ooms"] == 1
    assert memory.allocated_bytes == 30 * MIB + 512


def test_the_allowed_fraction_is_a_limit(memory):
    """Segments may not exceed the fraction; the message names what is allowed. What exists stays."""
    memory.set_fraction(0.5)
    kept = memory.malloc(30 * MIB, 0)
    with pytest.raises(OutOfMemory, match=r"32\.00 MiB allowed; Of the allocated"):
        memory.malloc(12 * MIB, 0)
    memory.set_fraction(0.25)
    assert memory.get_fraction() == 0.25
    assert memory.allocated_bytes == 30 * MIB
    memory.free(kept)
    memory.malloc(16 * MIB, 0)


def test_more_than_an_exbibyte(memory):
    """A request beyond reason has a message of its own."""
    with pytest.raises(OutOfMemory, match="more than 1EB"):
        memory.malloc(1 << 60, 0)


def test_peaks_and_their_reset(memory):
    """A peak stays until it is reset, which sets it to the present value."""
    a = memory.malloc(4 * MIB, 0)
    b = memory.malloc(5 * MIB, 0)
    memory.free(b)
    assert memory.stats()["allocated_bytes"]["all"] == {
        "current": 4 * MIB,
        "peak": 9 * MIB,
        "allocated": 9 * MIB,
        "freed": 5 * MIB,
    }
    memory.reset_peak()
    assert memory.stats()["allocated_bytes"]["all"]["peak"] == 4 * MIB
    memory.free(a)
    assert memory.stats()["allocated_bytes"]["all"]["peak"] == 4 * MIB


def test_accumulated_numbers_start_again(memory):
    """After a reset, allocated and freed count what happens from then on; current stays."""
    a = memory.malloc(4 * MIB, 0)
    memory.reset_accumulated()
    memory.free(a)
    memory.malloc(2 * MIB, 0)
    stats = memory.stats()["allocated_bytes"]["large_pool"]
    assert (stats["current"], stats["allocated"], stats["freed"]) == (2 * MIB, 2 * MIB, 4 * MIB)
    assert memory.stats()["num_device_alloc"] == 0


def test_freeing_twice_is_refused(memory):
    """The books are never spoilt in silence."""
    block = memory.malloc(512, 0)
    memory.free(block)
    with pytest.raises(ValueError, match="freed twice"):
        memory.free(block)
    with pytest.raises(ValueError, match="at least one byte"):
        memory.malloc(0, 0)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (512, "512 bytes"),
        (1024, "1024 bytes"),
        (1536, "1.50 KiB"),
        (MIB, "1024.00 KiB"),
        (20 * MIB, "20.00 MiB"),
        (GIB, "1024.00 MiB"),
        (2 * GIB, "2.00 GiB"),
        (1536 * GIB, "1536.00 GiB"),
    ],
)
def test_sizes_in_messages(size, text):
    """A unit begins above its own size, as in PyTorch's messages."""
    assert format_size(size) == text


def test_no_collection_inside(memory):
    """A garbage collection could run a finalizer that comes back for memory in the middle of the books."""
    inside = []

    def look(phase, info):
        frame = sys._getframe(1)
        code = frame.f_code
        at_the_door = code.co_name == "empty_cache"  # on the way in nothing has been touched
        if phase == "start" and Path(code.co_filename).parent.name == "core" and not at_the_door:
            inside.append((code.co_name, frame.f_lineno))

    before = gc.get_threshold()
    gc.callbacks.append(look)
    gc.set_threshold(1)
    try:
        for _ in range(50):
            blocks = [memory.malloc(size, 0) for size in (512, 4096, 2 * MIB)]
            for block in blocks:
                memory.free(block)
            memory.empty_cache()
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(look)
    assert inside == []
    assert gc.isenabled()


class TestPools:
    """Memory pools (`torch.cuda.MemPool`)."""

    def test_a_pool_has_segments_of_its_own(self, memory):
        """Inside of the route a request comes from the pool, outside from the device's pools."""
        memory.create_pool((0, 1))
        memory.begin_pool((0, 1), caller="me")
        memory.caller = lambda: "me"
        inside = memory.malloc(512, 0)
        memory.caller = lambda: "another thread"
        outside = memory.malloc(512, 0)
        memory.end_pool((0, 1))
        assert [s["segment_pool_id"] for s in memory.snapshot()] == [(0, 1), (0, 0)]
        assert inside.pool is not outside.pool
        assert memory.stats()["reserved_bytes_by_private_pools"][0, 1]["all"]["current"] == 2 * MIB

    def test_the_route_entered_last_wins(self, memory):
        """Nested routes of one caller: the inner one."""
        memory.caller = lambda: "me"
        for pool in ((0, 1), (0, 2)):
            memory.create_pool(pool)
            memory.begin_pool(pool)
        assert memory.malloc(512, 0).pool.owner.id == (0, 2)
        memory.end_pool((0, 2))
        assert memory.malloc(512, 0).pool.owner.id == (0, 1)

    def test_one_pool_at_a_time(self, memory):
        """A pool cannot be entered twice."""
        memory.create_pool((0, 1))
        memory.begin_pool((0, 1))
        with pytest.raises(RuntimeError, match="already recording"):
            memory.begin_pool((0, 1))

    def test_a_living_pool_keeps_its_segments(self, memory):
        """empty_cache leaves a living pool alone; when its object goes, so does its free memory."""
        memory.create_pool((0, 1))
        memory.begin_pool((0, 1))
        block = memory.malloc(512, 0)
        memory.end_pool((0, 1))
        memory.release_pool((0, 1))
        memory.free(block)
        memory.empty_cache()
        assert memory.reserved_bytes == 2 * MIB
        memory.pool_gone((0, 1))
        memory.settle_pools()
        assert memory.reserved_bytes == 0

    def test_an_ending_pool_waits_for_its_own_blocks_only(self, memory, work):
        """Recorded uses of other memory are left alone when a pool ends."""
        other = memory.malloc(512, 0)
        memory.record_stream(other, (0, 7))
        memory.free(other)
        memory.create_pool((0, 1))
        mine = memory.malloc(512, 0, (0, 1))
        memory.record_stream(mine, (0, 8))
        memory.free(mine)
        memory.pool_gone((0, 1))
        memory.settle_pools()
        assert work.waited == [(0, 8)]
        assert memory.stats()["active_bytes"]["all"]["current"] == 512
        assert memory.reserved_bytes == 2 * MIB

    def test_blocks_outlive_their_pool(self, memory):
        """A block in use keeps its segment; empty_cache takes it once it is free."""
        memory.create_pool((0, 1))
        memory.begin_pool((0, 1))
        block = memory.malloc(512, 0)
        memory.end_pool((0, 1))
        memory.release_pool((0, 1))
        memory.pool_gone((0, 1))
        memory.settle_pools()
        assert memory.reserved_bytes == 2 * MIB
        memory.free(block)
        memory.empty_cache()
        assert memory.reserved_bytes == 0

    def test_a_pool_for_emergencies(self, memory):
        """A pool made with use_on_oom serves others from its cache before they run out of memory."""
        memory.create_pool((0, 1), use_on_oom=True)
        memory.begin_pool((0, 1))
        block = memory.malloc(50 * MIB, 0)
        address = block.address
        memory.end_pool((0, 1))
        memory.free(block)
        assert memory.malloc(40 * MIB, 0).address == address
        assert memory.stats()["num_alloc_retries"] == 0

    def test_a_pool_that_does_not_split(self, memory):
        """With no_split a request gets a whole free block."""
        memory.create_pool((0, 1), no_split=True)
        memory.begin_pool((0, 1))
        assert memory.malloc(512, 0).size == 2 * MIB
