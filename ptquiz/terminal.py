"""Single keys from a terminal, left as it was found: at the end, on errors, on signals, while stopped."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

try:
    import termios
    import tty
except ImportError:  # Windows: no keys
    termios = None  # type: ignore[assignment]


class Keys:
    """While open, every key goes to `pressed` (called in a thread). Without a terminal nothing happens."""

    def __init__(self, pressed: Callable[[str], None], resumed: Callable[[], None]) -> None:
        self._pressed, self._resumed = pressed, resumed
        self._fd = _terminal()
        self._before: list[Any] | None = None
        self._old: dict[int, Any] = {}
        self._wake: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None

    @property
    def there(self) -> bool:
        return self._fd is not None

    def __enter__(self) -> Keys:
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            self._on(number, _end)
        if self._fd is not None:
            self._before = termios.tcgetattr(self._fd)
            self._on(signal.SIGTSTP, self._stop)
            self._on(signal.SIGCONT, self._continue)
            self._wake = os.pipe()
            self._listen()
            self._thread = threading.Thread(target=self._read, args=(self._wake[0],), daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._wake is not None and self._thread is not None:
            os.close(self._wake[1])
            self._thread.join()
            os.close(self._wake[0])
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._restore()

    def _on(self, number: int, handler: Any) -> None:
        self._old.setdefault(number, signal.signal(number, handler))

    def _listen(self) -> None:
        """Keys one by one, unseen; Ctrl-C and Ctrl-Z stay signals. In the background nothing is changed."""
        if self._fd is not None and _in_front(self._fd):
            tty.setcbreak(self._fd)

    def _restore(self) -> None:
        if self._fd is not None and self._before is not None and _in_front(self._fd):
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # here again after `fg`, or at once where no shell could continue it and the kernel does not stop it
        signal.signal(signal.SIGTSTP, self._stop)
        self._listen()

    def _continue(self, number: int, frame: FrameType | None) -> None:
        self._listen()
        self._resumed()

    def _read(self, wake: int) -> None:
        assert self._fd is not None
        while True:
            ready, _, _ = select.select([self._fd, wake], [], [])
            if wake in ready:
                return
            try:
                data = os.read(self._fd, 64)
            except OSError:  # the terminal went away, or belongs to another process
                data = b""
            if not data:
                self._pressed("")
                return
            if not data.startswith(b"\x1b"):  # arrow and function keys mean nothing here
                for key in data.decode(errors="ignore"):
                    self._pressed(key)


def _terminal() -> int | None:
    """The descriptor of a terminal to read keys from, if stdin is one."""
    try:
        fd = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return fd if termios is not None and os.isatty(fd) else None


def _in_front(fd: int) -> bool:
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
