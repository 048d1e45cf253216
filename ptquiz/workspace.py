"""The learner's files: where they are, starting, finding, setting aside. Work is never overwritten."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from ptquiz.bank import Exercise
from ptquiz.errors import UsageError
from ptquiz.progress import unwritable


def home() -> Path:
    """$PTQUIZ_HOME, by default ~/ptquiz. Raises UsageError where there is neither."""
    try:
        if own := os.environ.get("PTQUIZ_HOME"):
            return Path(own).expanduser().absolute()
        return Path.home() / "ptquiz"
    except RuntimeError:
        raise UsageError(
            ("There is no home directory.", "找不到用户主目录。"),
            (
                "Set PTQUIZ_HOME to the folder for your answers.",
                "请把 PTQUIZ_HOME 设为存放答案的目录。",
            ),
        ) from None


def path_of(exercise: Exercise) -> Path:
    """Where the learner's answer to this exercise is, or would be."""
    return home() / f"{exercise.name}.py"


def started(exercise: Exercise) -> bool:
    return path_of(exercise).is_file()


def start(exercise: Exercise) -> tuple[Path, bool]:
    """Put the stub into the workspace; returns its path and whether it is new. What is there stays."""
    path = path_of(exercise)
    if path.is_file():
        return path, False
    if os.path.lexists(path):
        raise UsageError(
            (f"{path} is there, but it is no file.", f"{path} 已存在，但不是普通文件。"),
            ("Move it away, then start again.", "请把它移走，再重新开始。"),
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path, _create(path, exercise.stub.read_bytes())
    except OSError as error:
        raise unwritable(Path(error.filename or path), error) from None


def _create(path: Path, content: bytes) -> bool:
    """Write a file that did not exist, whole or not at all; False where another process was first."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(content)
        try:
            os.link(part, path)  # unlike rename, refuses to replace
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            return _copy(path, content)
        return True
    finally:
        part.unlink(missing_ok=True)


def _copy(path: Path, content: bytes) -> bool:
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        return False
    except OSError:
        path.unlink(missing_ok=True)  # ours, and incomplete
        raise
    return True


def locate(exercise: Exercise, file: Path | None = None) -> Path:
    """The file to grade, absolute. Raises UsageError where it is missing or no file."""
    path = file if file is not None else path_of(exercise)
    shown = str(path) or "''"
    if not str(path) or not path.exists():
        raise UsageError((f"{shown}: there is no such file.", f"{shown}：文件不存在。"), _how(exercise, file))
    if path.is_dir():
        raise UsageError(
            (f"{shown} is a folder.", f"{shown} 是目录。"),
            ("Name a Python file.", "请给出一个 Python 文件。"),
        )
    if not path.is_file():
        raise UsageError(
            (f"{shown} is no regular file.", f"{shown} 不是普通文件。"),
            ("Save the answer in a file and name that.", "请把答案存成文件，再给出文件路径。"),
        )
    return path.absolute()


def _how(exercise: Exercise, file: Path | None) -> tuple[str, str]:
    if file is None:
        return (
            f"`ptquiz start {exercise.number}` puts the stub there.",
            f"先运行 `ptquiz start {exercise.number}` 生成题目文件。",
        )
    return ("Check the path after --file.", "请检查 --file 后面的路径。")


def reset(exercise: Exercise) -> tuple[Path, Path | None]:
    """A fresh stub; the old file, if any, is kept under attempts/ with its date. Returns (path, kept)."""
    path = path_of(exercise)
    kept = None
    if os.path.lexists(path):
        try:
            kept = _keep(path)
        except OSError as error:
            raise unwritable(Path(error.filename or path), error) from None
    return start(exercise)[0], kept


def _keep(path: Path) -> Path:
    folder = path.parent / "attempts"
    folder.mkdir(exist_ok=True)
    stamp = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    for again in range(1000):
        more = f"-{again}" if again else ""
        kept = folder / f"{path.stem}.{stamp}{more}{path.suffix}"
        if not os.path.lexists(kept):
            path.rename(kept)
            return kept
    raise FileExistsError(17, "too many attempts in one second", str(folder))
