"""Blocks of simulated device memory and the pools in which free ones wait.

A segment is what the driver gave: a chain of blocks linked by `prev` and `next`. A free block waits in the
pool it came from, under the stream that allocated it, ordered by size and then address: the best fit is the
first one that is large enough, and among equals the lowest address.
"""

from __future__ import annotations

import gc
from bisect import bisect_left, insort
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ptquiz.simcuda.core.stats import Tally

PoolId = tuple[int, int]
StreamKey = tuple[int, int]  # device, stream


class Driver(Protocol):
    """What the allocator needs to know about the device's work. A point marks a place in a stream's queue."""

    def record(self, stream: StreamKey) -> Any: ...

    def done(self, point: Any) -> bool: ...

    def wait(self, point: Any) -> None: ...

    def ended(self, point: Any, device: int, address: int, size: int) -> None:
        """The use of a block that `point` stands for has ended; the block may be handed out again."""

    def release(self, device: int, address: int, size: int) -> None:
        """A segment goes back to the driver, which first waits for the whole device."""


class IdleDriver:
    """A device without work: whatever is recorded has already happened."""

    def record(self, stream: StreamKey) -> None:
        return None

    def done(self, point: Any) -> bool:
        return True

    def wait(self, point: Any) -> None:
        return None

    def ended(self, point: Any, device: int, address: int, size: int) -> None:
        return None

    def release(self, device: int, address: int, size: int) -> None:
        return None


class Block:
    """A range of device memory: `size` bytes at `address`, of which the owner asked for `requested`."""

    __slots__ = (
        "address",
        "allocated",
        "device",
        "events",
        "next",
        "pool",
        "prev",
        "requested",
        "size",
        "stream",
        "uses",
    )

    def __init__(self, device: int, stream: int, size: int, pool: BlockPool, address: int) -> None:
        self.device = device
        self.stream = stream
        self.size = size
        self.requested = 0
        self.pool = pool
        self.address = address
        self.allocated = False
        self.prev: Block | None = None
        self.next: Block | None = None
        self.uses: set[StreamKey] = set()  # other streams that use it, from record_stream
        self.events = 0  # uses that were pending when it was freed and have not been seen to end

    def __repr__(self) -> str:
        state = "allocated" if self.allocated else "pending" if self.events else "free"
        return (
            f"Block({self.address:#x}, {self.size} bytes, {state}, cuda:{self.device}, stream {self.stream})"
        )

    def is_free(self) -> bool:
        return not self.allocated and not self.events and not self.uses


class BlockPool:
    """The free blocks of one kind (small or large) of the default pools or of one `MemPool`."""

    __slots__ = ("free", "owner", "small", "tally")

    def __init__(self, small: bool, tally: Tally, owner: PrivatePool | None = None) -> None:
        self.small = small
        self.tally = tally
        self.owner = owner
        self.free: dict[int, list[tuple[int, int, Block]]] = {}  # by stream

    def put(self, block: Block) -> None:
        entry = (block.size, block.address, block)
        waiting = self.free.get(block.stream)
        if waiting is None:
            self.free[block.stream] = [entry]
        else:
            insort(waiting, entry)

    def remove(self, block: Block) -> None:
        waiting = self.free[block.stream]
        del waiting[bisect_left(waiting, (block.size, block.address))]

    def take_best(self, size: int, stream: int) -> Block | None:
        """Removes and returns the smallest free block of at least `size` bytes, or None."""
        waiting = self.free.get(stream)
        if not waiting:
            return None
        index = bisect_left(waiting, (size,))
        return waiting.pop(index)[2] if index < len(waiting) else None

    def blocks(self) -> list[Block]:
        """All free blocks, by stream, size and address."""
        return [entry[2] for stream in sorted(self.free) for entry in self.free[stream]]


class PrivatePool:
    """The two pools of one `torch.cuda.MemPool`, alive while somebody uses them or they own a segment."""

    __slots__ = ("id", "large", "no_split", "segments", "small", "use_count")

    def __init__(self, pool_id: PoolId, small: Tally, large: Tally) -> None:
        self.id = pool_id
        self.use_count = 1
        self.segments = 0
        self.no_split = False
        self.small = BlockPool(True, small, self)
        self.large = BlockPool(False, large, self)


class AddressSpace:
    """Hands out ranges of simulated addresses: the lowest gap that fits, so that freed ones come again."""

    def __init__(self, base: int) -> None:
        self._end = base  # of all that was ever handed out and lies below a live range
        self._gaps: list[tuple[int, int]] = []  # (first, end), ascending, never adjacent
        self._sizes: dict[int, int] = {}

    def take(self, size: int) -> int:
        for index, (first, end) in enumerate(self._gaps):
            if end - first >= size:
                self._gaps[index : index + 1] = [(first + size, end)] if end - first > size else []
                self._sizes[first] = size
                return first
        first = self._end
        self._end += size
        self._sizes[first] = size
        return first

    def give_back(self, address: int) -> None:
        first, end = address, address + self._sizes.pop(address)
        index = bisect_left(self._gaps, (first,))
        if index < len(self._gaps) and self._gaps[index][0] == end:
            end = self._gaps.pop(index)[1]
        if index and self._gaps[index - 1][1] == first:
            index -= 1
            first = self._gaps.pop(index)[0]
        if end == self._end:
            self._end = first
        else:
            self._gaps.insert(index, (first, end))


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: it may run a finalizer of the user's that comes back for memory."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def describe_segment(head: Block) -> dict[str, Any]:
    chain = [head]
    while chain[-1].next is not None:
        chain.append(chain[-1].next)
    active = [block for block in chain if not block.is_free()]
    owner = head.pool.owner
    return {
        "device": head.device,
        "address": head.address,
        "total_size": sum(block.size for block in chain),
        "allocated_size": sum(block.size for block in chain if block.allocated),
        "active_size": sum(block.size for block in active),
        "requested_size": sum(block.requested for block in active),
        "stream": head.stream,
        "segment_type": "small" if head.pool.small else "large",
        "segment_pool_id": owner.id if owner is not None else (0, 0),
        "is_expandable": False,
        "frames": [],
        "blocks": [_describe_block(block) for block in chain],
    }


def _describe_block(block: Block) -> dict[str, Any]:
    state = "inactive" if block.is_free() else "active_awaiting_free"
    return {
        "address": block.address,
        "size": block.size,
        "requested_size": block.requested,
        "state": "active_allocated" if block.allocated else state,
        "frames": [],
    }
