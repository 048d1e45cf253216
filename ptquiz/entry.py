"""How ptquiz begins and ends: one catcher owns every ending.

0 passed or done, 1 not passed, 2 wrong usage or a broken exercise folder, 3 our own fault (traceback in a log
file, one line on the screen), 130 interrupted. `| head` ends it quietly, with the code it would have had.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ptquiz.errors import PtquizError, Words

if TYPE_CHECKING:
    from ptquiz.grader import WarmWorker

INTERRUPTED = 130
OUR_FAULT = 3

# What the command has come to so far; an ending that is nobody's fault (a closed pipe) leaves it as it is.
outcome = 0


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code and never raises."""
    global outcome
    outcome = 0
    _need_streams()
    arguments = sys.argv[1:] if argv is None else argv
    try:
        gc.disable()  # a short life: collecting takes 5 of 100 ms (the commands that stay turn it on)
        if arguments[:1] == ["check"]:
            _begin_worker(arguments)
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _drop(sys.stdout)
        return outcome
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except PtquizError as error:
        return _say(error.message, error.hint, error.exit_code)
    except OSError as error:
        if error.errno in _OUTPUT_FAILED and error.filename is None:
            _drop(sys.stdout)
            return _say(f"cannot write the output: {error.strerror}", "", outcome or 2)
        return _our_fault(error, arguments)
    except Exception as error:
        return _our_fault(error, arguments)
    finally:
        _end_worker()
        gc.enable()


def _run(arguments: list[str]) -> int:
    from ptquiz.cli import app_for

    streams = sys.stdout, sys.stderr
    try:
        code = app_for(arguments)(arguments, prog_name="ptquiz", standalone_mode=False)
    except SystemExit:
        if sys.stdout is streams[0]:
            raise
        sys.stdout, sys.stderr = streams  # Typer's own way of hushing a closed pipe
        raise BrokenPipeError from None
    except Exception as error:
        if type(error).__name__ == "Abort":
            return INTERRUPTED
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            return _wrong_usage(error)
        raise
    return code if isinstance(code, int) else 0


def _wrong_usage(error: Exception) -> int:
    """Typer's complaint about the command line, as ours: one line, one remedy."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "ptquiz"
    message = getattr(error, "format_message")()  # noqa: B009  (Typer's own class is private)
    return _say(message, (f"`{command} --help` shows how.", f"用法见 `{command} --help`。"), 2)


def _say(message: Words, hint: Words, code: int) -> int:
    """An error for people, on stderr."""
    try:
        from ptquiz import session
        from ptquiz.render import Screen
        from ptquiz.words import language

        Screen(language(session.default_language)).failure(PtquizError(message, hint))
        sys.stderr.flush()
    except BrokenPipeError:
        _drop(sys.stderr)
    return code


def _our_fault(error: BaseException, arguments: list[str]) -> int:
    """Traceback to the log, one line on the screen."""
    import traceback

    text = "".join(traceback.format_exception(error))
    where = _log(text, arguments)
    summary = (str(error).strip().splitlines() or [""])[0][:200]
    says = f"{type(error).__name__}: {summary}"
    _say(
        (f"internal error: {says}", f"内部错误：{says}"),
        (f"This is a fault of ptquiz; the details are in {where}", f"这是 ptquiz 自身的问题，详情见 {where}"),
        OUR_FAULT,
    )
    return OUR_FAULT


def _log(text: str, arguments: list[str]) -> str:
    """Append to error.log in the workspace, else in the temporary folder; returns its path."""
    import platform
    import tempfile
    from datetime import datetime

    head = (
        f"{datetime.now().astimezone().isoformat()} python {platform.python_version()} ptquiz {arguments}\n"
    )
    for folder in _log_folders(tempfile.gettempdir()):
        try:
            with (folder / "error.log").open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(head + text + "\n")
            return str(folder / "error.log")
        except OSError:
            continue
    sys.stderr.write(text)
    return "(no place to write a log)"


def _log_folders(temporary: str) -> list[Path]:
    from ptquiz import workspace

    own = Path(temporary) / f"ptquiz-{os.getuid() if hasattr(os, 'getuid') else 0}"
    try:
        own.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        own = Path(temporary)
    try:
        return [workspace.home(), own]
    except PtquizError:
        return [own]


def _need_streams() -> None:
    """`>&-` leaves no stream at all; write into the void then."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def _drop(stream: object) -> None:
    """Send what is still buffered nowhere, so that Python does not complain at its own end."""
    try:
        fd = stream.fileno()  # type: ignore[attr-defined]
        os.dup2(os.open(os.devnull, os.O_WRONLY), fd)
    except (OSError, ValueError, AttributeError):
        pass


_OUTPUT_FAILED = (28, 5, 9)  # ENOSPC, EIO, EBADF


# The worker of a `check`, importing torch while this process still imports what it needs to read the command.
early: WarmWorker | None = None


def _begin_worker(arguments: list[str]) -> None:
    """Start the worker of `check N` first of all. What cannot be told yet is left to the command itself."""
    global early
    words = [a for a in arguments[1:] if a != "--json"]
    if {"--all", "--sandbox", "--help", "-h"} & set(words):
        return
    name = _positional(words)
    try:
        from ptquiz.bank import load_bank

        exercise = load_bank().find(name) if name else None
        if exercise is None:
            return
        from ptquiz.grader import WarmWorker, needed

        early = WarmWorker(once=True)
        real = {"cuda", "--device=cuda"} & set(words)
        early.start(needed(exercise, "cuda" if real else "sim"))
    except PtquizError:
        early = None


def _positional(words: list[str]) -> str | None:
    """The first argument that is no option and no option's value."""
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in ("--file", "--seed", "--device", "--trace", "--lang")
        else:
            return word
    return None


def _end_worker() -> None:
    """The worker that was started and not needed."""
    global early
    if early is not None:
        early.kill()
        early.close()
        early = None
