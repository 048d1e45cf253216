"""Validated exercise files, kept between runs in the user's cache folder. Anything odd about it is a miss."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import zlib
from pathlib import Path
from typing import Any

FORMAT = 1
RACY_NS = 2_000_000_000  # a file written so recently may be written again without a change of its stamp


class Cache:
    """Content by path, valid while the file's stamp is what it was. Without a file, it forgets at the end."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._new = False
        self._known: dict[str, Any] | None = None

    @classmethod
    def of(cls, root: Path) -> Cache:
        """The cache of one bank; its name holds what the content depends on besides the files."""
        folder = cache_folder()
        if folder is None:
            return cls(None)
        schema = stamp(Path(__file__).with_name("schema.py"))
        return cls(folder / f"bank-{FORMAT}-{zlib.crc32(repr((str(root), schema)).encode()):08x}.json")

    def get(self, path: Path) -> dict[str, Any] | None:
        kept = self._content().get(str(path))
        if kept is None or kept[0] != stamp(path):
            return None
        found: dict[str, Any] = kept[1]
        return found

    def put(self, path: Path, value: dict[str, Any]) -> None:
        mark = stamp(path)
        if mark and time.time_ns() - max(mark[:2]) > RACY_NS:
            self._content()[str(path)] = [mark, value]
            self._new = True

    def save(self) -> None:
        """Write what is new, whole or not at all; a folder that cannot be written is nobody's business."""
        if not self._new or self._file is None:
            return
        self._new = False
        body = json.dumps(self._content(), separators=(",", ":")).encode()
        part = self._file.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.write_bytes(b"%08x" % zlib.crc32(body) + body)
                part.replace(self._file)
            finally:
                part.unlink(missing_ok=True)

    def _content(self) -> dict[str, Any]:
        if self._known is None:
            self._known = _read(self._file) if self._file else {}
        return self._known


def _read(file: Path) -> dict[str, Any]:
    try:
        raw = file.read_bytes()
        if int(raw[:8], 16) == zlib.crc32(raw[8:]):
            found = json.loads(raw[8:])
            return found if isinstance(found, dict) else {}
    except (OSError, ValueError, RecursionError):
        pass
    return {}


def stamp(path: Path) -> list[int]:
    """Changes whenever the file does: two times (ns), size, inode. Empty where there is none."""
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino]


def cache_folder() -> Path | None:
    """Where caches go on this system, or None where there is no home."""
    try:
        if own := os.environ.get("XDG_CACHE_HOME"):
            base = Path(own)
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        elif local := os.environ.get("LOCALAPPDATA"):
            base = Path(local)
        else:
            base = Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "ptquiz" if base.is_absolute() else None
