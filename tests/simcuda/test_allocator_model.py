"""The caching allocator against a slow model that scans lists and knows only the plain rules."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from ptquiz.simcuda.core.allocator import DeviceAllocator, OutOfMemory

KIB, MIB = 1 << 10, 1 << 20
CAPACITY = 96 * MIB
POOL = (0, 1)
BASE = 0x7F00_0000_0000


class Work:
    """A device whose streams end their work only when told to."""

    def __init__(self) -> None:
        self.recorded: dict[tuple[int, int], int] = {}
        self.finished: dict[tuple[int, int], int] = {}
        self.released: list[tuple[int, int]] = []

    def record(self, stream):
        self.recorded[stream] = self.recorded.get(stream, 0) + 1
        return stream, self.recorded[stream]

    def done(self, point):
        return point[1] <= self.finished.get(point[0], 0)

    def ended(self, point, device, address, size):
        """Nothing to remember."""

    def wait(self, point):
        self.finished[point[0]] = max(self.finished.get(point[0], 0), point[1])

    def finish(self, stream):
        self.finished[stream] = self.recorded.get(stream, 0)

    def release(self, device, address, size):
        self.released.append((address, size))


@dataclass
class Piece:
    address: int
    size: int
    owner: object = None  # who holds it, or None
    requested: int = 0
    uses: set = field(default_factory=set)
    points: list = field(default_factory=list)

    @property
    def idle(self) -> bool:
        return self.owner is None and not self.points


@dataclass
class Segment:
    address: int
    size: int
    stream: int
    small: bool
    pool: tuple[int, int] | None
    pieces: list[Piece]


class Model:
    """Every question is answered by looking through all pieces."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.segments: list[Segment] = []
        self.limit = CAPACITY
        self.peaks: dict[str, int] = {}
        self.handed_out = self.bytes_handed_out = 0

    def malloc(self, nbytes, stream, pool):
        self.collect()
        size = max(512, -(-nbytes // 512) * 512)
        small = size <= MIB
        found = self.best(size, stream, small, pool)
        if found is None and not self.grow(size, stream, small, pool):
            self.empty()
            if not self.grow(size, stream, small, pool):
                return None
        segment, piece = found or self.best(size, stream, small, pool)
        left = piece.size - size
        if left >= 512 if small else left > MIB:
            index = segment.pieces.index(piece)
            segment.pieces.insert(index + 1, Piece(piece.address + size, left))
            piece.size = size
        piece.owner, piece.requested = object(), nbytes
        self.handed_out += 1
        self.bytes_handed_out += piece.size
        self.note_peaks()
        return piece

    def best(self, size, stream, small, pool):
        fits = [
            (piece.size, piece.address, segment, piece)
            for segment in self.segments
            if (segment.stream, segment.small, segment.pool) == (stream, small, pool)
            for piece in segment.pieces
            if piece.idle and piece.size >= size
        ]
        return min(fits, key=lambda fit: fit[:2])[2:] if fits else None

    def grow(self, size, stream, small, pool):
        wanted = 2 * MIB if small else 20 * MIB if size < 10 * MIB else -(-size // (2 * MIB)) * 2 * MIB
        if self.numbers()["reserved_bytes"] + wanted > self.limit:
            return False
        address = BASE
        for segment in sorted(self.segments, key=lambda s: s.address):
            if segment.address - address >= wanted:
                break
            address = segment.address + segment.size
        self.segments.append(Segment(address, wanted, stream, small, pool, [Piece(address, wanted)]))
        self.note_peaks()
        return True

    def free(self, piece):
        piece.owner = None
        piece.points = [self.work.record(stream) for stream in sorted(piece.uses)]
        piece.uses = set()
        self.merge()

    def collect(self):
        for piece in self.all_pieces():
            piece.points = [point for point in piece.points if not self.work.done(point)]
        self.merge()

    def empty(self):
        for piece in self.all_pieces():
            for point in piece.points:
                self.work.wait(point)
        self.collect()
        # A living pool keeps what it has.
        self.segments = [s for s in self.segments if s.pool or len(s.pieces) > 1 or not s.pieces[0].idle]

    def merge(self):
        for segment in self.segments:
            merged: list[Piece] = []
            for piece in segment.pieces:
                if merged and merged[-1].idle and piece.idle:
                    merged[-1] = Piece(merged[-1].address, merged[-1].size + piece.size)
                else:
                    merged.append(piece)
            segment.pieces = merged
        self.note_peaks()

    def all_pieces(self):
        return [piece for segment in self.segments for piece in segment.pieces]

    def numbers(self):
        owned = [p for p in self.all_pieces() if p.owner is not None]
        active = [p for p in self.all_pieces() if not p.idle]
        split = [p for s in self.segments if len(s.pieces) > 1 for p in s.pieces if p.idle]
        return {
            "allocation": len(owned),
            "allocated_bytes": sum(p.size for p in owned),
            "active": len(active),
            "active_bytes": sum(p.size for p in active),
            "requested_bytes": sum(p.requested for p in active),
            "segment": len(self.segments),
            "reserved_bytes": sum(s.size for s in self.segments),
            "inactive_split": len(split),
            "inactive_split_bytes": sum(p.size for p in split),
        }

    def note_peaks(self):
        for name, value in self.numbers().items():
            self.peaks[name] = max(self.peaks.get(name, 0), value)


# Sizes around every limit of the rules, and anything between.
sizes = st.one_of(
    st.sampled_from([1, 511, 512, 513, MIB - 512, MIB, MIB + 1, 2 * MIB, 9 * MIB, 10 * MIB - 1, 10 * MIB]),
    st.integers(1, 4 * KIB),
    st.integers(1, 3 * MIB),
    st.integers(1, 24 * MIB),
)
steps = st.one_of(
    st.tuples(st.just("malloc"), sizes, st.integers(0, 2)),
    st.tuples(st.just("malloc"), sizes, st.just(0)),
    st.tuples(st.just("malloc_in_pool"), sizes, st.integers(0, 1)),
    st.tuples(st.just("free"), st.integers(0, 40), st.just(0)),
    st.tuples(st.just("free"), st.integers(0, 40), st.just(0)),
    st.tuples(st.just("use"), st.integers(0, 40), st.integers(0, 2)),
    st.tuples(st.just("finish"), st.just(0), st.integers(0, 2)),
    st.tuples(st.just("empty"), st.just(0), st.just(0)),
)


class Pair:
    """The allocator and the model, given the same orders."""

    def __init__(self) -> None:
        # Each has a device of its own, told the same things.
        self.works = (Work(), Work())
        self.real = DeviceAllocator(0, CAPACITY, self.works[0])
        self.model = Model(self.works[1])
        self.held: list[tuple] = []
        self.real.create_pool(POOL)

    def malloc_in_pool(self, nbytes, stream):
        self.malloc(nbytes, stream, POOL)

    def malloc(self, nbytes, stream, pool=None):
        piece = self.model.malloc(nbytes, stream, pool)
        try:
            block = self.real.malloc(nbytes, stream, pool)
        except OutOfMemory:
            assert piece is None
            return
        assert piece is not None
        assert (block.address, block.size) == (piece.address, piece.size)
        self.held.append((block, piece))

    def free(self, index, _):
        if self.held:
            block, piece = self.held.pop(index % len(self.held))
            self.real.free(block)
            self.model.free(piece)

    def use(self, index, stream):
        if self.held:
            block, piece = self.held[index % len(self.held)]
            self.real.record_stream(block, (0, stream))
            if stream != block.stream:
                piece.uses.add((0, stream))

    def finish(self, _, stream):
        for work in self.works:
            work.finish((0, stream))

    def empty(self, *_):
        self.real.empty_cache()
        self.model.empty()

    def agree(self):
        stats = self.real.stats()
        for name, value in self.model.numbers().items():
            every = stats[name]
            assert every["all"]["current"] == value, name
            assert every["all"]["allocated"] - every["all"]["freed"] == value, name
            for part in ("current", "allocated", "freed"):
                assert every["all"][part] == every["large_pool"][part] + every["small_pool"][part], name
        assert stats["allocation"]["all"]["allocated"] == self.model.handed_out
        assert stats["allocated_bytes"]["all"]["allocated"] == self.model.bytes_handed_out
        segments = [(s["address"], [b["size"] for b in s["blocks"]]) for s in self.real.snapshot()]
        known = sorted(self.model.segments, key=lambda s: s.address)
        assert segments == [(s.address, [p.size for p in s.pieces]) for s in known]


@settings(derandomize=True, max_examples=120, deadline=None)
@given(st.lists(steps, min_size=20, max_size=60))
def test_agrees_with_the_plain_model(orders):
    """Addresses, sizes, counters and the map of the memory are those of the plain rules after every step."""
    pair = Pair()
    for name, first, second in orders:
        getattr(pair, name)(first, second)
        pair.agree()


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(steps, min_size=20, max_size=60))
def test_peaks_are_the_largest_values_seen(orders):
    """A peak is the largest value that its counter ever had."""
    pair = Pair()
    for name, first, second in orders:
        getattr(pair, name)(first, second)
    stats = pair.real.stats()
    # The map changes in several steps within one call, and the split counters are only settled at its end.
    for name in ("allocation", "allocated_bytes", "active", "active_bytes", "segment", "reserved_bytes"):
        assert stats[name]["all"]["peak"] == pair.model.peaks.get(name, 0), name
    for name in ("inactive_split", "inactive_split_bytes", "requested_bytes"):
        assert stats[name]["all"]["peak"] >= stats[name]["all"]["current"]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(steps, min_size=20, max_size=60))
def test_everything_comes_back(orders):
    """When every block is freed and the cache emptied, no byte and no segment is left."""
    pair = Pair()
    for name, first, second in orders:
        getattr(pair, name)(first, second)
    while pair.held:
        pair.free(0, 0)
    pair.real.pool_gone(POOL)
    pair.real.empty_cache()
    stats = pair.real.stats()
    assert all(v["all"]["current"] == 0 for k, v in stats.items() if isinstance(v, dict) and "all" in v), (
        stats
    )
    assert pair.real.mem_get_info() == (CAPACITY, CAPACITY)
    assert pair.real.snapshot() == []
