"""`doctor`: what is installed, what is missing, how to mend it. Heavy imports are tried in children."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ptquiz import workspace
from ptquiz.errors import PtquizError, Words, said
from ptquiz.session import Session

LEAST_PYTHON = (3, 11)
LEAST_FREE_MIB = 100


class Finding(NamedTuple):
    """One line: `state` is ok, note (works without) or bad (mend it)."""

    name: str
    state: str
    detail: Words
    remedy: Words = ""


def run(s: Session, as_json: bool) -> int:
    """0 when nothing is bad, else 1."""
    with ThreadPoolExecutor() as pool:  # the imports of torch and torchvision side by side
        found = [finding for some in pool.map(lambda look: look(s), LOOKS) for finding in some]
    lang = s.screen.lang
    if as_json:
        items = [
            {"name": f.name, "state": f.state, "detail": said(f.detail, lang), "remedy": said(f.remedy, lang)}
            for f in found
        ]
        s.json({"ok": all(f.state != "bad" for f in found), "findings": items})
    else:
        s.screen.findings([(f.name, f.state, said(f.detail, lang), said(f.remedy, lang)) for f in found])
    return int(any(f.state == "bad" for f in found))


def python(_: Session) -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= LEAST_PYTHON
    remedy = ("Use Python 3.11 or newer.", "请使用 Python 3.11 或更新版本。")
    return [
        Finding("python", "ok" if good else "bad", f"{version} ({sys.executable})", "" if good else remedy)
    ]


def imported(name: str, say: str) -> tuple[str, str]:
    """Import `name` in a child; returns ("ok", what `say` printed) or ("bad", the error's last line)."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", f"import {name}\n{say}"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
            check=False,
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "bad", str(error)
    if done.returncode == 0:
        return "ok", done.stdout.strip()
    lines = done.stderr.strip().splitlines()
    return "bad", lines[-1] if lines else f"exit code {done.returncode}"


def torch(_: Session) -> list[Finding]:
    say = (
        "import json; cuda = torch.cuda; count = cuda.device_count() if cuda.is_available() else 0; "
        "print(json.dumps([torch.__version__, [cuda.get_device_name(i) for i in range(count)]]))"
    )
    state, detail = imported("torch", say)
    if state == "bad":
        return [Finding("torch", "bad", detail, _install("torch"))]
    version, devices = json.loads(detail.splitlines()[-1])
    if devices:
        gpu = Finding("gpu", "ok", ", ".join(devices))
    else:
        gpu = Finding(
            "gpu",
            "note",
            ("none: GPU exercises run on the simulated device", "没有：GPU 题目在模拟设备上评判"),
        )
    return [Finding("torch", "ok", version), gpu]


def torchvision(_: Session) -> list[Finding]:
    state, detail = imported("torchvision", "print(torchvision.__version__)")
    if state == "ok":
        return [Finding("torchvision", "ok", detail)]
    if "No module named 'torchvision'" in detail:
        says: Words = ("not installed; exercises 3 and 5 need it", "没有安装；第 3、5 题需要它")
    else:
        says = (f"does not fit the installed torch ({detail})", f"与已安装的 torch 不匹配（{detail}）")
    return [Finding("torchvision", "bad", says, _install("torch torchvision"))]


def pytest(_: Session) -> list[Finding]:
    state, detail = imported("pytest", "print(pytest.__version__)")
    return [Finding("pytest", state, detail, _install("pytest") if state == "bad" else "")]


def _install(what: str) -> Words:
    command = f"{sys.executable} -m pip install --upgrade {what}"
    return (f"Run: {command}", f"请运行：{command}")


def home(_: Session) -> list[Finding]:
    folder = workspace.home()
    remedy = (
        "Make it writable, or set PTQUIZ_HOME to a folder that is.",
        "请修改权限，或把 PTQUIZ_HOME 设为可写的目录。",
    )
    there = next(p for p in (folder, *folder.parents) if p.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".ptquiz-"):
            pass
        free = shutil.disk_usage(there).free >> 20
    except OSError as error:
        return [Finding("workspace", "bad", f"{folder}: {error.strerror}", remedy)]
    if free < LEAST_FREE_MIB:
        says = (f"{folder}: only {free} MiB free", f"{folder}：只剩 {free} MiB 空间")
        return [Finding("workspace", "bad", says, ("Free some space.", "请腾出磁盘空间。"))]
    return [Finding("workspace", "ok", str(folder))]


def database(s: Session) -> list[Finding]:
    try:
        state = s.store.check()
    except PtquizError as error:
        return [Finding("progress", "bad", error.message, error.hint)]
    if state in ("ok", "none yet"):
        return [Finding("progress", "ok", f"{s.store.path} ({state})")]
    moved = ("Move it away; ptquiz begins a fresh one.", "请把它移走，ptquiz 会新建一个。")
    return [Finding("progress", "bad", f"{s.store.path}: {state}", moved)]


def bank(s: Session) -> list[Finding]:
    broken = [Finding("exercises", "bad", p.message, p.hint) for p in s.bank.problems]
    count = len(s.bank.exercises)
    return broken or [Finding("exercises", "ok", f"{count} ({s.bank.root})")]


def fork(_: Session) -> list[Finding]:
    if hasattr(os, "fork"):
        return [Finding("fork", "ok", ("watch grades on a warm process", "watch 使用预热的评判进程"))]
    says = ("missing: grading needs Linux, macOS or WSL", "缺失：评判需要 Linux、macOS 或 WSL")
    return [Finding("fork", "bad", says, ("On Windows, use WSL.", "在 Windows 上请使用 WSL。"))]


def sandbox(_: Session) -> list[Finding]:
    path = shutil.which("bwrap")
    remedy = (
        "Only --sandbox needs it: install bubblewrap (apt install bubblewrap).",
        "只有 --sandbox 需要它：安装 bubblewrap（apt install bubblewrap）。",
    )
    if path is None:
        return [Finding("bwrap", "note", ("not installed", "没有安装"), remedy)]
    try:
        done = subprocess.run(
            [path, "--ro-bind", "/", "/", "--unshare-all", "true"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [Finding("bwrap", "note", f"{path}: {error}", remedy)]
    if done.returncode:
        says = (f"{path} cannot make a sandbox here ({done.stderr.strip()[:120]})",
                f"{path} 在本机无法建立沙箱（{done.stderr.strip()[:120]}）")  # fmt: skip
        allow = ("Allow unprivileged user namespaces.", "请允许非特权用户命名空间。")
        return [Finding("bwrap", "note", says, allow)]
    return [Finding("bwrap", "ok", path)]


LOOKS: tuple[Callable[[Session], list[Finding]], ...] = (
    python, torch, torchvision, pytest, home, database, bank, fork, sandbox,
)  # fmt: skip
