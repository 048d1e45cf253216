"""Counters of the caching allocators, under the names that `torch.cuda.memory_stats` uses.

A `Stat` has four numbers: `current`, `peak`, `allocated` (all increases since the last reset) and `freed`
(all decreases). A `Tally` keeps the nine statistics of one kind of pool; it stores `current`, `peak` and the
increases, because the decreases follow from them, and counting is on the path of every operation.
"""

from __future__ import annotations

from typing import Any

KINDS = ("all", "large_pool", "small_pool")
METRICS = (
    "allocation",
    "segment",
    "active",
    "inactive_split",
    "allocated_bytes",
    "reserved_bytes",
    "active_bytes",
    "inactive_split_bytes",
    "requested_bytes",
)
ALLOCATION, SEGMENT, ACTIVE, SPLIT, BYTES, RESERVED, ACTIVE_BYTES, SPLIT_BYTES, REQUESTED = range(
    len(METRICS)
)
_OF_BLOCKS = (ALLOCATION, BYTES, ACTIVE, ACTIVE_BYTES, REQUESTED)

StatDict = dict[str, int]


class Stat:
    """One statistic that changes seldom enough to be counted plainly."""

    __slots__ = ("allocated", "current", "freed", "peak")

    def __init__(self) -> None:
        self.current = self.peak = self.allocated = self.freed = 0

    def increase(self, amount: int) -> None:
        self.current += amount
        self.allocated += amount
        self.peak = max(self.peak, self.current)

    def decrease(self, amount: int) -> None:
        self.current -= amount
        self.freed += amount

    def reset_accumulated(self) -> None:
        self.allocated = self.freed = 0

    def reset_peak(self) -> None:
        self.peak = self.current

    def as_dict(self) -> StatDict:
        return {"current": self.current, "peak": self.peak, "allocated": self.allocated, "freed": self.freed}


class Tally:
    """The nine statistics of `METRICS` for the large or the small pools of a device.

    Their sum is the statistic of all pools; only its peaks have to be kept, in the `top` that the two share.
    """

    __slots__ = ("_base", "current", "increases", "other", "peak", "top")

    def __init__(self, top: list[int]) -> None:
        size = len(METRICS)
        self.current = [0] * size
        self.peak = [0] * size
        self.increases = [0] * size
        self.top = top
        self.other: Tally = self
        # What `current` and `increases` were at the last reset of the accumulated numbers.
        self._base = ([0] * size, [0] * size)

    def taken(self, size: int, requested: int) -> None:
        """A block of `size` bytes was handed out for a request of `requested` bytes."""
        current, increases = self.current, self.increases
        current[ALLOCATION] += 1
        current[BYTES] += size
        current[ACTIVE] += 1
        current[ACTIVE_BYTES] += size
        current[REQUESTED] += requested
        # `active` grows with `allocation`, so that one pair of increases serves both.
        increases[ALLOCATION] += 1
        increases[BYTES] += size
        increases[REQUESTED] += requested
        peak, top, other = self.peak, self.top, self.other.current
        for metric in _OF_BLOCKS:
            now = current[metric]
            if now > peak[metric]:
                peak[metric] = now
            now += other[metric]
            if now > top[metric]:
                top[metric] = now

    def returned(self, size: int) -> None:
        """The owner gave a block of `size` bytes back; streams may still use it."""
        self.current[ALLOCATION] -= 1
        self.current[BYTES] -= size

    def idle(self, size: int, requested: int) -> None:
        """Nobody uses the block any more."""
        current = self.current
        current[ACTIVE] -= 1
        current[ACTIVE_BYTES] -= size
        current[REQUESTED] -= requested

    def change(self, metric: int, amount: int) -> None:
        """Moves one statistic by a signed amount."""
        now = self.current[metric] = self.current[metric] + amount
        if amount > 0:
            self.increases[metric] += amount
            self.peak[metric] = max(self.peak[metric], now)
            self.top[metric] = max(self.top[metric], now + self.other.current[metric])

    def reset_accumulated(self) -> None:
        self._base = (list(self.current), list(self.increases))

    def stat(self, metric: int) -> StatDict:
        source = {ACTIVE: ALLOCATION, ACTIVE_BYTES: BYTES}.get(metric, metric)
        current = self.current[metric]
        allocated = self.increases[source] - self._base[1][source]
        freed = allocated - (current - self._base[0][metric])
        return {"current": current, "peak": self.peak[metric], "allocated": allocated, "freed": freed}


class DeviceStats:
    """All counters of one device's allocator; `nested()` has the shape of `torch._C._cuda_memoryStats`."""

    def __init__(self) -> None:
        self._top = [0] * len(METRICS)
        self.large, self.small = Tally(self._top), Tally(self._top)
        self.large.other, self.small.other = self.small, self.large
        self.private_reserved: dict[tuple[int, int], tuple[Stat, Stat, Stat]] = {}
        self.oversize_allocations = Stat()
        self.oversize_segments = Stat()
        self.clear_events()

    def clear_events(self) -> None:
        self.num_alloc_retries = self.num_ooms = self.num_sync_all_streams = 0
        self.num_device_alloc = self.num_device_free = 0

    def segment(self, size: int, small: bool, owner: tuple[int, int] | None, sign: int) -> None:
        """A segment of `size` bytes came from the driver (sign 1) or went back to it (sign -1)."""
        tally = self.small if small else self.large
        tally.change(SEGMENT, sign)
        tally.change(RESERVED, sign * size)
        if owner is not None:
            stats = self.private_reserved.setdefault(owner, (Stat(), Stat(), Stat()))
            for stat in (stats[0], stats[2 if small else 1]):
                (stat.increase if sign > 0 else stat.decrease)(size)
        if sign > 0:
            self.num_device_alloc += 1
        else:
            self.num_device_free += 1

    def total(self, metric: int) -> int:
        """The present value of a statistic for all pools."""
        return self.large.current[metric] + self.small.current[metric]

    def reset_peak(self) -> None:
        for tally in (self.large, self.small):
            tally.peak = list(tally.current)
        self._top[:] = [self.total(metric) for metric in range(len(METRICS))]
        for stat in self._plain_stats():
            stat.reset_peak()

    def reset_accumulated(self) -> None:
        for tally in (self.large, self.small):
            tally.reset_accumulated()
        for stat in self._plain_stats():
            stat.reset_accumulated()
        self.clear_events()

    def _plain_stats(self) -> list[Stat]:
        private = [stat for stats in self.private_reserved.values() for stat in stats]
        return [self.oversize_allocations, self.oversize_segments, *private]

    def nested(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "num_alloc_retries": self.num_alloc_retries,
            "num_ooms": self.num_ooms,
            "max_split_size": -1,  # unlimited: the default of PyTorch, which shows its largest size as -1
            "num_sync_all_streams": self.num_sync_all_streams,
            "num_device_alloc": self.num_device_alloc,
            "num_device_free": self.num_device_free,
            "num_oom_rejections": 0,  # counts a policy that is off by default
        }
        for index, metric in enumerate(METRICS):
            large, small = self.large.stat(index), self.small.stat(index)
            both = {name: value + small[name] for name, value in large.items()}
            result[metric] = {
                "all": both | {"peak": self._top[index]},
                "large_pool": large,
                "small_pool": small,
            }
        result["oversize_allocations"] = self.oversize_allocations.as_dict()
        result["oversize_segments"] = self.oversize_segments.as_dict()
        result["reserved_bytes_by_private_pools"] = {
            pool: {kind: s.as_dict() for kind, s in zip(KINDS, stats, strict=True)}
            for pool, stats in self.private_reserved.items()
        }
        return result
