"""What the learner did, in SQLite: every attempt, with its time and outcome.

A store takes its path. Each change is one transaction, durable when the call returns (rollback journal,
synchronous=FULL), so killing ptquiz at any moment loses nothing that was reported as done. A second terminal
waits for the first (busy timeout). Reading never writes: a database on a read-only disk can be read.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ptquiz.errors import PtquizError, UsageError

BUSY_SECONDS = 10.0

# Each step takes a database from version i to i + 1; steps are never edited, only added.
MIGRATIONS = (
    """
    CREATE TABLE exercises (
        slug TEXT PRIMARY KEY, number INTEGER NOT NULL,
        started_at TEXT, passed_at TEXT, revealed_at TEXT, hints INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE attempts (
        id INTEGER PRIMARY KEY, slug TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL,
        verdict TEXT NOT NULL, cause TEXT, device TEXT NOT NULL, seed INTEGER,
        duration_seconds REAL NOT NULL, checks TEXT NOT NULL
    );
    CREATE INDEX attempts_of ON attempts (slug, id);
    """,
    """
    ALTER TABLE exercises ADD COLUMN round INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE exercises ADD COLUMN reset_at TEXT;
    ALTER TABLE attempts ADD COLUMN round INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE attempts ADD COLUMN file TEXT;
    """,
)
VERSION = len(MIGRATIONS)

T = TypeVar("T")


class Attempt(NamedTuple):
    """One grading. `checks` is JSON: [{"name": …, "outcome": …}]; `at` is ISO 8601 with offset."""

    slug: str
    number: int
    at: str
    verdict: str
    cause: str | None
    device: str
    seed: int | None
    duration_seconds: float
    checks: str
    file: str | None = None
    round: int = 1


class Standing(NamedTuple):
    """Where one exercise stands, in the present round (`reset` begins a new one)."""

    slug: str
    number: int
    started_at: str | None = None
    passed_at: str | None = None
    revealed_at: str | None = None
    hints: int = 0
    round: int = 1
    reset_at: str | None = None
    attempts: int = 0
    failed_in_a_row: int = 0
    ever_passed_at: str | None = None

    @property
    def state(self) -> str:
        """One of "not started", "started", "passed", "revealed" (the answer was seen before passing)."""
        if self.passed_at:
            return "passed"
        if self.revealed_at:
            return "revealed"
        return "started" if self.started_at else "not started"

    @property
    def saw_answer_first(self) -> bool:
        return bool(self.revealed_at and (not self.passed_at or self.revealed_at <= self.passed_at))


def now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


class Progress:
    """The database at `path`. `tell` hears what was done on the user's behalf (a damaged file set aside)."""

    def __init__(self, path: Path, tell: Callable[[tuple[str, str]], None] = lambda words: None) -> None:
        self.path = path
        self._tell = tell

    # reading

    def standings(self) -> dict[str, Standing]:
        """By slug, those that were ever touched."""
        return {row[0]: Standing(*row) for row in self._read(_STANDINGS)}

    def standing(self, slug: str, number: int) -> Standing:
        return self.standings().get(slug, Standing(slug, number))

    def attempts(self, slug: str | None = None) -> list[Attempt]:
        """Oldest first; of one exercise or of all."""
        query = (
            f"SELECT {', '.join(Attempt._fields)} FROM attempts WHERE slug = coalesce(?, slug) ORDER BY id"
        )
        return [Attempt(*row) for row in self._read(query, (slug,))]

    def last_started(self) -> str | None:
        """The slug of the exercise started last."""
        rows = self._read(
            "SELECT slug FROM exercises WHERE started_at IS NOT NULL ORDER BY started_at DESC LIMIT 1"
        )
        return str(rows[0][0]) if rows else None

    # writing

    def start(self, slug: str, number: int) -> None:
        """Note the start; started again, it becomes the one started last."""
        self._write(slug, number, lambda db: db.execute(f"{_SET} started_at = ? {_OF}", (now(), slug)))

    def record(self, attempt: Attempt) -> None:
        """Keep one grading, and the first pass of the round."""

        def keep(db: sqlite3.Connection) -> None:
            (turn,) = db.execute(f"SELECT round FROM exercises {_OF}", (attempt.slug,)).fetchone()
            names, marks = ", ".join(Attempt._fields), ", ".join("?" * len(Attempt._fields))
            db.execute(f"INSERT INTO attempts ({names}) VALUES ({marks})", attempt._replace(round=turn))
            first = (attempt.at, attempt.slug)
            db.execute(f"{_SET} started_at = coalesce(started_at, ?) {_OF}", first)
            if attempt.verdict == "passed":
                db.execute(f"{_SET} passed_at = coalesce(passed_at, ?) {_OF}", first)

        self._write(attempt.slug, attempt.number, keep)

    def hint(self, slug: str, number: int, most: int) -> int:
        """Give one more hint, of at most `most`; returns how many have been given now."""

        def give(db: sqlite3.Connection) -> int:
            db.execute(f"{_SET} hints = min(hints + 1, ?) {_OF}", (most, slug))
            return int(db.execute(f"SELECT hints FROM exercises {_OF}", (slug,)).fetchone()[0])

        return self._write(slug, number, give)

    def reveal(self, slug: str, number: int) -> None:
        """Note that the answer has been seen; the first time counts."""
        change = f"{_SET} revealed_at = coalesce(revealed_at, ?) {_OF}"
        self._write(slug, number, lambda db: db.execute(change, (now(), slug)))

    def reset(self, slug: str, number: int) -> None:
        """Begin a new round: started now, nothing passed, seen or hinted at. Attempts stay."""
        at = now()
        change = (
            f"{_SET} round = round + 1, reset_at = ?, started_at = ?, passed_at = NULL,"
            f" revealed_at = NULL, hints = 0 {_OF}"
        )
        self._write(slug, number, lambda db: db.execute(change, (at, at, slug)))

    def check(self) -> str:
        """ "ok", "none yet", or what is wrong with the file (for `doctor`)."""
        if not self.path.exists():
            return "none yet"
        return str(self._read("PRAGMA integrity_check(1)")[0][0])

    # the file

    def _read(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """All rows; nothing is written, and no file is made."""
        if not self.path.exists():
            return []
        return self._with_file(lambda db: db.execute(query, values).fetchall())

    def _write(self, slug: str, number: int, change: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction on the row of one exercise."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.path.parent, error) from None

        def transaction(db: sqlite3.Connection) -> T:
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT OR IGNORE INTO exercises (slug, number) VALUES (?, ?)", (slug, number))
            result = change(db)
            db.execute("COMMIT")
            return result

        return self._with_file(transaction)

    def _with_file(self, use: Callable[[sqlite3.Connection], T]) -> T:
        """Open, migrate, use, close. A damaged file is set aside, and the use repeated on a fresh one."""
        try:
            try:
                return self._once(use)
            except sqlite3.DatabaseError as error:
                if not _damaged(error):
                    raise
                self._set_aside()
                return self._once(use)
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _once(self, use: Callable[[sqlite3.Connection], T]) -> T:
        with contextlib.closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = FULL")
            if self._version(db) < VERSION:
                self._migrate(db)
            return use(db)

    def _version(self, db: sqlite3.Connection) -> int:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version <= VERSION:
            return int(version)
        raise UsageError(
            (
                f"{self.path} was written by a newer ptquiz (format {version}; this one: {VERSION}).",
                f"{self.path} 由更新版本的 ptquiz 写入（格式 {version}，当前版本只认识 {VERSION}）。",
            ),
            (
                "Upgrade ptquiz (pip install -U ptquiz), or set PTQUIZ_HOME to another folder.",
                "请升级 ptquiz（pip install -U ptquiz），或把 PTQUIZ_HOME 设为另一个目录。",
            ),
        )

    @staticmethod
    def _migrate(db: sqlite3.Connection) -> None:
        """All missing steps in one transaction; another process may have been first."""
        db.execute("BEGIN IMMEDIATE")
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            for step in MIGRATIONS[version:]:
                for statement in filter(str.strip, step.split(";")):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _set_aside(self) -> None:
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        kept = self.path.with_name(f"{self.path.stem}.damaged-{stamp}{self.path.suffix}")
        try:
            self.path.rename(kept)
        except FileNotFoundError:
            return  # another terminal was first
        except OSError as error:
            raise unwritable(self.path, error) from None
        for rest in ("-journal", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                Path(f"{self.path}{rest}").rename(f"{kept}{rest}")
        self._tell(
            (
                f"The progress database was damaged. It is kept as {kept}; a fresh one was begun.",
                f"进度数据库已损坏，原文件保留为 {kept}，已新建一个。",
            )
        )

    def _explained(self, error: sqlite3.Error) -> PtquizError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        says, remedy = _REMEDIES.get(code, (("cannot be used", "无法使用"), _WHERE))
        detail = str(error)
        return UsageError(
            (f"{self.path} {says[0]} ({detail}).", f"{self.path} {says[1]}（{detail}）。"), remedy
        )


def _damaged(error: sqlite3.DatabaseError) -> bool:
    codes = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in codes


def unwritable(path: Path, error: OSError) -> UsageError:
    """The sentence for a file or folder that cannot be written."""
    return UsageError((f"{path}: {error.strerror}.", f"{path}：{error.strerror}。"), _WHERE)


_WHERE = (
    "Make it writable, or set PTQUIZ_HOME to a folder that is.",
    "请修改权限，或把 PTQUIZ_HOME 设为可写的目录。",
)
_REMEDIES = {
    sqlite3.SQLITE_BUSY: (
        ("is locked by another process", "被另一个进程锁住"),
        ("Close the other ptquiz, then try again.", "请先结束另一个 ptquiz，再试一次。"),
    ),
    sqlite3.SQLITE_READONLY: (("is read-only", "是只读的"), _WHERE),
    sqlite3.SQLITE_CANTOPEN: (("cannot be opened", "无法打开"), _WHERE),
    sqlite3.SQLITE_FULL: (
        ("cannot grow: the disk is full", "无法写入：磁盘已满"),
        (
            "Free some space, or set PTQUIZ_HOME to another disk. Nothing recorded before is lost.",
            "请腾出空间，或把 PTQUIZ_HOME 设到别的磁盘。之前的记录不会丢失。",
        ),
    ),
}

_SET, _OF = "UPDATE exercises SET", "WHERE slug = ?"

# A pass counts for its own round; failures in a row are those after the last pass of this round.
_STANDINGS = """
    SELECT e.slug, e.number, e.started_at, e.passed_at, e.revealed_at, e.hints, e.round, e.reset_at,
        (SELECT count(*) FROM attempts a WHERE a.slug = e.slug),
        (SELECT count(*) FROM attempts a WHERE a.slug = e.slug AND a.round = e.round AND a.verdict = 'failed'
            AND a.id > coalesce((SELECT max(p.id) FROM attempts p WHERE p.slug = e.slug AND p.round = e.round
                AND p.verdict = 'passed'), 0)),
        (SELECT min(p.at) FROM attempts p WHERE p.slug = e.slug AND p.verdict = 'passed')
    FROM exercises e
"""
