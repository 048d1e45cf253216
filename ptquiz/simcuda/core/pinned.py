"""The caching allocator of pinned host memory: PyTorch's rules on plain integers.

Requests are rounded up to a power of two and never split. A freed block comes back to its size's free list
once every stream that copied from or to it has got past those copies; the block freed last is handed out
first.

A block has a simulated address of its own, outside of any device, under which accesses by the host and by
copies can be compared. The time that the driver needs to pin memory is not modelled: it is reported as
zero.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ptquiz.simcuda.core.pools import AddressSpace, Driver, IdleDriver, StreamKey, uncollected
from ptquiz.simcuda.core.stats import Stat

_FIRST_ADDRESS = 0x2000_0000_0000
_PAGE = 4096


class PinnedBlock:
    """`size` bytes of pinned host memory at `address`, of which the owner asked for `requested`."""

    __slots__ = ("address", "allocated", "events", "requested", "size", "uses")

    def __init__(self, size: int, address: int) -> None:
        self.size = size
        self.address = address
        self.requested = 0
        self.allocated = False
        self.uses: set[StreamKey] = set()
        self.events = 0


class PinnedAllocator:
    """Pinned memory of the process; the host has no limit here but its real memory."""

    def __init__(self, driver: Driver | None = None) -> None:
        self._driver = driver or IdleDriver()
        self._space = AddressSpace(_FIRST_ADDRESS)
        self._free: dict[int, list[PinnedBlock]] = {}  # by size, freed last at the end
        self._pending: deque[tuple[Any, PinnedBlock]] = deque()
        self._allocations, self._allocated_bytes = Stat(), Stat()
        self._active: dict[int, tuple[Stat, Stat]] = {}  # by size: blocks, bytes

    def malloc(self, nbytes: int) -> PinnedBlock:
        """A block of at least `nbytes` bytes (>= 1)."""
        if nbytes <= 0:
            raise ValueError(f"a block has at least one byte (got {nbytes}); an empty tensor owns none")
        with uncollected():
            self._process_events()
            size = 1 << (nbytes - 1).bit_length()
            waiting = self._free.get(size)
            block = waiting.pop() if waiting else self._new_block(size)
            block.allocated = True
            block.requested = nbytes
            self._count_active(size, 1)
        return block

    def record_use(self, block: PinnedBlock, stream: StreamKey) -> None:
        """A copy on `stream` reads or writes the block."""
        block.uses.add(stream)

    def free(self, block: PinnedBlock) -> None:
        """Takes a block back; it is reused only after the recorded streams' present work."""
        if not block.allocated:
            raise ValueError(f"pinned block at {block.address:#x} freed twice")
        with uncollected():
            block.allocated = False
            uses, block.uses = sorted(block.uses), set()
            block.events = len(uses)
            for stream in uses:
                self._pending.append((self._driver.record(stream), block))
            if not uses:
                self._settle(block)

    def empty_cache(self) -> None:
        """Unpins every free block."""
        with uncollected():
            self._process_events()
            for size, waiting in self._free.items():
                for block in waiting:
                    self._space.give_back(block.address)
                    self._allocations.decrease(1)
                    self._allocated_bytes.decrease(size)
            self._free.clear()

    def stats(self) -> dict[str, Any]:
        """The nested dictionary of `torch.cuda.host_memory_stats_as_nested_dict`.

        Peaks of the active blocks are sums over the sizes' own peaks, as in PyTorch.
        """
        never = {"total": 0, "max": 0, "min": 0, "avg": 0}
        return {
            "num_host_alloc": self._allocations.allocated,
            "num_host_free": self._allocations.freed,
            "allocations": self._allocations.as_dict(),
            "active_requests": _total([count for count, _ in self._active.values()]),
            "allocated_bytes": self._allocated_bytes.as_dict(),
            "active_bytes": _total([nbytes for _, nbytes in self._active.values()]),
            "host_alloc_time": never | {"count": self._allocations.allocated},
            "host_free_time": never | {"count": self._allocations.freed},
        }

    def reset_peak(self) -> None:
        for stat in self._stats():
            stat.reset_peak()

    def reset_accumulated(self) -> None:
        for stat in self._stats():
            stat.reset_accumulated()

    def _stats(self) -> list[Stat]:
        return [
            self._allocations,
            self._allocated_bytes,
            *(s for pair in self._active.values() for s in pair),
        ]

    def _new_block(self, size: int) -> PinnedBlock:
        self._allocations.increase(1)
        self._allocated_bytes.increase(size)
        return PinnedBlock(size, self._space.take(-(-size // _PAGE) * _PAGE))

    def _process_events(self) -> None:
        """Caches blocks whose copies have ended; the first that has not stops the search."""
        while self._pending and self._driver.done(self._pending[0][0]):
            point, block = self._pending.popleft()
            self._driver.ended(point, -1, block.address, block.size)
            block.events -= 1
            if not block.events:
                self._settle(block)

    def _settle(self, block: PinnedBlock) -> None:
        self._free.setdefault(block.size, []).append(block)
        self._count_active(block.size, -1)

    def _count_active(self, size: int, sign: int) -> None:
        count, nbytes = self._active.setdefault(size, (Stat(), Stat()))
        if sign > 0:
            count.increase(1)
            nbytes.increase(size)
        else:
            count.decrease(1)
            nbytes.decrease(size)


def _total(stats: list[Stat]) -> dict[str, int]:
    names = ("current", "peak", "allocated", "freed")
    return {name: sum(getattr(stat, name) for stat in stats) for name in names}
