"""watch: a verdict at every save. The logic is driven event by event; the terminal with a real one."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import queue
import re
import select
import shlex
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ptquiz import watch as watching
from ptquiz import workspace
from ptquiz.bank import Exercise
from ptquiz.errors import UsageError
from ptquiz.render import Screen
from ptquiz.report import CheckResult, Report
from ptquiz.session import Session
from ptquiz.watch import Graded, Pressed, Saved, Tick, Watch

PATIENCE = 120.0  # seconds; only ever waited for where something is wrong


class Warm:
    """A worker that notes what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.cancelled = threading.Event()

    def start(self, needs: object = ()) -> None:
        self.calls.append("start")

    def cancel(self) -> None:
        self.calls.append("cancel")
        self.cancelled.set()

    def kill(self) -> None:
        self.calls.append("kill")
        self.cancelled.set()


class Bench:
    """A Watch on the first small exercise, a fake grader, and the events it has put into the queue."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.session = Session()
        self._out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        self.session.screen = Screen("en", self._out, self._out)
        self.exercise = self.session.bank.find("1")
        self.path, _ = workspace.start(self.exercise)
        self.warm, self.events = Warm(), queue.SimpleQueue[watching.Event]()
        self.graded: list[tuple[Path, int | None]] = []
        self.hold = False
        monkeypatch.setattr(watching, "grade", self._grade)
        self.prepared: list[Path] = []
        monkeypatch.setattr(watching, "prepare", lambda e, path, **how: self.prepared.append(path))
        monkeypatch.setattr(watching, "Folder", Quiet)
        self.watch = Watch(self.session, self.exercise, self.path, "sim", self.warm, self.events, True)  # type: ignore[arg-type]

    def _grade(self, exercise: Exercise, path: Path, *, seed: int | None = None, **how: object) -> Report:
        self.graded.append((path, seed))
        text = path.read_text(encoding="utf-8")
        if self.hold:
            assert self.warm.cancelled.wait(PATIENCE)
        if "raise UsageError" in text:
            raise UsageError("cannot be graded", "do this")
        verdict = "passed" if "right" in text else "broken" if "broken" in text else "failed"
        outcome = "passed" if verdict == "passed" else "failed"
        check = CheckResult("test_value", "twice the input", outcome, f"saw {text}")  # type: ignore[arg-type]
        return Report(exercise.number, exercise.slug, verdict, None, "cpu", 7, 0.1, (check,))  # type: ignore[arg-type]

    def save(self, text: str) -> None:
        """As an editor does it: a new file in place of the old."""
        other = self.path.with_suffix(".new")
        other.write_text(text, encoding="utf-8")
        other.replace(self.path)
        self.watch._save()

    def shown(self) -> str:
        """What was shown since the last call."""
        self._out.flush()
        self._out.seek(0)
        text = self._out.read()
        self._out.seek(0)
        self._out.truncate()
        return text

    def settle(self) -> None:
        """Handle events until no grading runs."""
        while self.watch._running:
            event = self.events.get(timeout=PATIENCE)
            assert isinstance(event, Graded)
            self.watch._graded(*event)

    def verdicts(self) -> list[str]:
        return [a.verdict for a in self.session.store.attempts("double_it")]


class Quiet:
    """No folder is followed."""

    def __init__(self, path: Path, events: object) -> None:
        self.path = path

    def close(self) -> None:
        pass


@pytest.fixture
def bench(bank_root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_a_save_is_graded_shown_and_kept(bench: Bench) -> None:
    """With what changed since the last time."""
    bench.save("wrong")
    bench.settle()
    bench.save("right")
    bench.settle()
    out = bench.shown()
    assert "saw wrong" in out and "Passes now: twice the input" in out
    assert bench.verdicts() == ["failed", "passed"]


def test_a_second_event_for_the_same_file_is_no_second_grading(bench: Bench) -> None:
    """Editors cause several events a save."""
    bench.save("wrong")
    bench.settle()
    for _ in range(3):
        bench.watch._save()
        bench.watch._tick()
    assert len(bench.graded) == 1 and not bench.watch._running


def test_a_save_during_a_grading_cancels_it(bench: Bench) -> None:
    """Only the last file's verdict is shown and kept."""
    bench.hold = True
    bench.save("first")
    bench.save("second")
    bench.save("right")
    bench.hold = False
    bench.settle()
    assert "cancel" in bench.warm.calls
    assert bench.verdicts() == ["passed"] and "first" not in bench.shown()


def test_a_file_that_is_away_for_a_moment_is_waited_for(bench: Bench) -> None:
    """Some editors remove it first."""
    bench.save("wrong")
    bench.settle()
    bench.path.unlink()
    bench.watch._save()
    assert not bench.watch._running
    bench.save("right")
    bench.settle()
    assert bench.verdicts() == ["failed", "passed"]


def test_an_error_with_words_does_not_end_it(bench: Bench) -> None:
    """It is shown, and the next save is graded."""
    bench.save("raise UsageError")
    bench.settle()
    assert "cannot be graded" in bench.shown()
    bench.save("right")
    bench.settle()
    assert bench.verdicts() == ["passed"]


def test_a_fault_of_ours_ends_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the one catcher."""
    with pytest.raises(ZeroDivisionError):
        bench.watch._graded("now", ZeroDivisionError())


def test_a_worker_lost_in_a_grading_is_tried_once_more(bench: Bench) -> None:
    """And not for ever."""
    bench.save("broken")
    bench.settle()
    assert len(bench.graded) == 2 and bench.verdicts() == ["broken"]


def test_the_untouched_stub_is_not_graded(bench: Bench) -> None:
    """The question is to be read first; what the learner has written before is graded at once."""
    bench.watch._first()
    assert not bench.watch._running and not bench.graded
    bench.path.write_text("wrong", encoding="utf-8")
    bench.watch._first()
    bench.settle()
    assert len(bench.graded) == 1


def test_changed_packages_restart_the_worker_when_they_have_settled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the middle of an installation."""
    bench.save("wrong")
    bench.settle()
    stamps = iter([(1,), (2,), (2,), (2,)])
    monkeypatch.setattr(watching, "installed", lambda: next(stamps))
    bench.watch._tick()
    bench.watch._tick()
    assert "kill" not in bench.warm.calls
    bench.watch._tick()
    assert "kill" in bench.warm.calls
    bench.settle()
    assert len(bench.graded) == 2


def test_an_idle_worker_that_died_is_replaced(bench: Bench) -> None:
    """Looked after at every tick; `start` does nothing where there is one."""
    bench.watch._first()
    bench.warm.calls.clear()
    bench.watch._tick()
    assert bench.warm.calls == ["start"]


def test_keys_help(bench: Bench) -> None:
    """h hint, r twice the answer, w the question, s the same inputs, c again, ? the keys."""
    bench.save("wrong")
    bench.settle()
    press = bench.watch._press
    press("h")
    assert "Two times." in bench.shown()
    press("r")
    assert "return 2 * x" not in bench.shown()
    press("x")
    press("r")
    assert "return 2 * x" not in bench.shown()
    press("r")
    assert "return 2 * x" in bench.shown()
    assert bench.session.standing(bench.exercise).state == "revealed"
    press("w")
    assert "twice `x`" in bench.shown()
    press("s")
    bench.settle()
    press("c")
    bench.settle()
    assert [seed for _, seed in bench.graded] == [None, 7, None]
    press("?")
    assert "q quit" in bench.shown()


def test_n_goes_on_to_the_next(bench: Bench) -> None:
    """Started, shown, and watched from then on; a grading that still runs for the old one is dropped."""
    bench.save("right")
    bench.settle()
    bench.hold = True
    bench.save("right again")
    bench.watch._press("n")
    bench.hold = False
    assert "02 · Twice more" in bench.shown()
    bench.watch._again_now()
    bench.settle()
    assert bench.graded[-1][0].name == "02_double_more.py"
    assert bench.session.store.last_started() == "double_more"


@pytest.mark.parametrize("key", ["q", "Q", "\x04"])
def test_q_ends_it(bench: Bench, key: str) -> None:
    """With exit code 0."""
    for event in (Tick(), Saved(), Pressed("z"), Pressed(key)):
        bench.events.put(event)
    assert bench.watch.run() == 0


def test_without_a_free_home_the_next_one_is_a_sentence(bench: Bench) -> None:
    """A folder in the way of the file ends nothing."""
    (bench.path.parent / "04_other_thing.py").mkdir()
    bench.watch._press("n")  # 2 builds on 1, which has not been passed
    assert "no file" in bench.shown()


# the folder, followed for real


@pytest.mark.processes
@pytest.mark.parametrize("way", ["in place", "rename", "remove first", "through a link"])
def test_every_editors_way_of_saving_is_seen(tmp_path: Path, way: str) -> None:
    """Written in place, replaced by renaming, removed and written, behind a symbolic link."""
    path = tmp_path / "a" / "07.py"
    path.parent.mkdir()
    watched = path
    if way == "through a link":
        (tmp_path / "b").mkdir()
        watched = tmp_path / "b" / "link.py"
        watched.symlink_to(path)
    path.write_text("old")
    events: queue.SimpleQueue[watching.Event] = queue.SimpleQueue()
    with contextlib.closing(watching.Folder(watched, events)):
        for again in range(1000):  # the watcher may not be listening yet
            if way == "rename":
                (path.parent / "new").write_text(f"new {again}")
                (path.parent / "new").replace(path)
            else:
                if way == "remove first":
                    path.unlink(missing_ok=True)
                path.write_text(f"new {again}")
            with contextlib.suppress(queue.Empty):
                assert events.get(timeout=1) == Saved()
                return
    raise AssertionError("no save was seen")


@pytest.mark.processes
def test_other_files_are_not_its_business(tmp_path: Path) -> None:
    """Only the file itself; closing ends at once."""
    path = tmp_path / "07.py"
    path.write_text("old")
    events: queue.SimpleQueue[watching.Event] = queue.SimpleQueue()
    with contextlib.closing(watching.Folder(path, events)):
        while events.empty():
            path.write_text("new")
            time.sleep(0.05)
        while True:
            try:
                events.get(timeout=1)
            except queue.Empty:
                break
        (tmp_path / "other.py").write_text("x")
        with pytest.raises(queue.Empty):
            events.get(timeout=0.5)


# a real terminal


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, bank: Path, home: Path, *arguments: str, shell: str = "") -> None:
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        environment = {**os.environ, "PTQUIZ_BANK": str(bank), "PTQUIZ_HOME": str(home), "TERM": "xterm"}

        def own_terminal() -> None:
            os.setsid()
            import fcntl

            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        command = [sys.executable, "-m", "ptquiz", *arguments]
        self.process = subprocess.Popen(
            ["bash", "-c", shell.replace("COMMAND", shlex.join(command))] if shell else command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            preexec_fn=own_terminal,
        )
        self.slave = slave
        self.text = ""

    def until(self, pattern: str) -> str:
        """Read until the pattern comes; what came before it is forgotten afterwards."""
        end = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.text, re.DOTALL)):
            ready, _, _ = select.select([self.master], [], [], 1)
            if ready:
                self.text += os.read(self.master, 65536).decode(errors="replace")
            assert time.monotonic() < end, f"{pattern!r} did not come: {self.text[-3000:]}"
        before, self.text = self.text[: found.end()], self.text[found.end() :]
        return before

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def ended(self) -> int:
        """The exit code; output is read meanwhile, as a terminal would."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            ready, _, _ = select.select([self.master], [], [], 0.05)
            if ready:
                with contextlib.suppress(OSError):
                    self.text += os.read(self.master, 65536).decode(errors="replace")
            assert time.monotonic() < end
        return self.process.returncode

    def as_it_was(self) -> bool:
        now = termios.tcgetattr(self.slave)
        return now[:4] == self.before[:4] and now[6] == self.before[6]

    def workers(self) -> list[int]:
        """Children of the program."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == self.process.pid:
                    found.append(int(entry.name))
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(bank_root: Path, home: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str, shell: str = "") -> Terminal:
        opened.append(Terminal(bank_root, home, *arguments, shell=shell))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def save(path: Path, body: str) -> None:
    other = path.with_suffix(".new")
    other.write_text(f"def double(x):\n    {body}\n", encoding="utf-8")
    other.replace(path)


@pytest.mark.processes
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_whole_session(terminal: Callable[..., Terminal], home: Path) -> None:
    """Save, verdict; a dead worker is replaced; hint; next; Ctrl-Z; q leaves all as it was."""
    t = terminal("watch", "1")
    path = home / "01_double_it.py"
    t.until("q quit")
    save(path, "return 3 * x")
    t.until("Not passed.*q quit")
    (worker,) = t.workers()
    os.kill(worker, signal.SIGKILL)
    save(path, "return 2 * x")
    t.until("Passed.*Passes now.*q quit")
    t.press("h")
    t.until("Two times.*q quit")
    assert not t.as_it_was()
    t.press("n")
    t.until("02 · Twice more.*q quit")
    assert (home / "02_double_more.py").is_file()
    workers = t.workers()
    t.press("q")
    assert t.ended() == 0 and t.as_it_was()
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


@pytest.mark.processes
def test_ctrl_z_lends_the_terminal_to_the_shell(terminal: Callable[..., Terminal]) -> None:
    """As it was before; after `fg` the keys work again."""
    t = terminal("watch", "1", shell="set -m; COMMAND; echo STOPPED; stty -a; fg; echo CODE $?")
    t.until("q quit")
    t.press("\x1a")
    settings = t.until("STOPPED.*iexten")
    assert " icanon" in settings and "-icanon" not in settings
    t.until("q quit|Checking")
    t.press("q")
    t.until("CODE 0")


@pytest.mark.processes
@pytest.mark.parametrize(("way", "code"), [("keyboard", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_however_it_ends_the_terminal_is_as_it_was(
    terminal: Callable[..., Terminal], way: str, code: int
) -> None:
    """Ctrl-C, a signal, the window closed."""
    t = terminal("watch", "1")
    t.until("q quit")
    if way == "keyboard":
        t.press("\x03")
    else:
        os.kill(t.process.pid, getattr(signal, way))
    assert t.ended() == code and t.as_it_was()
    assert "Traceback" not in t.text


@pytest.mark.processes
def test_without_a_terminal_it_watches_without_keys(bank_root: Path, home: Path) -> None:
    """stdin from nowhere, stdout into a pipe: verdicts come, SIGINT ends it with 130."""
    environment = {
        **os.environ,
        "PTQUIZ_BANK": str(bank_root),
        "PTQUIZ_HOME": str(home),
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "ptquiz", "watch", "1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    timer = threading.Timer(PATIENCE, process.kill)
    timer.start()
    seen = ""
    for line in process.stdout:
        seen += line
        if "Checking at every save" in line:
            save(home / "01_double_it.py", "return 2 * x")
        if "leaves x alone" in line and "Passed" in seen:
            break
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(timeout=PATIENCE) == 130
    timer.cancel()
    assert "Passed" in seen and "Traceback" not in rest and "q quit" not in seen
