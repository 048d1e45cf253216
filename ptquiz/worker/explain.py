"""Turns what was raised into words for the learner, with their own line."""

from __future__ import annotations

import traceback
from pathlib import Path

from _pytest.outcomes import Exit, OutcomeException

from ptquiz.worker import claims
from ptquiz.worker.submission import MODULE, line

LONGEST = 2000


def own_frame(error: BaseException, path: str) -> traceback.FrameSummary | None:
    """The innermost frame of the learner's file in the traceback, or in that of a cause."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = [f for f in traceback.extract_tb(current.__traceback__) if f.filename == path]
        if frames:
            return frames[-1]
        current = current.__cause__ or current.__context__
    return None


def where(error: BaseException, path: str) -> str:
    """`file:line, in function` and the source line, or ""."""
    frame = own_frame(error, path)
    if frame is None or frame.lineno is None:
        return ""
    inside = "" if frame.name == "<module>" else f", in {frame.name}"
    return f"  {Path(path).name}:{frame.lineno}{inside}\n    {line(path, frame.lineno)}"


def exception(error: BaseException, path: str) -> str:
    """Type, text, the learner's line and what to look at."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return _syntax_error(error, path)
    lines = [headline(error), where(error, path), hint(error, path)]
    return cut("\n".join(text for text in lines if text))


def headline(error: BaseException) -> str:
    """`ValueError: its text`."""
    kind = type(error)
    module = str(kind.__module__)
    near = module in ("builtins", "__main__", MODULE) or module.endswith("checks")  # no address to know it by
    name = kind.__name__ if near else f"{module}.{kind.__name__}"
    try:
        text = str(error)
    except BaseException:  # the learner's own exception may fail at its __str__
        text = claims.say(("(its text cannot be shown)", "（无法显示其文字）"))
    return cut(f"{name}: {text}" if text else name, 800)


def hint(error: BaseException, path: str) -> str:
    """What to look at, for the errors whose text alone does not say it."""
    words: claims.Words = ""
    if isinstance(error, NotImplementedError) and _raised_there(error, path):
        words = ("this part is still to be written", "这一部分还没有写")
    elif isinstance(error, SystemExit):
        words = ("remove the call that ends the process", "请去掉结束进程的调用")
    elif isinstance(error, KeyboardInterrupt):
        words = (
            "your code raised this itself; nobody pressed Ctrl-C",
            "这是你的代码抛出的，并没有人按 Ctrl-C",
        )
    elif isinstance(error, RecursionError):
        words = ("a function that calls itself without end", "有函数在无休止地调用自己")
    elif isinstance(error, OutcomeException | Exit):
        words = ("a submission cannot skip, pass or end a check", "提交的代码不能跳过、通过或结束检查")
    elif isinstance(error, ModuleNotFoundError) and own_frame(error, path) is not None:
        words = (
            f"`{error.name}` is not installed; the exercise does not need it",
            f"没有安装 `{error.name}`；本题不需要它",
        )
    return f"{claims.say(('look at', '提示'))}: {claims.say(words)}" if words else ""


def _raised_there(error: BaseException, path: str) -> bool:
    """Whether a line of the learner's file says so itself; torch raises it for what it cannot do."""
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    return bool(frame) and frame[0].filename == path and "NotImplementedError" in (frame[0].line or "")


def _syntax_error(error: SyntaxError, path: str) -> str:
    number = error.lineno or 0
    text = (error.text or line(path, number)).rstrip()
    shift = len(text) - len(text.lstrip())
    rows = [f"{type(error).__name__}: {error.msg}", f"  {Path(path).name}:{number}", f"    {text.strip()}"]
    if error.offset and error.offset > shift:
        rows.append(" " * (4 + error.offset - 1 - shift) + "^")
    return cut("\n".join(rows))


def ours(error: BaseException) -> str:
    """The whole traceback of an error that is not the learner's."""
    return cut("".join(traceback.format_exception(error)), 6000)


def cut(text: str, longest: int = LONGEST) -> str:
    """The text, cut in its middle where it is too long."""
    if len(text) <= longest:
        return text
    return text[: longest * 3 // 4] + "\n…\n" + text[-longest // 4 :]
