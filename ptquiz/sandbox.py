"""`--sandbox`: bubblewrap around the worker, where it is installed.

No network, no other processes, a read-only file system, a private /tmp, and no solutions to look into.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ptquiz.bank import Exercise
from ptquiz.errors import UsageError

_LOCKED = ("--die-with-parent", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")


def command(exercise: Exercise, submission: Path, writable: Path, *, real_device: bool = False) -> list[str]:
    """What to put before the worker's command; raises UsageError where it cannot work."""
    program = shutil.which("bwrap")
    if program is None:
        raise UsageError(
            (
                "--sandbox needs bubblewrap, which is not installed here.",
                "--sandbox 需要 bubblewrap，但本机没有安装。",
            ),
            (
                "Install it (`apt install bubblewrap`, Linux only), or leave --sandbox out.",
                "请安装它（`apt install bubblewrap`，仅限 Linux），或去掉 --sandbox。",
            ),
        )
    _tried(program)
    solutions = exercise.solution.folder.resolve().parent
    device = ["--dev-bind", "/dev", "/dev"] if real_device else ["--dev", "/dev"]
    arguments = [
        program,
        *_LOCKED,
        "--ro-bind",
        "/",
        "/",
        *device,
        "--proc",
        "/proc",
        "--tmpfs",
        tempfile.gettempdir(),
    ]
    for path in _needed_below_tmp(exercise, submission):
        arguments += ["--ro-bind", str(path), str(path)]
    if solutions.is_dir():
        arguments += ["--tmpfs", str(solutions)]
        if submission.is_relative_to(solutions):  # an author grades a file of the solutions themselves
            arguments += ["--ro-bind", str(submission), str(submission)]
    return [*arguments, "--bind", str(writable), str(writable), "--chdir", str(writable), "--"]


def _needed_below_tmp(exercise: Exercise, submission: Path) -> list[Path]:
    """What would vanish with the machine's /tmp: the learner's folder, Python, this package, the exercise."""
    temporary = Path(tempfile.gettempdir()).resolve()
    package = Path(__file__).resolve().parent
    wanted = [
        submission.parent,
        Path(sys.prefix),
        Path(sys.base_prefix),
        package.parent,
        exercise.folder.resolve(),
    ]
    return [path for path in wanted if path != temporary and path.is_relative_to(temporary)]


def _tried(program: str) -> None:
    """Containers often forbid the namespaces that bubblewrap needs."""
    trial = [program, *_LOCKED, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    result = subprocess.run(trial, capture_output=True, text=True, check=False, env=dict(os.environ))
    if result.returncode:
        told = result.stderr.strip()[-300:]
        raise UsageError(
            (f"bubblewrap does not work on this machine: {told}", f"bubblewrap 在本机无法使用：{told}"),
            ("Leave --sandbox out, or grade outside of a container.", "请去掉 --sandbox，或在容器之外评分。"),
        )
