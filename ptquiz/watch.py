"""`watch`: check at every save, on a warm worker. One queue, one union of events, one match."""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

from watchfiles import watch as watch_files

from ptquiz import checking, progress, session, workspace
from ptquiz.bank import Exercise
from ptquiz.errors import PtquizError
from ptquiz.grader import WarmWorker, grade, needed, prepare
from ptquiz.report import Report
from ptquiz.session import Session
from ptquiz.terminal import Keys

STEP_MS = 5  # a save is passed on when nothing has happened for so long …
DEBOUNCE_MS = 30  # … or after so long
TICK_SECONDS = 1.0
CANCEL_SECONDS = 0.03


class Saved(NamedTuple):
    """Something happened in the file's folder."""


class Pressed(NamedTuple):
    key: str


class Graded(NamedTuple):
    """A grading has ended, with a report or an error."""

    at: str
    result: Report | BaseException


class Resumed(NamedTuple):
    """The terminal is ours again after Ctrl-Z and `fg`."""


class Tick(NamedTuple):
    """Nothing has happened for a while."""


Event = Saved | Pressed | Graded | Resumed | Tick
Stamp = tuple[int, int, int]


def run(s: Session, exercise: Exercise, path: Path, device: str = "sim") -> int:
    """Watch until `q`, Ctrl-C or a signal."""
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    gc.enable()
    with WarmWorker() as warm:
        warm.start(needed(exercise, device))
        keys = Keys(lambda key: events.put(Pressed(key)), lambda: events.put(Resumed()))
        try:
            with (
                keys,
                contextlib.closing(Watch(s, exercise, path, device, warm, events, keys.there)) as watch,
            ):
                return watch.run()
        finally:
            warm.kill()  # nothing of it is needed, and closing would wait for its imports


class How(TypedDict):
    device: Literal["sim", "cuda"]
    lang: Literal["en", "zh"]


class Watch:
    """What is watched, what was last seen of it, and what to do about each event."""

    def __init__(
        self,
        s: Session,
        exercise: Exercise,
        path: Path,
        device: str,
        warm: WarmWorker,
        events: queue.SimpleQueue[Event],
        keys: bool,
    ) -> None:
        self._s, self._exercise, self._path, self._device = s, exercise, path, device
        self._warm, self._events, self._keys = warm, events, keys
        self._seen: Stamp | None = None  # the file as it was last graded
        self._running = False  # a grading whose end is still to come as an event
        self._threads: list[threading.Thread] = []
        self._again = False  # grade once more when the running one has ended
        self._replay: int | None = None
        self._last: Report | None = None
        self._asked_to_reveal = False
        self._lost = 0
        self._packages = installed()
        self._changing = False
        self._files = Folder(path, events)

    def run(self) -> int:
        """Events, one after the other, until one ends it."""
        self._introduce()
        self._first()
        while True:
            event = self._next()
            if isinstance(event, Pressed) and event.key in ("q", "Q", "\x04"):
                return 0
            match event:
                case Saved():
                    self._save()
                case Graded(at, result):
                    self._graded(at, result)
                case Pressed(key):
                    self._press(key)
                case Resumed():
                    self._resume()
                case Tick():
                    self._tick()

    def close(self) -> None:
        """Stop following the folder, and the grading that runs."""
        self._files.close()
        self._warm.kill()
        for thread in self._threads:
            thread.join()

    def _next(self) -> Event:
        try:
            return self._events.get(timeout=CANCEL_SECONDS if self._again and self._running else TICK_SECONDS)
        except queue.Empty:
            return Tick()

    # gradings

    def _first(self) -> None:
        """Grade what is there already, unless it is the stub as it came: then the question is to be read."""
        with contextlib.suppress(OSError):
            if self._path.read_bytes() == self._exercise.stub.read_bytes():
                self._seen = stamp_of(self._path)
                self._legend()
                self._aside(self._prepare, self._exercise, self._path)
        self._save()

    def _save(self) -> None:
        """Grade if the file is another one than last time; what is running is out of date then."""
        stamp = stamp_of(self._path)
        if stamp is None or stamp == self._seen:
            return
        self._seen = stamp
        self._again_now()

    def _again_now(self, replay: int | None = None) -> None:
        self._replay = replay
        if not self._running:
            self._begin()
        else:
            self._again = True
            self._warm.cancel()

    def _begin(self) -> None:
        self._again = False
        self._running = True
        self._aside(self._grade, self._exercise, self._path, self._replay)

    def _aside(self, work: Callable[..., None], *arguments: object) -> None:
        """In a thread: the queue goes on meanwhile."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _grade(self, exercise: Exercise, path: Path, seed: int | None) -> None:
        at = progress.now()
        result: Report | BaseException
        try:
            result = grade(exercise, path, seed=seed, **self._how, warm=self._warm)
        except BaseException as error:
            result = error
        self._events.put(Graded(at, result))
        self._prepare(exercise, path)

    def _prepare(self, exercise: Exercise, path: Path) -> None:
        """Make the next grading ready while the learner reads and types: a save then finds it waiting."""
        with contextlib.suppress(PtquizError, OSError):  # the grading itself will say it
            prepare(exercise, path, **self._how, warm=self._warm)

    @property
    def _how(self) -> How:
        return {
            "device": "cuda" if self._device == "cuda" else "sim",
            "lang": "zh" if self._s.screen.lang == "zh" else "en",
        }

    def _graded(self, at: str, result: Report | BaseException) -> None:
        self._running = False
        if self._again:
            self._begin()
        elif isinstance(result, Report):
            self._lost = self._lost + 1 if result.verdict == "broken" else 0
            if self._lost == 1:  # the worker died under it: once more on a new one
                self._begin()
                return
            self._show(at, result)
        elif stamp_of(self._path) is None:
            self._seen = None  # an editor is replacing it; its return is an event
        elif isinstance(result, PtquizError):
            self._s.screen.failure(result)
        else:
            raise result

    def _show(self, at: str, report: Report) -> None:
        screen = self._s.screen
        checking.keep(self._s, report, self._path, at)
        screen.clear()
        screen.report(self._exercise, report)
        if self._last is not None:
            screen.changes(self._last, report)
        self._last = report
        if self._keys:
            screen.say()
        if report.verdict == "passed" and not self._keys:
            checking.advise(self._s, self._exercise, report)
        self._legend()

    # keys

    def _press(self, key: str) -> None:
        asked, self._asked_to_reveal = self._asked_to_reveal, False
        match key.lower():
            case "h":
                self._hint()
            case "n":
                self._next_exercise()
            case "r" if asked:
                self._reveal()
            case "r":
                self._asked_to_reveal = True
                self._s.screen.say(("Press r again to see the answer.", "再按一次 r 查看答案。"), "yellow")
            case "w":
                self._introduce()
                self._legend()
            case "c" | " " | "\n" | "\r":
                self._again_now()
            case "s":
                self._again_now(self._last.seed if self._last else None)
            case "?":
                self._legend()

    def _hint(self) -> None:
        s, e = self._s, self._exercise
        before = s.standing(e).hints
        total = len(e.hints)
        given = s.quietly(lambda: s.store.hint(e.slug, e.number, total)) or min(before + 1, total)
        s.screen.say()
        s.screen.hint(e, given)
        self._legend()

    def _reveal(self) -> None:
        s, e = self._s, self._exercise
        before = s.standing(e)
        s.quietly(lambda: s.store.reveal(e.slug, e.number))
        s.screen.say()
        session.show_answer(s, e, before, None)
        self._legend()

    def _next_exercise(self) -> None:
        """The next on the learning path; this one, if it is still open, is passed over."""
        s = self._s
        found = s.next(after=self._exercise)
        if found is None:
            s.screen.say(session.ALL_DONE)
            return
        try:
            path, _ = workspace.start(found)
        except PtquizError as error:
            s.screen.failure(error)
            return
        s.quietly(lambda: s.store.start(found.slug, found.number))
        self._files.close()
        self._exercise, self._path = found, path
        self._files = Folder(path, self._events)
        self._last, self._seen = None, None
        self._introduce()
        self._first()

    # the surroundings

    def _tick(self) -> None:
        """Whatever has no event of its own: packages, the worker's health, files on network disks."""
        if self._again and self._running:
            self._warm.cancel()
            return
        self._save()
        if self._running:
            return
        now = installed()
        if now != self._packages:
            self._packages, self._changing = now, True  # wait until the installation has ended
        elif self._changing:
            self._changing = False
            self._warm.kill()
            self._s.screen.say(
                ("Installed packages changed: starting afresh.", "已安装的包有变化，正在重启评判进程。"),
                "dim",
            )
            self._warm.start(needed(self._exercise, self._device))
            self._again_now()
        else:
            self._warm.start(needed(self._exercise, self._device))  # another, if it has died

    def _introduce(self) -> None:
        screen = self._s.screen
        screen.clear()
        missing = self._s.missing_before(self._exercise)
        screen.exercise(self._exercise, self._path, new=True, before=missing)
        screen.say()
        screen.say(("Checking at every save …", "每次保存后自动评判……"), "dim")

    def _resume(self) -> None:
        if self._last is None:
            self._introduce()
        else:
            self._s.screen.report(self._exercise, self._last)
            self._legend()

    def _legend(self) -> None:
        if self._keys:
            self._s.screen.say(
                (
                    "h hint · n next · r reveal · c check again · s same inputs · w question · q quit",
                    "h 提示 · n 下一题 · r 答案 · c 重新评判 · s 用同样输入 · w 题目 · q 退出",
                ),
                "dim",
            )


class Folder:
    """Follows the folder of a file, and of what it links to: editors that rename replace the file itself."""

    def __init__(self, path: Path, events: queue.SimpleQueue[Event]) -> None:
        self._stop = threading.Event()
        self._names = {str(path), str(path.resolve())}
        folders = {p.parent for p in (path, path.resolve())}
        self._thread = threading.Thread(target=self._follow, args=(folders, events), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _follow(self, folders: set[Path], events: queue.SimpleQueue[Event]) -> None:
        while not self._stop.is_set():
            try:
                for _ in self._changes(folders):
                    events.put(Saved())
            except OSError:  # the folder is gone; it may come back
                self._stop.wait(TICK_SECONDS)

    def _changes(self, folders: set[Path]) -> Iterator[object]:
        return watch_files(
            *folders,
            watch_filter=lambda change, path: path in self._names,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            stop_event=self._stop,
            rust_timeout=1000,
            raise_interrupt=False,
            recursive=False,
        )


def stamp_of(path: Path) -> Stamp | None:
    """Changes when the file is written or replaced; None while it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def installed() -> tuple[int, ...]:
    """Changes when a package is installed or removed."""
    folders = [p for p in sys.path if p.endswith(("site-packages", "dist-packages"))]
    found = []
    for folder in folders:
        with contextlib.suppress(OSError):
            found.append(os.stat(folder).st_mtime_ns)  # noqa: PTH116  (sys.path holds strings)
    return tuple(found)
