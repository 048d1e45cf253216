"""Shadow memory: who touched which bytes last, and whether that happened before.

Every footprint that was ever touched has a cell with its last write and, for each component, its last read
since. Cells that share a byte are linked once, when the second one appears; after that an access looks at its
own cell and at those neighbours that hold history. Memory is keyed by absolute address, so that a block that
was freed and handed out again conflicts with its old use by itself.

History goes as soon as nothing can race with it any more without racing with something newer: a write that
covers a cell and comes after all of it clears the cell; what the host knows to have ended is before
everything to come.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from ptquiz.simcuda.core.footprint import Footprint, contains, nbytes, overlap
from ptquiz.simcuda.core.ordering import Known, Point, Stamp

__all__ = ["Access", "Actor", "Conflict", "Race", "Shadow"]

_SWEEP = 1024  # cells that may appear before dead history is looked for


_REMEDIES = {
    "reused": {
        "en": "the memory was freed and handed out again{at}: call record_stream on the tensor with {first} "
        "before it is freed, or first make the stream that it was allocated on wait for that stream",
        "zh": "内存已被释放并重新分配{at}：释放之前应对该张量调用 record_stream（{first}），"
        "或先让分配它的流等待这个流。",
    },
    "host": {
        "en": "the host must wait first: synchronize() on an event of {first}, or on that stream",
        "zh": "主机应先等待：对 {first} 上记录的事件或该流调用 synchronize()。",
    },
    "streams": {
        "en": "{second} must wait for {first} in between: wait_stream, or an event recorded after the first "
        "and waited for before the second",
        "zh": "{second} 应先等待 {first}：在这两次访问之间调用 wait_stream，"
        "或在前者之后 record 一个事件、在后者之前 wait_event。",
    },
}


class Access(NamedTuple):
    """One access of an operation. `space`: device index, or -1 for pinned host memory. A plain tuple does as
    well.
    """

    space: int
    footprint: Footprint
    write: bool
    label: str


class Actor(msgspec.Struct, frozen=True):
    """One side of a race: an operation of a stream, or the host (`stream` is None)."""

    name: str
    line: str
    write: bool
    device: int = -1
    stream: int | None = None

    def where(self, lang: str = "en") -> str:
        """The stream in words."""
        if self.stream is None:
            return {"zh": "主机"}.get(lang, "the host")
        if self.stream == 0:
            return {"zh": f"cuda:{self.device} 的默认流"}.get(
                lang, f"the default stream of cuda:{self.device}"
            )
        handle = f"{self.stream:#x}"
        return {"zh": f"cuda:{self.device} 的流 {handle}"}.get(lang, f"stream {handle} of cuda:{self.device}")

    def text(self, lang: str = "en") -> str:
        """What it did, where and at which line."""
        line = self.line or {"zh": "未知位置"}.get(lang, "an unknown line")
        if self.stream is None:
            verb = (
                ("主机写" if self.write else "主机读")
                if lang == "zh"
                else "writes"
                if self.write
                else "reads"
            )
            return f"{line}：{verb}" if lang == "zh" else f"{line}: the host {verb}"
        if lang == "zh":
            space = " " if self.stream else ""
            return f"{line}：{self.name} 在 {self.where(lang)}{space}上{'写入' if self.write else '读取'}"
        return f"{line}: {self.name} on {self.where(lang)} {'writes' if self.write else 'reads'}"


class Race(msgspec.Struct, frozen=True):
    """Two accesses of the same bytes, one a write, with nothing that orders them. `str(race)` is the full
    report.
    """

    first: Actor
    second: Actor
    what: str
    nbytes: int
    reused: str | None = None  # the line that got the memory anew between the two, "" if it is not known

    @property
    def lines(self) -> tuple[str, str]:
        """Both lines of the user's code, in the order in which they were issued."""
        return (self.first.line, self.second.line)

    def remedy(self, lang: str = "en") -> str:
        """The call that was missing."""
        case = "reused" if self.reused is not None else "host" if self.second.stream is None else "streams"
        words = _REMEDIES[case]
        at = f" ({self.reused})" if self.reused else ""
        return words.get(lang, words["en"]).format(
            first=self.first.where(lang), second=self.second.where(lang), at=at
        )

    def text(self, lang: str = "en") -> str:
        """The report: both accesses, what the bytes belong to, the missing call."""
        if lang == "zh":
            head = f"数据竞争：{self.what}（{self.nbytes} 字节）"
            return (
                f"{head}\n  {self.first.text(lang)}\n  {self.second.text(lang)}\n  缺少：{self.remedy(lang)}"
            )
        head = f"data race on {self.what} ({self.nbytes} bytes)"
        return f"{head}\n  {self.first.text()}\n  {self.second.text()}\n  missing: {self.remedy()}"

    def brief(self) -> str:
        """The report on one line."""
        return (
            f"data race on {self.what}: {self.first.text()}; {self.second.text()}; missing: {self.remedy()}"
        )

    def __str__(self) -> str:
        return self.text()


class Conflict(NamedTuple):
    """A race as shadow memory finds it: the earlier stamp, how both touched which bytes."""

    earlier: Stamp
    earlier_write: bool
    write: bool
    space: int
    low: int
    high: int
    label: str
    earlier_label: str
    shared: int  # bytes, at most


class Cell:
    """The history of one footprint. `links`: cells that share a byte, and whether this one covers them."""

    __slots__ = ("active", "foot", "label", "links", "reads", "space", "write")

    def __init__(self, space: int, foot: Footprint, label: str) -> None:
        self.space = space
        self.foot = foot
        self.label = label
        self.write: Stamp | None = None
        self.reads: dict[int, Stamp] = {}
        self.links: dict[Cell, bool] = {}
        self.active: dict[Cell, bool] = {}  # those links that hold history

    @property
    def empty(self) -> bool:
        """Is there no history?"""
        return self.write is None and not self.reads

    def wake(self) -> None:
        """It gets its first history: the neighbours must look at it from now on."""
        for other in self.links:
            other.active[self] = other.links[self]

    def clear(self) -> None:
        """Its history can race with nothing that would not race with newer history too."""
        self.write = None
        self.reads = {}
        for other in self.links:
            other.active.pop(self, None)

    def retire(self, point: Point) -> None:
        """Drop what happened before a point."""
        if self.empty:
            return
        if self.write is not None and point.covers(self.write):
            self.write = None
        self.reads = {component: read for component, read in self.reads.items() if not point.covers(read)}
        if not any(self.stamps()):
            self.clear()

    def stamps(self) -> Iterator[Stamp]:
        """All that it remembers."""
        if self.write is not None:
            yield self.write
        yield from self.reads.values()


class Space:
    """The cells of one memory, found by footprint and by overlap."""

    def __init__(self) -> None:
        self.cells: dict[Footprint, Cell] = {}
        self.opened = 0  # since the last sweep
        self._starts: dict[
            int, list[int]
        ] = {}  # by size class (bit length of the extent): first bytes, sorted
        self._at: dict[tuple[int, int], list[Cell]] = {}  # (size class, first byte)

    def overlapping(self, low: int, high: int) -> list[Cell]:
        """Every cell whose extent meets `[low, high)`."""
        found = []
        for size, starts in self._starts.items():
            for i in range(bisect_right(starts, low - (1 << size)), len(starts)):
                if starts[i] >= high:
                    break
                found += [cell for cell in self._at[size, starts[i]] if cell.foot[1] > low]
        return found

    def open(self, space: int, foot: Footprint, label: str) -> Cell:
        """A new cell, linked with those that share a byte. Cells without history that are in the way go."""
        cell = Cell(space, foot, label)
        for other in self.overlapping(foot[0], foot[1]):
            if other.empty:
                self.remove(other)
            elif overlap(foot, other.foot):
                cell.links[other] = cell.active[other] = contains(foot, other.foot)
                other.links[cell] = contains(other.foot, foot)
        size = (foot[1] - foot[0]).bit_length()
        bucket = self._at.setdefault((size, foot[0]), [])
        if not bucket:
            insort(self._starts.setdefault(size, []), foot[0])
        bucket.append(cell)
        self.cells[foot] = cell
        self.opened += 1
        return cell

    def remove(self, cell: Cell) -> None:
        """Forget a cell and its links."""
        for other in cell.links:
            del other.links[cell]
            other.active.pop(cell, None)
        del self.cells[cell.foot]
        size, low = (cell.foot[1] - cell.foot[0]).bit_length(), cell.foot[0]
        bucket = self._at[size, low]
        bucket.remove(cell)
        if not bucket:
            del self._at[size, low]
            starts = self._starts[size]
            del starts[bisect_left(starts, low)]
            if not starts:
                del self._starts[size]

    def sweep(self, host: Known) -> None:
        """Drop what the host knows to have ended, then what newer writes hide together."""
        self.opened = 0
        for cell in list(self.cells.values()):
            if all(host.get(stamp.component, 0) >= stamp.tick for stamp in cell.stamps()):
                self.remove(cell)
        if len(self.cells) > 4 * _SWEEP:
            for cell in _hidden(self.cells.values()):
                self.remove(cell)


def _hidden(cells: Iterable[Cell]) -> list[Cell]:
    """Contiguous cells of which every byte was written later, by writes that came after all of the cell's
    history.

    Painted from the newest write to the oldest: what is painted over already is hidden.
    """
    hidden = []
    plain = [cell for cell in cells if len(cell.foot) == 2 and not cell.empty]
    plain.sort(key=lambda cell: max(stamp.order for stamp in cell.stamps()), reverse=True)
    lows: list[int] = []
    painted: dict[int, tuple[int, Stamp]] = {}  # first byte -> (end, the write)
    for cell in plain:
        low, high = cell.foot
        over = _layers(lows, painted, low, high)
        if sum(min(end, high) - max(start, low) for start, end, _ in over) == high - low and all(
            stamp.before(write) for stamp in cell.stamps() for _, _, write in over
        ):
            hidden.append(cell)
        elif cell.write is not None:
            _paint(lows, painted, low, high, over, cell.write)
    return hidden


def _layers(
    lows: list[int], painted: dict[int, tuple[int, Stamp]], low: int, high: int
) -> list[tuple[int, int, Stamp]]:
    """(start, end, write) of the painted pieces that meet `[low, high)`, in order."""
    found = []
    for i in range(max(0, bisect_right(lows, low) - 1), len(lows)):
        if lows[i] >= high:
            break
        end, write = painted[lows[i]]
        if end > low:
            found.append((lows[i], end, write))
    return found


def _paint(
    lows: list[int],
    painted: dict[int, tuple[int, Stamp]],
    low: int,
    high: int,
    over: list[tuple[int, int, Stamp]],
    write: Stamp,
) -> None:
    """Fill the gaps of `[low, high)` that newer writes have left."""
    at = low
    for start, end, _ in [*over, (high, high, write)]:
        if at < start:
            insort(lows, at)
            painted[at] = (min(start, high), write)
        at = max(at, end)


class Shadow:
    """The memory of all spaces. `touch` records an operation's accesses and returns its conflicts."""

    def __init__(self) -> None:
        self._spaces: dict[int, Space] = {}

    def touch(self, stamp: Stamp, accesses: Iterable[Access], host: Known) -> list[Conflict]:
        """Record accesses; what the operation conflicts with. `host`: what the host knows, to drop dead
        history.
        """
        conflicts: list[Conflict] = []
        component, known = stamp.component, stamp.known
        for access in accesses:
            space, foot, write, label = access
            memory = self._spaces.get(space) or self._spaces.setdefault(space, Space())
            cell = memory.cells.get(foot)
            if cell is None:
                if foot[0] >= foot[1]:
                    continue
                if memory.opened > _SWEEP and memory.opened > len(memory.cells) // 2:
                    memory.sweep(host)
                cell = memory.open(space, foot, label)
            last, reads = cell.write, cell.reads
            asleep = last is None and not reads
            if last is not None and last.component != component and known.get(last.component, 0) < last.tick:
                conflicts.append(_conflict(last, True, write, cell, foot, label))
            if write:
                if reads:
                    for other, read in reads.items():
                        if other != component and known.get(other, 0) < read.tick:
                            conflicts.append(_conflict(read, False, True, cell, foot, label))
                    cell.reads = {}
                cell.write = stamp
            else:
                reads[component] = stamp
            if cell.active:
                _neighbours(cell, stamp, write, label, conflicts)
            if asleep and cell.links:
                cell.wake()
            cell.label = label
        return conflicts

    def peek(self, known: Known, accesses: Iterable[Access]) -> list[Conflict]:
        """What an access of the host conflicts with. The host's own accesses need no memory: all that is
        launched
        later comes after them."""
        conflicts: list[Conflict] = []
        for access in accesses:
            space, foot, write, label = access
            if space not in self._spaces or foot[0] >= foot[1]:
                continue
            for cell in self._spaces[space].overlapping(foot[0], foot[1]):
                if not cell.empty and overlap(foot, cell.foot):
                    _inspect(cell, 0, known, write, foot, label, conflicts)
        return conflicts

    def forget(self, space: int, low: int, high: int) -> None:
        """The bytes `[low, high)` are no more: drop all history that lies in them."""
        memory = self._spaces.get(space)
        if memory is None:
            return
        for cell in memory.overlapping(low, high):
            if contains((low, high), (cell.foot[0], cell.foot[1])):
                memory.remove(cell)

    def retire(self, space: int, low: int, high: int, point: Point) -> None:
        """Drop what is remembered of `[low, high)` from before a point."""
        memory = self._spaces.get(space)
        for cell in memory.overlapping(low, high) if memory is not None else ():
            if low <= cell.foot[0] and cell.foot[1] <= high:
                cell.retire(point)

    def __len__(self) -> int:
        """How many cells there are."""
        return sum(len(memory.cells) for memory in self._spaces.values())


def _neighbours(cell: Cell, stamp: Stamp, write: bool, label: str, conflicts: list[Conflict]) -> None:
    """Compare an access of `cell` with the history of its neighbours; clear those it supersedes."""
    superseded = []
    for other, covers in cell.active.items():
        clean = _inspect(other, stamp.component, stamp.known, write, cell.foot, label, conflicts)
        if covers and clean and (write or (other.write is None and _all_before(other, stamp))):
            superseded.append(other)
    for other in superseded:
        other.clear()


def _all_before(cell: Cell, stamp: Stamp) -> bool:
    """Did every read of the cell happen before?"""
    return all(read.before(stamp) for read in cell.reads.values())


def _inspect(
    cell: Cell,
    component: int,
    known: Known,
    write: bool,
    foot: Footprint,
    label: str,
    conflicts: list[Conflict],
) -> bool:
    """Add the conflicts of an access of `foot` with the history of `cell`; True if there are none."""
    clean = True
    last = cell.write
    if last is not None and last.component != component and known.get(last.component, 0) < last.tick:
        conflicts.append(_conflict(last, True, write, cell, foot, label))
        clean = False
    if write:
        for other, read in cell.reads.items():
            if other != component and known.get(other, 0) < read.tick:
                conflicts.append(_conflict(read, False, True, cell, foot, label))
                clean = False
    return clean


def _conflict(
    earlier: Stamp, earlier_write: bool, write: bool, cell: Cell, foot: Footprint, label: str
) -> Conflict:
    low, high = max(cell.foot[0], foot[0]), min(cell.foot[1], foot[1])
    shared = min(high - low, nbytes(cell.foot), nbytes(foot))
    return Conflict(earlier, earlier_write, write, cell.space, low, high, label, cell.label, shared)
