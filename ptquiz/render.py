"""Exercises, reports and progress as Rich output; the only importer of rich. Results come in, text goes out.

Everything is plain `Text` (the learner's brackets are no markup). `rich.markdown` is not used: it takes 25 of
the 40 ms that a light command has beyond its imports.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ptquiz import words
from ptquiz.errors import PtquizError, Words, said

if TYPE_CHECKING:
    from ptquiz.bank import Exercise
    from ptquiz.progress import Standing
    from ptquiz.report import CheckResult, Report

_ASCII = {
    "→": "->", "←": "<-", "×": "x", "·": "-", "—": "-", "–": "-", "…": "...", "≥": ">=", "≤": "<=", "≠": "!=",
    "’": "'", "‘": "'", "“": '"', "”": '"', "✓": "+", "✗": "x", "○": "o", "µ": "u", "²": "^2", "−": "-", "≈": "~",  # noqa: E501
}  # fmt: skip
MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "error": ("✗", "red"), "skipped": ("○", "dim")}
STATE_STYLES = {"passed": "green", "started": "yellow", "revealed": "magenta", "not started": "dim"}
FIRST_LINES, LATER_LINES, OUTPUT_LINES = 60, 8, 20


def _nearest_ascii(error: UnicodeError) -> tuple[str, int]:
    """Stand-ins for what the terminal's encoding does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = ""
    for char in error.object[error.start : error.end]:
        plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
        found += _ASCII.get(char) or plain or "?"
    return found, error.end


codecs.register_error("ptquiz", _nearest_ascii)


def can_show(stream: TextIO, text: str) -> bool:
    """Whether the stream's encoding has these characters."""
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """How it ends is decided in one place, and not here."""
        raise BrokenPipeError(errno.EPIPE, "the reader has gone")


class Screen:
    """Where to write, and in which language. `err` is for what is not the answer."""

    def __init__(self, lang: str = "en", stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        out, err = stdout or sys.stdout, stderr or sys.stderr
        for stream in (out, err):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="ptquiz")
        self.lang = lang if lang == "en" or can_show(out, "中文") else "en"
        self.out = _Console(file=out, highlight=False, markup=False, emoji=False)
        self.err = _Console(file=err, highlight=False, markup=False, emoji=False)

    def say(self, text: Words | Text = "", style: str | None = None) -> None:
        """One paragraph on stdout, wrapped to the width."""
        self.hang("", text if isinstance(text, Text) else Text(said(text, self.lang), style or ""))

    def clear(self) -> None:
        """An empty screen, on a terminal."""
        if self.out.is_terminal:
            self.out.clear()

    def changes(self, before: Report, now: Report) -> None:
        """Which checks pass now and did not, and the other way round."""
        old = {c.name for c in before.checks if c.outcome == "passed"}
        new = {c.name for c in now.checks if c.outcome == "passed"}
        titles = {c.name: c.title for c in now.checks}
        for names, label, style in (
            (new - old, ("Passes now: ", "新通过："), "green"),
            (old - new, ("Passed before, not now: ", "原来通过、现在未通过："), "red"),
        ):
            if shown := [titles[c.name] for c in now.checks if c.name in names]:
                self.hang(said(label, self.lang), Text(" · ".join(shown), style))

    def note(self, text: Words, style: str = "yellow") -> None:
        """One paragraph on stderr."""
        self.err.print(Text(said(text, self.lang), style))

    def path(self, text: Words) -> None:
        """A line with a path, which must not be broken."""
        self.out.print(Text(said(text, self.lang)), soft_wrap=True)

    def raw(self, text: str) -> None:
        """Text for other programs: not wrapped, not coloured."""
        self.out.file.write(text + "\n")

    def failure(self, error: PtquizError) -> None:
        """A message for people: what is wrong, then the remedy."""
        self.err.print(Text.assemble(("ptquiz: ", "bold red"), error.text(self.lang)), soft_wrap=True)
        if remedy := error.remedy(self.lang):
            self.err.print(Text("  " + remedy), soft_wrap=True)

    def heading(self, exercise: Exercise) -> Text:
        title = exercise.title.get(self.lang)
        return Text.assemble((f"{exercise.number:02} · {title}", "bold"))

    def facts(self, exercise: Exercise) -> Text:
        """Topic, level, minutes and device in one line."""
        w, lang = words.word, self.lang
        minutes = said((f"{exercise.minutes} min", f"{exercise.minutes} 分钟"), lang)
        parts = (w(words.TOPICS, exercise.topic, lang), w(words.LEVELS, exercise.level, lang), minutes)
        return Text(" · ".join((*parts, w(words.DEVICES, exercise.device, lang))), "dim")

    # list, next, progress

    def table(self, heads: Iterable[Words], right: Sequence[int] = ()) -> Table:
        """A table without lines, its heads in the screen's language."""
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for at, head in enumerate(heads):
            only = at != 1  # the second column is the one with prose; it gives way
            table.add_column(said(head, self.lang), justify="right" if at in right else "left", no_wrap=only)
        return table

    def listing(self, exercises: Sequence[Exercise], standings: dict[str, Standing]) -> None:
        """All in groups, each a learning path."""
        heads = [("No", "题号"), ("Title", "题目"), ("Topic", "主题"), ("Level", "难度"), ("Min", "分钟"),
                 ("Device", "设备"), ("After", "先修"), ("State", "状态")]  # fmt: skip
        rows: list[Sequence[tuple[str, str]]] = []
        for at, e in enumerate(exercises):
            state = standings[e.slug].state if e.slug in standings else "not started"
            cells = [f"{e.number:02}", e.title.get(self.lang), words.word(words.TOPICS, e.topic, self.lang)]
            cells += [words.word(words.LEVELS, e.level, self.lang), str(e.minutes), e.device]
            row = [(cell, "") for cell in (*cells, ",".join(map(str, e.after)))]
            rows.append([*row, (words.word(words.STATES, state, self.lang), STATE_STYLES[state])])
            if at + 1 < len(exercises) and exercises[at + 1].topic != e.topic:
                rows.append([("", "")] * len(heads))
        self._columns([said(head, self.lang) for head in heads], rows, right=(0, 4))

    def _columns(
        self, heads: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]], right: Sequence[int]
    ) -> None:
        """Rows of (text, style), each column as one cell of many lines: a third of the time of many rows.

        The second column holds prose and is wrapped here, so that the lines of all columns stay level.
        """
        others = [
            max(cell_len(row[at][0]) for row in [[(h, "") for h in heads], *rows]) for at in range(len(heads))
        ]
        room = max(self.out.width - sum(others) + others[1] - len(heads), 12)
        level: list[Sequence[tuple[str, str]]] = []
        for row in rows:
            first, *more = Text(row[1][0]).wrap(self.out, room) or [Text()]
            level.append([row[0], (first.plain, row[1][1]), *row[2:]])
            level += [[("", ""), (line.plain, row[1][1]), *[("", "")] * (len(heads) - 2)] for line in more]
        table = self.table(heads, right)
        table.add_row(
            *(Text("\n").join(Text(*cell) for cell in column) for column in zip(*level, strict=True))
        )
        self.out.print(table)

    def progress(self, counts: dict[str, int], touched: Sequence[tuple[Exercise, Standing]]) -> None:
        """How many in each state, then a line for each exercise that was touched."""
        line = Text()
        for state, count in counts.items():
            line += Text(f"{words.word(words.STATES, state, self.lang)} {count}   ", STATE_STYLES[state])
        self.say(line)
        if not touched:
            return
        self.say()
        heads = [("No", "题号"), ("Title", "题目"), ("State", "状态"), ("Tries", "次数"), ("Hints", "提示"),
                 ("Passed", "通过时间"), ("Answer seen", "查看答案时间")]  # fmt: skip
        table = self.table(heads, right=(0, 3, 4))
        for e, s in touched:
            shown = Text(words.word(words.STATES, s.state, self.lang), STATE_STYLES[s.state])
            passed = words.when(s.passed_at or s.ever_passed_at)
            title = Text(e.title.get(self.lang))
            seen = words.when(s.revealed_at)
            table.add_row(f"{e.number:02}", title, shown, str(s.attempts), str(s.hints), passed, seen)
        self.out.print(table)

    def exercise(self, exercise: Exercise, path: Path, new: bool, before: Sequence[Exercise] = ()) -> None:
        """The question, where its file is, and what to type next."""
        self.say(self.heading(exercise))
        self.say(self.facts(exercise))
        if before:
            names = ", ".join(f"{e.number} {e.title.get(self.lang)}" for e in before)
            self.say((f"Better after: {names}", f"建议先做：{names}"), "dim")
        self.say()
        self.prose(exercise.prompt.get(self.lang))
        self.say()
        state = (
            ("Your file: ", "题目文件：")
            if new
            else ("Your file, as you left it: ", "题目文件（保持原样）：")
        )
        self.out.print(Text(said(state, self.lang)) + Text(str(path), "bold"), soft_wrap=True)
        n = exercise.number
        self.say(
            (
                f"Fill it in, then `ptquiz check {n}`; `ptquiz watch {n}` checks at every save;"
                f" `ptquiz hint {n}` helps.",
                f"写好后运行 `ptquiz check {n}`；`ptquiz watch {n}` 会在每次保存后自动评判；"
                f"卡住了就用 `ptquiz hint {n}`。",
            ),
            "dim",
        )

    def prose(self, markdown: str) -> None:
        """Markdown as one reads it: paragraphs wrapped, code kept, `code` and **strong** styled."""
        for kind, indent, text in blocks(markdown):
            if kind == "code":
                self.out.print(Text(text, "cyan"), soft_wrap=True)
            elif kind == "heading":
                self.out.print(Text(text, "bold"))
            else:
                self.hang(indent, inline(_AFTER_MARK.sub(r"\1\2", text)))

    def hang(self, indent: str, body: Text) -> None:
        """`body` wrapped beside `indent` (blanks or a bullet), later lines under the first."""
        width = max(self.out.width - len(indent), 20)
        lines = [line for part in body.split("\n", allow_blank=True) for line in self._wrapped(part, width)]
        for at, line in enumerate(lines or [Text()]):
            line.rstrip()
            self.out.print(Text(indent if at == 0 else " " * len(indent)) + line, soft_wrap=True)

    def _wrapped(self, body: Text, width: int) -> list[Text]:
        if any(map(_is_wide, body.plain)):
            return list(body.divide(breaks(body.plain, width)))
        return list(body.wrap(self.out, width)) or [Text()]

    def hint(self, exercise: Exercise, given: int) -> None:
        """All hints given so far, the newest last."""
        total = len(exercise.hints)
        self.say(self.heading(exercise))
        for at, hint in enumerate(exercise.hints[:given], 1):
            newest = at == given
            label = said((f"Hint {at} of {total}", f"提示 {at}/{total}"), self.lang)
            self.say()
            self.say(label, "bold" if newest else "dim")
            self.prose(hint.get(self.lang))

    def code(self, source: str, language: str = "python") -> None:
        """Source with syntax colours where there is colour."""
        if self.out.no_color or self.out.color_system is None:
            self.raw(source.rstrip("\n"))
            return
        from rich.syntax import Syntax

        self.out.print(
            Syntax(
                source.rstrip("\n"), language, theme="ansi_dark", background_color="default", word_wrap=True
            )
        )

    def diff(self, before: str, after: str, names: tuple[str, str]) -> None:
        """A unified diff from the learner's code to the answer."""
        import difflib

        lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm=""))
        if not lines:
            self.say(("Your code is the answer, line for line.", "你的代码与参考答案逐行相同。"))
        styles = {"+": "green", "-": "red", "@": "cyan"}
        for line in lines:
            self.out.print(Text(line, styles.get(line[:1], "")), soft_wrap=True)

    # reports

    def report(self, exercise: Exercise, report: Report, timeline: bool = False) -> None:
        """The verdict, every check with what is wrong, and what the learner's code printed."""
        self.verdict(exercise, report)
        if report.message:
            self._indented(report.message, FIRST_LINES)
        self.checks(exercise, report.checks, timeline)
        self._printed(report.output)

    def verdict(self, exercise: Exercise, report: Report) -> None:
        lang = self.lang
        style = {"passed": "bold green", "failed": "bold red", "broken": "bold yellow"}[report.verdict]
        says = words.word(words.VERDICTS, report.verdict, lang)
        if report.cause:
            says += said((": ", "："), lang) + words.word(words.CAUSES, report.cause, lang)
        self.say(
            Text.assemble((f"{exercise.number:02} · {exercise.title.get(lang)}", "bold"), "  ", (says, style))
        )
        device = words.word(words.DEVICES, report.device, lang)
        spent = words.seconds(report.duration_seconds)
        self.say(
            (
                f"graded on {device} · seed {report.seed} · {spent}",
                f"评判设备：{device} · 种子 {report.seed} · {spent}",
            ),
            "dim",
        )

    def checks(self, exercise: Exercise, checks: Sequence[CheckResult], timelines: bool = False) -> None:
        """One line for each; the first failure's message in full with its timeline, later ones cut."""
        room = FIRST_LINES
        unmet = {c.name for c in checks if c.outcome != "passed"}
        follow = {spec.name for spec in exercise.checks if unmet & set(spec.needs)}
        for check in checks:
            mark, style = MARKS[check.outcome]
            self.hang(f"  {mark} ", Text(check.title, style))
            if check.outcome in ("failed", "error"):
                self._indented(check.message, room)
                if room == FIRST_LINES or timelines:
                    self._chart(check.timeline)
                room = LATER_LINES
            elif check.outcome == "skipped" and check.name not in follow:  # those share one line at the end
                self._indented(check.message, 2, "dim")
            elif timelines:
                self._chart(check.timeline)
        if any(c.outcome == "skipped" and c.name in follow for c in checks):
            mark = MARKS["skipped"][0]
            self.say(
                (
                    f"  ({mark} skipped: builds on one that has not passed)",
                    f"  （{mark} 跳过：所依赖的检查项尚未通过）",
                ),
                "dim",
            )

    def _indented(self, message: str, most: int, style: str = "") -> None:
        lines = message.rstrip().splitlines()
        for line in lines[:most]:
            own = len(line) - len(line.lstrip())
            self.hang(" " * (6 + min(own, 16)), Text(line.strip(), style))
        if len(lines) > most:
            cut = len(lines) - most
            self.say((f"      … {cut} more lines", f"      …（另有 {cut} 行）"), "dim")

    def _chart(self, timeline: str) -> None:
        """The streams' timeline, drawn by the worker; its columns must not be wrapped."""
        for line in timeline.splitlines():
            self.out.print(Text("      " + line, "dim"), soft_wrap=True)

    def _printed(self, output: str) -> None:
        """What the learner's own code printed."""
        if not output.strip():
            return
        lines = output.rstrip("\n").splitlines()
        self.say()
        self.say(("Your code printed:", "你的代码输出："), "dim")
        for line in lines[:OUTPUT_LINES]:
            self.out.print(Text("  │ " + _printable(line), "dim"), soft_wrap=True)
        if len(lines) > OUTPUT_LINES:
            cut = len(lines) - OUTPUT_LINES
            self.say((f"  │ … {cut} more lines", f"  │ …（另有 {cut} 行）"), "dim")

    def replay(self, exercise: Exercise, report: Report, path: Path) -> None:
        """The command that grades with the same inputs."""
        own = "" if path.stem == exercise.name else f" --file {_quoted(path)}"
        device = " --device cuda" if report.device == "cuda" else ""
        command = f"ptquiz check {exercise.number}{own}{device} --seed {report.seed}"
        says = said(("The same inputs again: ", "用同样的输入重跑："), self.lang)
        self.out.print(Text(says + command, "dim"), soft_wrap=True)

    def summary(self, rows: Sequence[tuple[Exercise, Report]]) -> None:
        """One line a report, for check --all."""
        table = self.table(
            [("No", "题号"), ("Title", "题目"), ("Verdict", "结果"), ("First failing check", "首个未过项")]
        )
        for exercise, report in rows:
            first = report.first_failure
            style = "green" if report.verdict == "passed" else "red"
            says = words.word(words.VERDICTS, report.verdict, self.lang)
            why = first.title if first else words.word(words.CAUSES, report.cause, self.lang)
            title = Text(exercise.title.get(self.lang))
            table.add_row(
                f"{exercise.number:02}",
                title,
                Text(says, style),
                Text("" if report.verdict == "passed" else why),
            )
        self.out.print(table)

    @contextlib.contextmanager
    def progress_bar(self, what: Words, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
        """A bar on stderr that is gone at the end; give it (done, total)."""
        from rich.progress import Progress

        with Progress(console=self.err, transient=True, disable=not shown) as bar:
            task = bar.add_task(said(what, self.lang), total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def findings(self, found: Sequence[tuple[str, str, str, str]]) -> None:
        """The doctor's: (name, ok | note | bad, detail, remedy)."""
        marks = {"ok": ("✓", "green"), "note": ("○", "yellow"), "bad": ("✗", "red")}
        for name, state, detail, remedy in found:
            mark, style = marks[state]
            self.hang("  ", Text.assemble((f"{mark} ", style), (f"{name:<12}", "bold"), detail))
            if remedy:
                self.hang(" " * 16, Text(remedy, style))

    def rows(self, heads: Sequence[Words], rows: Iterable[Sequence[Any]], right: Sequence[int] = ()) -> None:
        """A plain table of strings and Texts."""
        table = self.table(heads, right)
        for row in rows:
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
        self.out.print(table)


def styled(text: str, style: str) -> Text:
    return Text(text, style)


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _printable(line: str) -> str:
    """Without the control characters by which output could rewrite the screen."""
    return "".join(c if c.isprintable() or c == "\t" else "�" for c in line)[:400]


def inline(text: str) -> Text:
    """`code` and **strong** styled; the backticks stay, as they show where code begins without colour."""
    found = Text()
    for part in re.split(r"(`[^`]+`|\*\*[^*]+\*\*|(?<![A-Za-z0-9_*])\*[^\s*][^*]*\*(?![A-Za-z0-9_*]))", text):
        if part.startswith("**") and part.endswith("**") and len(part) > 4:
            found.append(part[2:-2], "bold")
        elif part.startswith("*") and part.endswith("*") and len(part) > 2:
            found.append(part[1:-1], "italic")
        else:
            found.append(part, "cyan" if part.startswith("`") and len(part) > 1 else "")
    return found


def blocks(markdown: str) -> list[tuple[str, str, str]]:
    """Markdown cut into (kind, indent or bullet, text): paragraph, item, code, heading, blank."""
    found: list[tuple[str, str, str]] = []
    fence = ""
    for line in markdown.strip("\n").splitlines():
        stripped = line.strip()
        if fence or stripped.startswith("```"):
            if stripped.startswith("```"):
                fence = "" if fence else stripped
            else:
                found.append(("code", "", "    " + line))
        elif not stripped:
            found.append(("blank", "", ""))
        elif line.startswith("    ") and found and found[-1][0] in ("blank", "code"):
            found.append(("code", "", line))
        elif heading := re.match(r"#+ +(.*)", line):
            found.append(("heading", "", heading[1]))
        elif bullet := re.match(r"( *)([-*+]|\d+\.) +(.*)", line):
            found.append(("item", f"{bullet[1]}{bullet[2]} ", bullet[3]))
        elif found and found[-1][0] in ("paragraph", "item"):
            kind, indent, text = found[-1]
            found[-1] = (kind, indent, text + _joint(text, stripped) + stripped)
        else:
            found.append(("paragraph", "", stripped))
    return found


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"


def _joint(before: str, after: str) -> str:
    """Lines of Chinese are joined without a space, and so is whatever meets a mark as wide as a character."""
    wide = [c for c in (before[-1:], after[:1]) if c and _is_wide(c)]
    mark = any(unicodedata.category(c).startswith("P") for c in wide)
    return "" if mark or len(wide) == 2 else " "


_AFTER_MARK = re.compile(r"([，。、；：！？）」』》”])(\*{0,2}) +")  # it is wide enough by itself
# What stays together in a line: a word, or one Chinese character, with the marks that belong to it.
_UNIT = re.compile(
    r"\s+|[（「『《“‘]*(?:[\u2e80-\u9fff\uf900-\uffef]|[^\s\u2e80-\u9fff\uf900-\uffef“‘]+)"
    r"[，。、；：！？）」』》”’…]*|."
)


def breaks(text: str, width: int) -> list[int]:
    """Where the lines of a text with Chinese in it end: between characters, but not inside a Latin word."""
    found, used = [], 0
    for unit in _UNIT.finditer(text):
        cells = cell_len(unit[0])
        if used + cells > width and used and not unit[0].isspace():
            found.append(unit.start())
            used = 0
        used += cells
    return found
