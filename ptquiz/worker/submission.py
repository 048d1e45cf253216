"""Loads a submission from its path and hands it to the checks behind a proxy."""

from __future__ import annotations

import difflib
import linecache
import sys
import types
from pathlib import Path
from typing import Any, NoReturn

from ptquiz.worker import claims

MODULE = "ptquiz_submission"
LARGEST = 4 << 20

# Written where a spawned process looks for it by name; it runs the learner's file as this very module.
_SHIM = """\
from pathlib import Path as _Path
__file__ = {path!r}
exec(compile(_Path(__file__).read_bytes(), __file__, "exec"))
"""


class Unreadable(Exception):  # noqa: N818  (the file is unreadable; the name is the verdict's cause)
    """The file is no Python source; the text says why."""


def read(path: Path) -> types.CodeType:
    """The submission's code; raises Unreadable, or SyntaxError with the learner's line."""
    try:
        size = path.stat().st_size
        source = path.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        _refuse((f"it cannot be read: {error.strerror}", f"无法读取：{error.strerror}"))
    if size > LARGEST:
        _refuse((f"it is {size} bytes long: not a source file", f"它有 {size} 字节，不像源代码文件"))
    if not source.removeprefix(b"\xef\xbb\xbf").strip():
        _refuse(
            ("it is empty", "它是空的"),
            ("start again from the stub: `ptquiz reset`", "可用 `ptquiz reset` 重新开始"),
        )
    if b"\0" in source:
        _refuse(("it holds NUL bytes: a binary file?", "它含有 NUL 字节：是二进制文件吗？"))
    return _compile(source, path)


def _compile(source: bytes, path: Path) -> types.CodeType:
    try:
        return compile(source, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        if error.lineno is None or "codec can't decode" in str(error) or "unknown encoding" in str(error):
            _refuse((f"it is not UTF-8 text ({error.msg})", f"它不是 UTF-8 文本（{error.msg}）"), _SAVE)
        raise
    except UnicodeDecodeError as error:
        _refuse((f"it is not UTF-8 text ({error})", f"它不是 UTF-8 文本（{error}）"), _SAVE)
    except (RecursionError, MemoryError, OverflowError) as error:
        _refuse((f"Python cannot compile it: {error}", f"Python 无法编译它：{error}"))


_SAVE = ("save the file as UTF-8", "请把文件保存为 UTF-8")


def _refuse(why: claims.Words, look: claims.Words = "") -> NoReturn:
    hint = f"\n{claims.say(('look at', '提示'))}: {claims.say(look)}" if look else ""
    raise Unreadable(
        claims.say(("your file cannot be used: ", "你的文件无法使用：")) + claims.say(why) + hint
    )


def install(path: Path, folder: Path) -> types.ModuleType:
    """A module for the submission, not yet run, that spawned processes too can import by its name."""
    shims = folder / "import"
    shims.mkdir()
    (shims / f"{MODULE}.py").write_text(_SHIM.format(path=str(path)), encoding="utf-8")
    # Last, so that a torch.py or random.py beside the submission shadows nothing.
    sys.path[:] = [entry for entry in sys.path if entry] + [str(shims), str(path.parent)]
    module = types.ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[MODULE] = module
    sys.modules["__main__"] = types.ModuleType("__main__")  # a spawned process must not import the worker
    return module


def line(path: str, number: int) -> str:
    """The source text of one line, stripped; read anew, as the learner sees it."""
    linecache.checkcache(path)
    return linecache.getline(path, number).strip()


class Submission:
    """What the checks see: the learner's names, and a good message for one that is missing."""

    __slots__ = ("_last", "_module")

    def __init__(self, module: types.ModuleType) -> None:
        object.__setattr__(self, "_module", module)
        object.__setattr__(self, "_last", "")

    def __getattr__(self, name: str) -> Any:
        object.__setattr__(self, "_last", name)
        names = types.ModuleType.__getattribute__(self._module, "__dict__")
        if name not in names:  # a module-level __getattr__ does not count
            near = difflib.get_close_matches(name, [n for n in names if not n.startswith("_")], n=1)
            look = (
                (f"you define `{near[0]}`: is it meant?", f"文件里有 `{near[0]}`：是写错了名字吗？")
                if near
                else ""
            )
            claims.fail(
                (f"your file defines `{name}`", f"你的文件定义了 `{name}`"),
                ("no such name", "没有这个名字"),
                look or ("the names of the stub must stay", "请保留模板中的名字"),
            )
        return names[name]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("checks do not change the submission")


def place(submission: Submission, path: str) -> str:
    """`file:line` and source of the name that a check used last, or "" where that cannot be told."""
    name = submission._last
    value = vars(submission._module).get(name)
    code = getattr(value, "__code__", None)
    number = 0
    if isinstance(code, types.CodeType) and code.co_filename == path:
        number = code.co_firstlineno
    elif isinstance(value, type):
        number = next(
            (n for n, text in enumerate(linecache.getlines(path), 1) if text.startswith(f"class {name}")), 0
        )
    return f"  {Path(path).name}:{number}\n    {line(path, number)}" if number else ""
