"""What is shown: widths, Markdown, cut messages, hostile output, wide characters. Results in, text out."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from ptquiz.bank import Exercise, load_bank
from ptquiz.errors import PtquizError
from ptquiz.render import Screen, blocks, inline
from ptquiz.report import CheckResult, Report


class Shown:
    """A screen that writes into a string."""

    def __init__(self, lang: str, width: int, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", str(width))
        self._raw, self._err = io.BytesIO(), io.BytesIO()
        self._encoding = encoding
        self._streams = [io.TextIOWrapper(raw, encoding=encoding) for raw in (self._raw, self._err)]
        self.screen = Screen(lang, *self._streams)

    def text(self) -> str:
        for stream in self._streams:
            stream.flush()
        return (self._raw.getvalue() + self._err.getvalue()).decode(self._encoding)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Shown]:
    return lambda lang="en", width=80, encoding="utf-8": Shown(lang, width, encoding, monkeypatch)


@pytest.fixture
def exercise(bank_root: object) -> Exercise:
    return load_bank().find("1")


def report(*checks: CheckResult, **other: object) -> Report:
    fields: dict[str, object] = {
        "exercise": 1, "slug": "double_it", "verdict": "failed", "cause": "wrong", "device": "sim", "seed": 3,
        "duration_seconds": 75.0, "checks": checks,
    }  # fmt: skip
    return Report(**(fields | other))  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_prose_fits_the_width(shown: Callable[..., Shown], exercise: Exercise, width: int, lang: str) -> None:
    """Words are wrapped, Chinese counts double; only paths and commands may be longer."""
    from rich.cells import cell_len

    view = shown(lang, width)
    view.screen.prose(exercise.prompt.get(lang) * 3)
    view.screen.facts(exercise)
    assert max(map(cell_len, view.text().splitlines())) <= width


def test_every_failed_check_is_shown_the_first_in_full(
    shown: Callable[..., Shown], exercise: Exercise
) -> None:
    """Later ones are cut to a sensible length, and say so."""
    long = "\n".join(f"line {n}" for n in range(30))
    view = shown()
    view.screen.report(
        exercise, report(CheckResult("a", "first", "failed", long), CheckResult("b", "second", "error", long))
    )
    first, second = view.text().split("✗ second")
    assert "✗ first" in first and "line 29" in first
    assert "line 0" in second and "line 29" not in second and "… 22 more lines" in second


def test_skipped_checks_share_one_line(shown: Callable[..., Shown], exercise: Exercise) -> None:
    """What follows from a failed one needs no message of its own; another reason is shown."""
    view = shown()
    checks = (
        CheckResult("test_value", "value", "failed", "no"),
        CheckResult("test_input", "input", "skipped", "stands on"),
    )
    view.screen.report(exercise, report(*checks))
    assert "○ input" in view.text() and "stands on" not in view.text() and "builds on" in view.text()
    other = shown()
    other.screen.report(
        exercise, report(CheckResult("test_value", "value", "skipped", "cannot be seen here"))
    )
    assert "cannot be seen here" in other.text()


def test_the_learners_output_cannot_write_over_the_report(
    shown: Callable[..., Shown], exercise: Exercise
) -> None:
    """Control characters are shown as what they are not, markup is text, floods are cut."""
    view = shown()
    output = "\x1b[2J\x07[bold red]hello[/]\n" + "x\n" * 100
    view.screen.report(exercise, report(output=output))
    text = view.text()
    assert "\x1b" not in text and "\x07" not in text and "[bold red]hello[/]" in text
    assert "81 more lines" in text


def test_messages_are_text_not_markup(shown: Callable[..., Shown], exercise: Exercise) -> None:
    """Brackets, emoji codes and backslashes come through."""
    view = shown()
    view.screen.report(
        exercise, report(CheckResult("a", "[red]t[/red] :smile:", "failed", "got [1, 2] \\[x] :tada:"))
    )
    assert "[red]t[/red] :smile:" in view.text() and "got [1, 2] \\[x] :tada:" in view.text()


def test_the_report_says_where_it_was_graded(shown: Callable[..., Shown], exercise: Exercise) -> None:
    """Device, seed and duration; in both languages."""
    view = shown()
    view.screen.report(exercise, report(message="the whole thing"))
    for part in ("the simulated CUDA device", "seed 3", "1 min 15 s", "the whole thing"):
        assert part in view.text()
    chinese = shown("zh")
    chinese.screen.report(exercise, report())
    assert "模拟 CUDA 设备" in chinese.text() and "未通过：" in chinese.text()


def test_the_first_failure_shows_its_timeline_and_asked_for_all_do(
    shown: Callable[..., Shown], exercise: Exercise
) -> None:
    """Below its message; a later failure's, or a passed check's, only where `--timeline` asks for it."""
    checks = [
        CheckResult("a", "holds", "passed", timeline="row of a"),
        CheckResult("b", "breaks", "failed", "got 1", timeline="row of b"),
        CheckResult("c", "breaks too", "error", "got 2", timeline="row of c"),
    ]
    view = shown()
    view.screen.report(exercise, report(*checks))
    text = view.text()
    assert text.index("got 1") < text.index("row of b") < text.index("breaks too")
    assert "row of a" not in text and "row of c" not in text
    everything = shown()
    everything.screen.report(exercise, report(*checks), timeline=True)
    assert all(f"row of {name}" in everything.text() for name in "abc")


def test_what_changed_since_last_time(shown: Callable[..., Shown]) -> None:
    """Newly passing and newly failing checks by title."""
    before = report(CheckResult("a", "first", "failed"), CheckResult("b", "second", "passed"))
    now = report(CheckResult("a", "first", "passed"), CheckResult("b", "second", "skipped"))
    view = shown()
    view.screen.changes(before, now)
    assert "Passes now: first" in view.text() and "Passed before, not now: second" in view.text()
    same = shown()
    same.screen.changes(now, now)
    assert same.text() == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_signs_that_the_terminal_lacks_are_replaced(
    shown: Callable[..., Shown], exercise: Exercise, encoding: str
) -> None:
    """By the nearest; Chinese by English. Nothing raises."""
    view = shown("zh", encoding=encoding)
    view.screen.report(exercise, report(CheckResult("a", "标题 → x ≥ 1", "failed", "… ×2 — “so” ✓ 中")))
    view.screen.failure(PtquizError(("in English", "中文"), "→"))
    text = view.text()
    assert "in English" in text and "-> x" in text and ">= 1" in text


def test_blocks_of_markdown() -> None:
    """Paragraphs are joined, items keep their bullet, code is kept as it is."""
    text = (
        "# Head\n\nOne\ntwo.\n\n- first\n  more\n1. second\n\n```python\nx = 1\n\n  y\n```\n\n    indented\n"
    )
    assert [b for b in blocks(text) if b[0] != "blank"] == [
        ("heading", "", "Head"),
        ("paragraph", "", "One two."),
        ("item", "- ", "first more"),
        ("item", "1. ", "second"),
        ("code", "", "    x = 1"),
        ("code", "", "    "),
        ("code", "", "      y"),
        ("code", "", "    indented"),
    ]


def test_chinese_lines_are_joined_without_a_space() -> None:
    """As one writes it."""
    assert blocks("写出\n梯度 `x`\n即可。")[0][2] == "写出梯度 `x` 即可。"


def test_inline_styles() -> None:
    """`code` keeps its ticks, **strong** and *emphasis* lose their stars, a product keeps its own."""
    assert inline("`a*b*c` is **strong** and *so*, 2 * x * y").plain == "`a*b*c` is strong and so, 2 * x * y"


def test_nothing_at_all_is_shown_quietly(shown: Callable[..., Shown], exercise: Exercise) -> None:
    """Empty texts and empty lists raise nothing."""
    view = shown()
    view.screen.prose("")
    view.screen.listing([], {})
    view.screen.report(exercise, report())
    assert "Not passed" in view.text()


def test_a_diff_of_equal_code_says_so(shown: Callable[..., Shown]) -> None:
    """And shows the lines that differ otherwise."""
    view = shown()
    view.screen.diff("a\nb\n", "a\nc\n", ("mine", "answer"))
    assert "-b" in view.text() and "+c" in view.text()
    same = shown()
    same.screen.diff("a", "a", ("mine", "answer"))
    assert "line for line" in same.text()
