"""The streams as text: one row each, time from left to right: overlap, waits and races can be seen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple
from unicodedata import east_asian_width

from ptquiz.simcuda.core.costs import NS_PER_MS
from ptquiz.simcuda.core.engine import HostWait, Op, StreamKey
from ptquiz.simcuda.core.races import Race

__all__ = ["draw", "render"]

_WORK = ("kernel", "copy", "sleep")
_LISTED = 5  # races and waits that are spelt out below the rows
_NOTE_LINES = 3
_ROWS = 16


class _Glyphs(NamedTuple):
    open: str
    close: str
    kernel: str
    copy: str
    short: str
    stall: str
    wait: str
    race: str
    needless: str
    axis: str


_UNICODE = _Glyphs("┣", "┫", "━", "┅", "┃", "░", "▒", "✗", "!", "·")
_ASCII = _Glyphs("[", "]", "-", "~", "|", ":", "w", "X", "!", ".")


def render(
    ops: Sequence[Op],
    waits: Sequence[HostWait],
    races: Sequence[Race],
    lang: str = "en",
    width: int = 80,
    shorten: Callable[[str], str] = str,
) -> str:
    """As `draw`, in the order of `Engine.since`, in what standard output can show."""
    encoding = (sys.stdout.encoding or "ascii").lower()
    return draw(ops, races, waits, width, encoding.startswith("utf"), lang, shorten)


def draw(
    ops: Sequence[Op],
    races: Sequence[Race] = (),
    waits: Sequence[HostWait] = (),
    width: int = 80,
    unicode: bool = True,
    lang: str = "en",
    shorten: Callable[[str], str] = str,
) -> str:
    """A chart of at most `width` columns (at least 40): a row for each stream that worked, and one for the
    host if it waited. Below it, races and host waits with their lines. Empty if nothing happened.

    Times are milliseconds since the first of it began. `shorten` may make a line's path shorter.
    """
    work = [op for op in ops if op.kind in _WORK]
    if not work and not waits:
        return ""
    chart = _Chart(work, waits, max(40, width), _UNICODE if unicode else _ASCII)
    keys = sorted({(op.device, op.stream) for op in work})
    words = _WORDS.get(lang if unicode else "en", _WORDS["en"])
    lines = [chart.axis()]
    lines += [chart.stream(key, ops, races) for key in keys[:_ROWS]]
    if len(keys) > _ROWS:
        lines.append(words["more streams"].format(count=len(keys) - _ROWS))
    if waits:
        lines.append(chart.host(waits))
    notes = [*_race_notes(races, chart.glyphs, words), *_wait_notes(waits, chart.glyphs, words)]
    lines += [line for note in notes for line in islice(_wrapped(shorten(note), chart.width), _NOTE_LINES)]
    return "\n".join(line.rstrip() for line in lines)


class _Chart:
    """Times to columns."""

    def __init__(self, work: Sequence[Op], waits: Sequence[HostWait], width: int, glyphs: _Glyphs) -> None:
        spans = [(op.begin_ns, op.end_ns) for op in work] + [(w.begin_ns, w.end_ns) for w in waits]
        self.begin = min(begin for begin, _ in spans)
        self.end = max(end for _, end in spans)
        names = [_row_name((op.device, op.stream)) for op in work]
        self.margin = max(len(name) for name in [*names, "host"]) + 1
        self.width = width
        self.columns = width - self.margin
        self.glyphs = glyphs

    def column(self, ns: int) -> int:
        """The column of a time; the last one for the end."""
        span = max(1, self.end - self.begin)
        return min(self.columns - 1, (ns - self.begin) * self.columns // span)

    def axis(self) -> str:
        """The head: from nought to the end, in milliseconds."""
        left, right = "0 ms", f"{(self.end - self.begin) / NS_PER_MS:.4g} ms"
        fill = max(1, self.columns - len(left) - len(right) - 2)
        return " " * self.margin + f"{left} {self.glyphs.axis * fill} {right}"

    def stream(self, key: StreamKey, ops: Sequence[Op], races: Sequence[Race]) -> str:
        """One stream: its work, where it stood still for another one, and both sides of each race."""
        row = [" "] * self.columns
        mine = [op for op in ops if (op.device, op.stream) == key]
        for op in mine:
            if op.kind == "wait" and op.end_ns > op.begin_ns:
                self._fill(row, op.begin_ns, op.end_ns, self.glyphs.stall)
        for op in mine:
            if op.kind in _WORK:
                self._block(row, op)
        for op in _racing(mine, races):
            row[self.column(op.begin_ns)] = self.glyphs.race
        return _row_name(key).ljust(self.margin) + "".join(row)

    def host(self, waits: Sequence[HostWait]) -> str:
        """The host: where it waited."""
        row = [" "] * self.columns
        for wait in waits:
            self._fill(row, wait.begin_ns, wait.end_ns, self.glyphs.wait)
        for wait in waits:
            if wait.needless:
                row[self.column(wait.begin_ns)] = self.glyphs.needless
        return "host".ljust(self.margin) + "".join(row)

    def _fill(self, row: list[str], begin: int, end: int, glyph: str) -> None:
        first, last = self.column(begin), self.column(max(begin, end - 1))
        row[first : last + 1] = glyph * (last + 1 - first)

    def _block(self, row: list[str], op: Op) -> None:
        """An operation as a bar with its name, as far as there is room."""
        first, last = self.column(op.begin_ns), self.column(max(op.begin_ns, op.end_ns - 1))
        room = last - first - 1
        if room < 0:
            row[first] = self.glyphs.short
            return
        bar = self.glyphs.copy if op.kind == "copy" else self.glyphs.kernel
        inside = op.name[:room].center(room, bar) if room > 1 else bar * room
        row[first : last + 1] = self.glyphs.open + inside + self.glyphs.close


def _row_name(key: StreamKey) -> str:
    device, stream = key
    return f"cuda:{device} {stream:#x}" if stream else f"cuda:{device} default"


def _racing(ops: Sequence[Op], races: Sequence[Race]) -> Iterator[Op]:
    """The operations of one stream that are a side of a race: for each side, the first that fits."""
    for race in races:
        for actor in (race.first, race.second):
            for op in ops:
                if (op.line, op.name, op.stream, op.device) == (
                    actor.line, actor.name, actor.stream, actor.device,
                ):  # fmt: skip
                    yield op
                    break


_WORDS = {
    "en": {
        "lang": "en",
        "race": "{mark} data race: {first}",
        "against": "  against    {second}",
        "wait": "{mark} host waits {ms:.3g} ms: {reason} at {line}",
        "needless": "{mark} needless wait {ms:.3g} ms: {reason} at {line}",
        "more streams": "(and {count} more streams)",
        "more races": "{mark} and {count} more races",
        "more waits": "{mark} and {count} more waits",
        "nowhere": "an unknown line",
    },
    "zh": {
        "lang": "zh",
        "race": "{mark} 数据竞争：{first}",
        "against": "  与之冲突：{second}",
        "wait": "{mark} 主机等待 {ms:.3g} 毫秒：{reason}，位于 {line}",
        "needless": "{mark} 不必要的等待 {ms:.3g} 毫秒：{reason}，位于 {line}",
        "more streams": "（另有 {count} 条流）",
        "more races": "{mark} 另有 {count} 处数据竞争",
        "more waits": "{mark} 另有 {count} 次等待",
        "nowhere": "未知位置",
    },
}


def _race_notes(races: Sequence[Race], glyphs: _Glyphs, words: dict[str, str]) -> Iterator[str]:
    lang = words["lang"]
    for race in races[:_LISTED]:
        yield words["race"].format(mark=glyphs.race, first=race.first.text(lang))
        yield words["against"].format(second=race.second.text(lang))
    if len(races) > _LISTED:
        yield words["more races"].format(mark=glyphs.race, count=len(races) - _LISTED)


def _wait_notes(waits: Sequence[HostWait], glyphs: _Glyphs, words: dict[str, str]) -> Iterator[str]:
    for wait in waits[:_LISTED]:
        key, mark = ("needless", glyphs.needless) if wait.needless else ("wait", glyphs.wait)
        line = wait.line or words["nowhere"]
        yield words[key].format(mark=mark, ms=wait.milliseconds, reason=wait.reason, line=line)
    if len(waits) > _LISTED:
        yield words["more waits"].format(mark=glyphs.wait, count=len(waits) - _LISTED)


def _wrapped(text: str, width: int) -> Iterator[str]:
    """The text in lines of at most `width` columns, broken at spaces where there are some."""
    indent = " " * min(len(text) - len(text.lstrip()) + 2, width // 2)
    while _columns(text) > width:
        fits = next(at for at in range(len(text), 0, -1) if _columns(text[:at]) <= width)
        space = text.rfind(" ", len(indent) + 1, fits + 1)
        cut = space if space > 0 else fits
        yield text[:cut]
        text = indent + text[cut:].lstrip()
    yield text


def _columns(text: str) -> int:
    """Chinese characters take two."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
