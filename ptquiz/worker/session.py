"""One grading, in a process of its own: load the submission, run the hidden checks on it, report each."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import signal
import sys
import time
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from ptquiz.worker import claims, explain, submission
from ptquiz.worker.audit import Audit, solutions_of
from ptquiz.worker.draw import Draw, seed_for
from ptquiz.worker.guard import Guard
from ptquiz.worker.state import State
from ptquiz.worker.wire import Check, Record, Request, signer

# What pytest needs to collect and run plain functions with fixtures; every other plugin stays out.
_PLUGINS = ("mark", "main", "runner", "fixtures", "helpconfig", "python", "assertion", "terminal")
Send = Callable[[Record], None]


def _unneeded() -> list[str]:
    from _pytest.config import default_plugins

    return [name for name in default_plugins if name not in _PLUGINS]


def import_pytest() -> None:
    """Import, before any fork, the parts of pytest that a grading uses."""
    for name in _PLUGINS:
        importlib.import_module(f"_pytest.{name}")


def run(request: Request, results: int, output: int, trace: int, gate: int) -> NoReturn:
    """Make all ready, wait for a byte on `gate`, grade, and end the process.

    Whatever ends it earlier shows by the missing final record.
    """
    send = signer(request.secret, results)
    request = _without_secret(request)
    try:
        _redirect(request.submission, output, trace)
        _session(request, send, gate)
    except BaseException as error:  # what comes here is not the learner's
        send(Record("broken", message=explain.ours(error)))
    os._exit(0)


def _without_secret(request: Request) -> Request:
    import msgspec

    return msgspec.structs.replace(request, secret="")


def _redirect(submission_path: str, output: int, trace: int) -> None:
    """Nothing comes in, all that is printed goes to the grader, crashes are traced to a pipe of their own."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(null)
    os.close(output)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  (lives as long as the process)
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
    warnings.showwarning = _show_own(submission_path)
    faulthandler.enable(trace, all_threads=True)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR2, trace, all_threads=True)


def _show_own(path: str) -> Callable[..., None]:
    """Show a warning only where the learner's code caused it; the checks' own are none of theirs."""
    show, current = warnings.showwarning, sys._getframe

    def showwarning(*arguments: Any, **keywords: Any) -> None:
        frame: types.FrameType | None = current(1)
        while frame is not None and frame.f_code.co_filename != path:
            frame = frame.f_back
        if frame is not None:
            show(*arguments, **keywords)

    return showwarning


def _session(request: Request, send: Send, gate: int) -> None:
    claims.use_language(request.language)
    folder = Path(request.folder)
    os.chdir(folder)
    os.environ["TMPDIR"] = str(_made(folder / "temporary"))
    sys.argv[:] = ["ptquiz"]
    _collected(request, send, gate)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _collected(request: Request, send: Send, gate: int) -> None:
    """Run pytest on the checks, in its own configuration; the plugin does the rest once it has them."""
    plugin = Plugin(request, send, gate)
    configuration = Path(request.folder) / "pytest.ini"
    configuration.write_text("[pytest]\n", encoding="utf-8")
    arguments = [request.checks_file, "-c", str(configuration), f"--rootdir={request.folder}", "--noconftest"]
    arguments += ["--import-mode=importlib", "--assert=plain", "-qqq", "--no-header", "--no-summary"]
    for name in _unneeded():
        arguments += ["-p", f"no:{name}"]
    status = pytest.main(arguments, plugins=[plugin])
    raise RuntimeError(f"the checks could not be collected (pytest ended with {status!r})\n{plugin.problem}")


class Plugin:
    """Fixtures for the checks, and the loop that runs them in their announced order."""

    def __init__(self, request: Request, send: Send, gate: int) -> None:
        self._request, self._send, self._gate = request, send, gate
        self._path = request.submission
        self._proxy: submission.Submission | None = None
        self._gpu: Any = None
        self._folder = Path(request.folder)
        self._audit: Audit | None = None
        self._guard: Guard | None = None
        self._ended: dict[str, Record] = {}
        self._name = ""
        self.problem = ""

    # fixtures

    @pytest.fixture(name="submission")
    def _submission(self) -> submission.Submission:
        assert self._proxy is not None
        return self._proxy

    @pytest.fixture(name="draw")
    def _draw(self) -> Draw:
        return Draw(seed_for(self._request.seed, self._name))

    @pytest.fixture(name="tmp_path")
    def _tmp_path(self) -> Path:
        return _made(self._folder / "checks" / self._name / "tmp")

    @pytest.fixture(name="gpu")
    def _gpu_fixture(self) -> Any:
        if self._gpu is None:
            raise RuntimeError("the gpu fixture is for exercises with `device: gpu`")
        return self._gpu

    # the loop

    @pytest.hookimpl
    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.problem += str(report.longrepr)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.name: item for item in session.items}
        announced = [check.name for check in self._request.checks]
        if sorted(items) != sorted(announced) or session.testsfailed:
            self.problem += f"checks.py has {sorted(items)}, exercise.yaml announces {sorted(announced)}"
        else:
            with _machine(self._request) as self._gpu:
                self._to_the_end(session, items)
        return True

    def _to_the_end(self, session: pytest.Session, items: dict[str, Any]) -> NoReturn:
        """Grade and end the process: what the submission left for a later end does not run."""
        try:
            self._grade(session, items)
            if self._gpu is not None:
                self._gpu.export()
            last = Record("final")
        except BaseException as error:  # pytest would only print it
            last = self._fault(error)
        for stream in (sys.__stdout__, sys.__stderr__):
            with contextlib.suppress(Exception):
                stream.flush()  # type: ignore[union-attr]
        self._send(last)  # the grader may go on at once: all that was printed is in its pipe by now
        os._exit(0)

    def _grade(self, session: pytest.Session, items: dict[str, Any]) -> None:
        checks = next(iter(items.values())).module
        module = submission.install(Path(self._path), self._folder)
        self._proxy = submission.Submission(module)
        state = State()
        guard = self._guard = Guard(checks)
        self._audit = Audit(self._path, solutions_of(self._request.checks_file))
        state.restore(self._folder, 0)  # once before it is timed: it imports
        gc.freeze()
        self._pass_gate()
        if not self._import(module, state, guard):
            return
        passed: set[str] = set()
        for check in self._request.checks:
            if set(check.needs) <= passed:
                record = self._check(session, items[check.name], check, state, guard)
            else:
                record = Record("check", check.name, "skipped")
            if record.outcome == "passed" or record.cause == "unseen":
                passed.add(check.name)
            self._send(record)

    def _pass_gate(self) -> None:
        """Wait until the grading is wanted; a gate that closes means that it never will be."""
        if not os.read(self._gate, 1):
            os._exit(0)
        os.close(self._gate)

    def _import(self, module: types.ModuleType, state: State, guard: Guard) -> bool:
        """Run the learner's file; whether the checks can go on."""
        self._send(Record("begin"))
        state.restore(_made(self._folder / "checks" / "import"), seed_for(self._request.seed, "import"))
        failure = self._imported(module)
        if (damage := self._damage(guard)) and (failure is None or failure.cause != "unreadable"):
            failure = Record("import_failed", cause="tampered", message=damage)
        if failure is not None:
            self._send(failure)
        return failure is None

    def _fault(self, error: BaseException) -> Record:
        """What came up in our own code: ours, unless the submission had damaged it."""
        damage = self._damage(self._guard) if self._guard is not None else ""
        if damage:
            return Record("import_failed", cause="tampered", message=damage)
        return Record("broken", message=explain.ours(error))

    def _damage(self, guard: Guard) -> str:
        """What the submission did to the grading itself, in words; "" for nothing."""
        replaced = sorted(set(guard.changes()))
        seen = sorted(set(self._audit.taken())) if self._audit is not None else []
        if replaced:
            return _TAMPERED[self._request.language != "zh"].format(", ".join(replaced[:5]))
        return _SPIED[self._request.language != "zh"].format(", ".join(seen[:5])) if seen else ""

    def _imported(self, module: types.ModuleType) -> Record | None:
        try:
            code = submission.read(Path(self._path))
            exec(code, module.__dict__)
        except submission.Unreadable as error:
            return Record("import_failed", cause="unreadable", message=str(error))
        except BaseException as error:
            cause = "exited" if isinstance(error, SystemExit) else "error"
            try:
                message = explain.exception(error, self._path)
            except BaseException:  # as in a check
                message = type(error).__name__
            return Record("import_failed", cause=cause, message=message)
        return None

    def _check(self, session: pytest.Session, item: Any, check: Check, state: State, guard: Guard) -> Record:
        from _pytest.runner import runtestprotocol

        self._name = check.name
        state.restore(
            _made(self._folder / "checks" / check.name / "cwd"), seed_for(self._request.seed, check.name)
        )
        if self._gpu is not None:
            self._gpu.begin(seed_for(self._request.seed, check.name))
        self._ended.pop(check.name, None)
        self._send(Record("begin", check.name))
        reports = runtestprotocol(item, log=False, nextitem=None)
        record = self._ended.get(check.name)
        if record is None:
            texts = [str(report.longrepr) for report in reports if report.failed]
            raise RuntimeError(f"{check.name} did not run\n" + "\n".join(texts))
        if self._gpu is not None:
            record = self._gpu.closed(record)
        if damage := self._damage(guard):
            return Record("check", check.name, "failed", "tampered", damage, record.seconds)
        return record

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: Any) -> bool:
        """Call the check ourselves: whatever it raises is an outcome, nothing is a skip."""
        names = pyfuncitem._fixtureinfo.argnames
        arguments = {name: pyfuncitem.funcargs[name] for name in names}
        function = pyfuncitem.obj
        began = time.perf_counter()
        outcome, cause, message = "passed", "", ""
        try:
            function(**arguments)
        except BaseException as error:
            try:
                outcome, cause, message = self._judged(error)
            except BaseException:  # an exception may be hostile in itself
                outcome, cause, message = "error", "error", type(error).__name__
        self._ended[pyfuncitem.name] = Record(
            "check", pyfuncitem.name, outcome, cause, message, time.perf_counter() - began
        )
        return True

    def _judged(self, error: BaseException) -> tuple[str, str, str]:
        """(outcome, cause, message) of what a check raised."""
        assert self._proxy is not None
        if self._request.device == "cuda" and type(error).__name__ == "Unseen":
            return "skipped", "unseen", str(error)
        if type(error) is claims.Unmet:
            spot = explain.where(error, self._path) or submission.place(self._proxy, self._path)
            return "failed", "wrong", "\n".join(text for text in (explain.cut(str(error)), spot) if text)
        if explain.own_frame(error, self._path) is not None:
            cause = "exited" if isinstance(error, SystemExit) else "error"
            return "error", cause, explain.exception(error, self._path)
        words = claims.say(
            ("the check could not use what your code gave: ", "检查无法使用你的代码给出的结果：")
        )
        lines = [words + explain.headline(error), submission.place(self._proxy, self._path)]
        return "failed", "wrong", "\n".join(text for text in lines if text)


_TAMPERED = (
    "你的代码替换了 {}\n提示：请调用它，不要给它赋值",
    "your code replaced {}\nlook at: call it, do not assign to it",
)
_SPIED = (
    "你的代码查看了评分器的内部：{}\n提示：答案只需要它的参数",
    "your code looked into the grader: {}\nlook at: an answer needs nothing but its arguments",
)


def _machine(request: Request) -> Any:
    """The simulated machine, open while the submission is imported and checked; nothing for `device: cpu`."""
    if request.device == "cpu":
        return contextlib.nullcontext()
    from ptquiz.worker import gpu

    return gpu.opened(request)
