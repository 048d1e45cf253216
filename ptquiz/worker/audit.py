"""Notices when a submission looks where an answer does not: at its callers' frames, or into the solutions.

Python's audit hooks cannot be removed. This one only takes notes; the session reads them after each check.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
from pathlib import Path
from typing import Any

_FRAMES = ("sys._getframe", "sys._current_frames")


class Audit:
    """Installed once, before the submission is imported; `taken` gives the notes and forgets them."""

    def __init__(self, submission: str, solutions: str) -> None:
        self._notes: list[str] = []
        notes, getframe, skipped = self._notes, sys._getframe, inspect.__file__
        fsdecode, join, within = os.fsdecode, os.path.join, os.path.abspath

        wanted = frozenset((*_FRAMES, "object.__getattr__", "open"))
        busy = threading.local()  # what the hook does is audited too

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event not in wanted or (event == "object.__getattr__" and arguments[1] != "tb_frame"):
                return
            if not hasattr(busy, "now"):
                busy.now = True
                try:
                    look(event, arguments)
                finally:
                    del busy.now

        def look(event: str, arguments: tuple[Any, ...]) -> None:
            if event in _FRAMES or event == "object.__getattr__":
                frame = getframe(2)
                while event in _FRAMES and frame.f_back is not None and frame.f_code.co_filename == skipped:
                    frame = frame.f_back
                if frame.f_code.co_filename == submission:
                    notes.append("sys._getframe" if event in _FRAMES else "tb_frame")
            elif event == "open" and type(arguments[0]) in (str, bytes):
                path = within(fsdecode(arguments[0]))
                if path.startswith(join(solutions, "")) and path != submission:
                    notes.append(path.rpartition("/")[2])

        sys.addaudithook(hook)

    def taken(self) -> list[str]:
        """What was looked at since the last call."""
        notes = list(self._notes)
        self._notes.clear()
        return notes


def solutions_of(checks_file: str) -> str:
    """The folder with the solutions, beside the one with the exercises."""
    return str(Path(checks_file).parent.parent.parent / "solutions")
