"""The caching allocator of a simulated CUDA device: PyTorch's rules on plain integers.

Requests are rounded up to 512 bytes. Small ones (at most 1 MiB) are cut from segments of 2 MiB; larger ones
below 10 MiB from segments of 20 MiB; the rest get a segment of their own, rounded up to 2 MiB. A freed
block stays cached for the stream that allocated it. The driver gets memory back only by `empty_cache`, or
when it has none left.

The driver here takes nothing for itself: a fresh device is wholly free, where a real one has lost some
hundred MiB to the CUDA context. Expandable segments, a limit on splitting and garbage collection are not
modelled: all three are off by default in PyTorch. Nothing here locks: whoever calls holds the machine's
lock.
"""

from __future__ import annotations

import gc
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import Any

from ptquiz.simcuda.core.pools import (
    AddressSpace,
    Block,
    BlockPool,
    Driver,
    IdleDriver,
    PoolId,
    PrivatePool,
    StreamKey,
    describe_segment,
    uncollected,
)
from ptquiz.simcuda.core.sizes import EXBIBYTE, MIN_BLOCK, SMALL_LIMIT, OutOfMemory, complaint, segment_size
from ptquiz.simcuda.core.stats import BYTES, RESERVED, SPLIT, SPLIT_BYTES, DeviceStats

__all__ = ["DeviceAllocator", "OutOfMemory"]

_FIRST_ADDRESS = 0x7F00_0000_0000
_DEVICE_STRIDE = 1 << 40  # simulated address space of a device: addresses of two devices never meet


class DeviceAllocator:
    """Device memory of `capacity` bytes on device number `device`.

    `caller` names the thread that allocates; `begin_pool` routes allocations of one caller to a `MemPool`.
    """

    def __init__(
        self,
        device: int,
        capacity: int,
        driver: Driver | None = None,
        caller: Callable[[], object] = threading.get_ident,
    ) -> None:
        self.device = device
        self.capacity = capacity
        self.caller = caller
        self.counters = stats = DeviceStats()
        self._driver = driver or IdleDriver()
        self._small = BlockPool(True, stats.small)
        self._large = BlockPool(False, stats.large)
        self._segments: dict[int, Block] = {}  # the first block at each segment's address
        self._space = AddressSpace(_FIRST_ADDRESS + device * _DEVICE_STRIDE)
        self._allowed: int | None = None
        self._pending: dict[StreamKey, deque[tuple[Any, Block]]] = {}
        self._pools: dict[PoolId, PrivatePool] = {}
        self._freeable: set[PoolId] = set()
        self._last_resort: list[PoolId] = []  # pools made with use_on_oom
        self._routes: list[tuple[PoolId, object]] = []
        self._ended: deque[PoolId] = deque()

    # Blocks

    def malloc(self, nbytes: int, stream: int, pool: PoolId | None = None) -> Block:
        """A block of at least `nbytes` bytes (>= 1) for work on `stream`.

        It comes from `pool`, or from where the caller's requests go. Raises OutOfMemory when the device (or
        the fraction of it that is allowed) is full even without the cache.
        """
        if nbytes <= 0:
            raise ValueError(f"a block has at least one byte (got {nbytes}); an empty tensor owns none")
        # As `uncollected()`, which costs more: this is on the path of every operation.
        collects = gc.isenabled()
        if collects:
            gc.disable()
        try:
            return self._malloc(nbytes, stream, pool)
        finally:
            if collects:
                gc.enable()

    def free(self, block: Block) -> None:
        """Takes a block back. It is reused once the streams of `record_stream` have done with it."""
        if not block.allocated:
            raise ValueError(f"freed twice: {block!r}")
        collects = gc.isenabled()
        if collects:
            gc.disable()
        try:
            block.allocated = False
            block.pool.tally.returned(block.size)
            if block.uses:
                self._watch(block)
            else:
                self._settle(block)
        finally:
            if collects:
                gc.enable()

    def _malloc(self, nbytes: int, stream: int, pool: PoolId | None) -> Block:
        if self._pending:
            self._process_events()
        size = MIN_BLOCK if nbytes < MIN_BLOCK else (nbytes + MIN_BLOCK - 1) & ~(MIN_BLOCK - 1)
        small = size <= SMALL_LIMIT
        if pool is None and not self._routes:
            blocks = self._small if small else self._large
        else:
            blocks = self._pool_for(small, pool)
        waiting = blocks.free.get(stream)
        if waiting and (index := bisect_left(waiting, (size,))) < len(waiting):
            block = waiting.pop(index)[2]
        else:
            block = self._grow(blocks, size, stream, nbytes)
        return self._hand_out(block, size, nbytes)

    def record_stream(self, block: Block, stream: StreamKey) -> None:
        """Another stream uses the block; uses by the stream that allocated it need no record."""
        # PyTorch compares the streams' handles, and the default stream of every device has the handle 0.
        if stream[1] != block.stream or (stream[0] != block.device and stream[1] != 0):
            block.uses.add(stream)

    def _hand_out(self, block: Block, size: int, nbytes: int) -> Block:
        blocks = block.pool
        tally = blocks.tally
        was_split = block.prev is not None or block.next is not None
        left = block.size - size
        if left and self._splits(blocks, left):
            rest = block
            block = Block(rest.device, rest.stream, size, blocks, rest.address)
            before = block.prev = rest.prev
            if before is not None:
                before.next = block
            else:
                self._segments[block.address] = block
            block.next = rest
            rest.prev = block
            rest.address += size
            rest.size = left
            blocks.put(rest)
            if was_split:
                tally.current[SPLIT_BYTES] -= size
            else:
                tally.change(SPLIT_BYTES, left)
                tally.change(SPLIT, 1)
        elif was_split:
            tally.current[SPLIT_BYTES] -= block.size
            tally.current[SPLIT] -= 1
        block.allocated = True
        block.requested = nbytes
        tally.taken(block.size, nbytes)
        return block

    @staticmethod
    def _splits(blocks: BlockPool, left: int) -> bool:
        if blocks.owner is not None and blocks.owner.no_split:
            return False
        return left >= MIN_BLOCK if blocks.small else left > SMALL_LIMIT

    def _settle(self, block: Block) -> None:
        """Nobody uses the block any more: merges it with free neighbours and caches it."""
        blocks, size, requested = block.pool, block.size, block.requested
        merged, merged_bytes = 0, 0
        for other in (block.prev, block.next):
            if other is not None and other.is_free():
                merged += 1
                merged_bytes += other.size
                self._merge(block, other)
        blocks.put(block)
        split = block.prev is not None or block.next is not None
        count, nbytes = int(split) - merged, (block.size if split else 0) - merged_bytes
        tally = blocks.tally
        if count:
            tally.change(SPLIT, count)
        if nbytes:
            tally.change(SPLIT_BYTES, nbytes)
        tally.idle(size, requested)

    def _merge(self, block: Block, other: Block) -> None:
        """Adds a free neighbour to `block`; `other` is forgotten."""
        block.pool.remove(other)
        block.size += other.size
        if other is block.prev:
            block.address = other.address
            block.prev = other.prev
            if other.prev is not None:
                other.prev.next = block
            else:
                self._segments[block.address] = block
        else:
            block.next = other.next
            if other.next is not None:
                other.next.prev = block

    # Uses by other streams

    def _watch(self, block: Block) -> None:
        """Marks the present end of each stream that uses the block."""
        uses, block.uses = sorted(block.uses), set()
        block.events = len(uses)
        for stream in uses:
            self._pending.setdefault(stream, deque()).append((self._driver.record(stream), block))

    def _process_events(self) -> None:
        """Reclaims blocks whose uses have ended, in each stream's queue up to the first that has not."""
        for stream in list(self._pending):
            queue = self._pending[stream]
            while queue and self._driver.done(queue[0][0]):
                point, block = queue.popleft()
                self._driver.ended(point, self.device, block.address, block.size)
                self._use_ended(block)
            if not queue:
                del self._pending[stream]

    def _synchronize_events(self, owner: PrivatePool | None = None) -> None:
        """Waits for all recorded uses (of one private pool's blocks) and reclaims them."""
        self.counters.num_sync_all_streams += 1
        for stream in list(self._pending):
            kept: deque[tuple[Any, Block]] = deque()
            for point, block in self._pending.pop(stream):
                if owner is not None and block.pool.owner is not owner:
                    kept.append((point, block))
                    continue
                self._driver.wait(point)
                self._use_ended(block)
            if kept:
                self._pending[stream] = kept

    def _use_ended(self, block: Block) -> None:
        block.events -= 1
        if not block.events:
            self._settle(block)

    # Segments

    def _grow(self, blocks: BlockPool, size: int, stream: int, nbytes: int) -> Block:
        """A new segment for `size` bytes; when there is no room, the cache goes back to the driver first."""
        self.settle_pools()
        if nbytes >= EXBIBYTE:
            raise OutOfMemory("CUDA out of memory. Tried to allocate more than 1EB memory.")
        wanted = segment_size(size)
        block = self._new_segment(blocks, wanted, stream) or self._from_last_resort(blocks, size, stream)
        if block is None:
            self._release_cached((0, 0))
            self.counters.num_alloc_retries += 1
            block = self._new_segment(blocks, wanted, stream)
        if block is None:
            self.counters.num_ooms += 1
            raise OutOfMemory(self._complaint(wanted))
        return block

    def _new_segment(self, blocks: BlockPool, size: int, stream: int) -> Block | None:
        reserved = self.counters.total(RESERVED)
        limit = self.capacity if self._allowed is None else min(self.capacity, self._allowed)
        if reserved + size > limit:
            return None
        block = Block(self.device, stream, size, blocks, self._space.take(size))
        self._segments[block.address] = block
        owner = blocks.owner
        if owner is not None:
            owner.segments += 1
        self.counters.segment(size, blocks.small, owner.id if owner else None, 1)
        return block

    def _from_last_resort(self, blocks: BlockPool, size: int, stream: int) -> Block | None:
        if blocks.owner is not None:
            return None
        for pool_id in self._last_resort:
            pool = self._pools[pool_id]
            block = (pool.small if size <= SMALL_LIMIT else pool.large).take_best(size, stream)
            if block is not None:
                return block
        return None

    def _release_segment(self, block: Block) -> None:
        self._driver.release(self.device, block.address, block.size)
        block.pool.remove(block)
        del self._segments[block.address]
        self._space.give_back(block.address)
        owner = block.pool.owner
        if owner is not None:
            owner.segments -= 1
        self.counters.segment(block.size, block.pool.small, owner.id if owner else None, -1)

    def _release_free(self, blocks: BlockPool) -> None:
        for block in blocks.blocks():
            if block.prev is None and block.next is None:
                self._release_segment(block)

    def _release_cached(self, pool_id: PoolId) -> None:
        everything = pool_id == (0, 0)
        if everything:
            self._synchronize_events()
            self._release_free(self._large)
            self._release_free(self._small)
        for freeable in sorted(self._freeable):
            pool = self._pools[freeable]
            if not everything:
                if freeable != pool_id:
                    continue
                self._synchronize_events(pool)
            self._release_free(pool.small)
            self._release_free(pool.large)
            if not pool.segments:
                del self._pools[freeable]
                self._freeable.discard(freeable)

    def empty_cache(self, pool_id: PoolId = (0, 0)) -> None:
        """Gives every wholly free segment back to the driver, after waiting for uses by other streams.

        A `MemPool`'s segments go only when the pool has ended; `pool_id` restricts the call to one such pool.
        """
        self.settle_pools()
        with uncollected():
            self._release_cached(pool_id)

    # Pools

    def create_pool(self, pool_id: PoolId, use_on_oom: bool = False, no_split: bool = False) -> None:
        pool = self._retain(pool_id)
        pool.no_split = pool.no_split or no_split
        if use_on_oom:
            self._last_resort.append(pool_id)

    def _retain(self, pool_id: PoolId) -> PrivatePool:
        pool = self._pools.get(pool_id)
        if pool is None:
            pool = self._pools[pool_id] = PrivatePool(pool_id, self.counters.small, self.counters.large)
        else:
            pool.use_count += 1
        return pool

    def begin_pool(self, pool_id: PoolId, caller: object | None = None) -> None:
        """Routes the caller's requests to the pool until `end_pool`; the route entered last wins."""
        if any(routed == pool_id for routed, _ in self._routes):
            raise RuntimeError("beginAllocateToPool: already recording to mempool_id")
        self._retain(pool_id)
        self._routes.append((pool_id, self.caller() if caller is None else caller))

    def end_pool(self, pool_id: PoolId) -> None:
        for index, (routed, _) in enumerate(self._routes):
            if routed == pool_id:
                del self._routes[index]
                return
        raise RuntimeError("endAllocatePool: not currently recording to mempool_id")

    def release_pool(self, pool_id: PoolId) -> None:
        """One user fewer. A pool without users can be emptied."""
        pool = self._pools[pool_id]
        pool.use_count -= 1
        if not pool.use_count:
            self._freeable.add(pool_id)
            self._last_resort = [other for other in self._last_resort if other != pool_id]

    def pool_gone(self, pool_id: PoolId) -> None:
        """The pool's object has gone. Safe in a finalizer: only noted here, and done by `settle_pools`."""
        self._ended.append(pool_id)

    def settle_pools(self) -> None:
        """Ends the pools whose objects have gone, and returns what they no longer use to the driver."""
        while self._ended:
            pool_id = self._ended.popleft()
            with uncollected():
                self.release_pool(pool_id)
                self._release_cached(pool_id)

    def pool_use_count(self, pool_id: PoolId) -> int:
        return self._pools[pool_id].use_count

    def _pool_for(self, small: bool, pool_id: PoolId | None) -> BlockPool:
        if pool_id is None:
            caller = self.caller()
            pool_id = next((routed for routed, who in reversed(self._routes) if who == caller), None)
        if pool_id is None or pool_id == (0, 0):
            return self._small if small else self._large
        pool = self._pools[pool_id]
        return pool.small if small else pool.large

    # What can be asked

    @property
    def allocated_bytes(self) -> int:
        """Bytes of blocks that have an owner (rounded sizes)."""
        return self.counters.total(BYTES)

    @property
    def reserved_bytes(self) -> int:
        """Bytes of all segments."""
        return self.counters.total(RESERVED)

    def stats(self) -> dict[str, Any]:
        """The nested dictionary of `torch.cuda.memory_stats_as_nested_dict`."""
        return self.counters.nested()

    def reset_peak(self) -> None:
        self.counters.reset_peak()

    def reset_accumulated(self) -> None:
        self.counters.reset_accumulated()

    def set_fraction(self, fraction: float) -> None:
        """Limits the segments to `fraction` (0 to 1) of the capacity; what is there already stays."""
        self._allowed = int(fraction * self.capacity)

    def get_fraction(self) -> float:
        return 1.0 if self._allowed is None else self._allowed / self.capacity

    def mem_get_info(self) -> tuple[int, int]:
        """(free, total) bytes as the driver sees them: the cache counts as used."""
        return self.capacity - self.reserved_bytes, self.capacity

    def snapshot(self, pool_id: PoolId = (0, 0)) -> list[dict[str, Any]]:
        """All segments (or those of one pool), by address, as `torch.cuda.memory_snapshot` gives them."""
        heads = [self._segments[address] for address in sorted(self._segments)]
        if pool_id != (0, 0):
            heads = [head for head in heads if head.pool.owner is not None and head.pool.owner.id == pool_id]
        return [describe_segment(head) for head in heads]

    def _complaint(self, wanted: int) -> str:
        free, total = self.mem_get_info()
        private = sum(b.size for p in self._pools.values() for b in p.small.blocks() + p.large.blocks())
        allocated, reserved = self.allocated_bytes, self.reserved_bytes
        return complaint(self.device, wanted, total, free, self._allowed, allocated, reserved, private)
