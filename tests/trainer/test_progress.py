"""The database: states, migrations, damage, two processes at once, sudden ends, unwritable disks."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ptquiz import progress
from ptquiz.errors import UsageError
from ptquiz.progress import MIGRATIONS, VERSION, Attempt, Progress


def attempt(verdict: str = "failed", **other: object) -> Attempt:
    made = Attempt(
        "mse", 7, progress.now(), verdict, None if verdict == "passed" else "wrong", "cpu", 5, 0.5, "[]"
    )
    return made._replace(**other)


@pytest.fixture
def store(tmp_path: Path) -> Progress:
    return Progress(tmp_path / "home" / "progress.db")


def state(store: Progress) -> str:
    return store.standing("mse", 7).state


def test_reading_makes_no_file(store: Progress) -> None:
    """Looking at nothing leaves nothing behind."""
    assert store.standings() == {} and store.attempts() == [] and store.last_started() is None
    assert state(store) == "not started" and store.check() == "none yet"
    assert not store.path.parent.exists()


def test_states_follow_what_was_done(store: Progress) -> None:
    """not started → started → passed; and revealed, where the answer was seen before passing."""
    store.start("mse", 7)
    assert state(store) == "started"
    store.record(attempt())
    assert state(store) == "started"
    store.reveal("mse", 7)
    assert state(store) == "revealed" and store.standing("mse", 7).saw_answer_first
    store.record(attempt("passed"))
    assert state(store) == "passed" and store.standing("mse", 7).saw_answer_first


def test_an_answer_seen_after_passing_takes_nothing_away(store: Progress) -> None:
    """Passed stays passed."""
    store.record(attempt("passed"))
    store.reveal("mse", 7)
    assert state(store) == "passed" and not store.standing("mse", 7).saw_answer_first


def test_a_failed_attempt_takes_no_pass_away(store: Progress) -> None:
    """The first pass of a round counts."""
    store.record(attempt("passed", at="2026-01-01T10:00:00+00:00"))
    store.record(attempt())
    store.record(attempt("passed"))
    assert state(store) == "passed"
    assert store.standing("mse", 7).passed_at == "2026-01-01T10:00:00+00:00"


def test_every_attempt_is_kept_in_order(store: Progress) -> None:
    """With time, verdict, cause, checks, seed, device, duration, file."""
    first = attempt(checks='[{"name": "test_a", "outcome": "failed"}]', file="/x/07.py", device="sim")
    store.record(first)
    store.record(attempt("passed", seed=2**63 - 1))
    store.record(attempt(slug="other", number=8))
    assert store.attempts("mse") == [
        first,
        attempt("passed", seed=2**63 - 1)._replace(at=store.attempts("mse")[1].at),
    ]
    assert len(store.attempts()) == 3


def test_failures_in_a_row_end_with_a_pass_or_a_reset(store: Progress) -> None:
    """They count towards suggesting a hint."""
    for _ in range(3):
        store.record(attempt())
    assert store.standing("mse", 7).failed_in_a_row == 3
    store.record(attempt("passed"))
    assert store.standing("mse", 7).failed_in_a_row == 0
    store.record(attempt())
    store.reset("mse", 7)
    assert store.standing("mse", 7).failed_in_a_row == 0


def test_a_fault_of_ours_is_no_failure(store: Progress) -> None:
    """`broken` is kept, and counts for nothing."""
    store.record(attempt("broken", cause=None))
    assert store.standing("mse", 7).failed_in_a_row == 0 and state(store) == "started"


def test_reset_begins_a_round_and_keeps_the_history(store: Progress) -> None:
    """Started afresh: nothing passed, seen or hinted at; attempts and the first pass stay."""
    store.record(attempt("passed"))
    store.hint("mse", 7, 3)
    store.reveal("mse", 7)
    store.reset("mse", 7)
    now = store.standing("mse", 7)
    assert (now.state, now.hints, now.round, now.attempts) == ("started", 0, 2, 1)
    assert now.ever_passed_at
    store.record(attempt())
    assert [a.round for a in store.attempts("mse")] == [1, 2]


def test_hints_are_remembered_and_end(store: Progress) -> None:
    """One more at each call, up to as many as there are."""
    assert [store.hint("mse", 7, 2) for _ in range(4)] == [1, 2, 2, 2]
    assert state(store) == "not started"


def test_started_last_is_the_one_started_last(store: Progress) -> None:
    """Starting again counts."""
    for slug in ("a", "b", "a"):
        store.start(slug, 1)
    assert store.last_started() == "a"


# the file


def make_version(path: Path, version: int) -> None:
    path.parent.mkdir(parents=True)
    db = sqlite3.connect(path)
    for step in MIGRATIONS[:version]:
        db.executescript(step)
    db.execute(f"PRAGMA user_version = {version}")
    db.commit()
    db.close()


def test_a_database_of_the_first_day_is_migrated(store: Progress) -> None:
    """Version 1, with its data, reads as if it had been written today."""
    make_version(store.path, 1)
    db = sqlite3.connect(store.path)
    db.execute("INSERT INTO exercises VALUES ('mse', 7, '2026-01-01T09:00:00+00:00', NULL, NULL, 2)")
    db.execute(
        "INSERT INTO attempts VALUES"
        " (1, 'mse', 7, '2026-01-01T09:30:00+00:00', 'failed', 'wrong', 'cpu', 9, 0.1, '[]')"
    )
    db.commit()
    db.close()
    standing = store.standing("mse", 7)
    assert (standing.state, standing.hints, standing.attempts, standing.round) == ("started", 2, 1, 1)
    (old,) = store.attempts("mse")
    assert (old.seed, old.file, old.round) == (9, None, 1)
    assert sqlite3.connect(store.path).execute("PRAGMA user_version").fetchone() == (VERSION,)
    store.record(attempt("passed"))
    assert state(store) == "passed"


def test_a_failed_migration_changes_nothing(store: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps or none."""
    make_version(store.path, 1)
    before = store.path.read_bytes()
    monkeypatch.setattr(
        progress, "MIGRATIONS", (MIGRATIONS[0], MIGRATIONS[1] + "; SELECT nonsense FROM nowhere")
    )
    with pytest.raises(UsageError):
        store.standings()
    assert store.path.read_bytes() == before


def test_a_database_of_a_newer_ptquiz_is_refused(store: Progress) -> None:
    """Untouched, with a remedy."""
    make_version(store.path, VERSION)
    db = sqlite3.connect(store.path)
    db.execute("PRAGMA user_version = 99")
    db.commit()
    db.close()
    before = store.path.read_bytes()
    for use in (store.standings, lambda: store.start("mse", 7)):
        with pytest.raises(UsageError, match="newer ptquiz") as raised:
            use()
        assert "pip install -U ptquiz" in raised.value.remedy("en")
    assert store.path.read_bytes() == before


@pytest.mark.parametrize("writes", [True, False])
def test_a_damaged_file_is_set_aside(tmp_path: Path, writes: bool) -> None:
    """Kept under another name, with a message; work goes on with a fresh one."""
    told: list[tuple[str, str]] = []
    store = Progress(tmp_path / "progress.db", told.append)
    store.path.write_bytes(b"this is no database, whatever its name says" * 100)
    if writes:
        store.start("mse", 7)
    else:
        assert store.standings() == {}
    (kept,) = tmp_path.glob("progress.damaged-*.db")
    assert kept.read_bytes().startswith(b"this is no database")
    assert len(told) == 1 and str(kept) in told[0][0] and str(kept) in told[0][1]
    assert state(store) == ("started" if writes else "not started")


def test_damage_inside_is_noticed_where_it_is_met(tmp_path: Path) -> None:
    """A page of rubbish in the middle: set aside as well."""
    told: list[tuple[str, str]] = []
    store = Progress(tmp_path / "progress.db", told.append)
    store.start("mse", 7)
    raw = bytearray(store.path.read_bytes())
    page = int.from_bytes(raw[16:18], "big")
    raw[page:] = b"\xff" * len(raw[page:])
    store.path.write_bytes(raw)
    store.record(attempt())
    assert len(told) == 1 and len(store.attempts()) == 1


def test_an_empty_file_is_a_new_database(store: Progress) -> None:
    """As SQLite has it."""
    store.path.parent.mkdir()
    store.path.touch()
    store.start("mse", 7)
    assert state(store) == "started"


def test_a_full_disk_is_a_sentence_and_loses_nothing(
    store: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded before is still there; the remedy says what to do."""
    store.record(attempt())
    usual = store._version

    def small(db: sqlite3.Connection) -> int:
        version = usual(db)
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
        return version

    monkeypatch.setattr(store, "_version", small)
    with pytest.raises(UsageError, match="disk is full") as raised:
        for _ in range(200):
            store.record(attempt(checks="x" * 1000))
    assert "PTQUIZ_HOME" in raised.value.remedy("en")
    monkeypatch.undo()
    kept = len(store.attempts())
    assert kept >= 1 and store.check() == "ok"


def test_a_path_that_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    """A folder where the file should be."""
    (tmp_path / "progress.db").mkdir()
    store = Progress(tmp_path / "progress.db")
    for use in (store.standings, lambda: store.start("mse", 7)):
        with pytest.raises(UsageError, match="cannot be opened"):
            use()


def test_a_read_only_database_can_be_read(store: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading writes nothing; writing says that it is read-only."""
    store.start("mse", 7)
    usual = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda path, **other: usual(f"file:{path}?mode=ro", uri=True, **other)
    )
    assert state(store) == "started"
    with pytest.raises(UsageError, match="read-only"):
        store.record(attempt())


def test_a_locked_database_is_a_sentence(store: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the patience has run out."""
    store.start("mse", 7)
    monkeypatch.setattr(progress, "BUSY_SECONDS", 0.01)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UsageError, match="locked by another process"):
        store.record(attempt())
    other.close()
    store.record(attempt())


WRITER = """
import sys
from pathlib import Path
from ptquiz import progress
store = progress.Progress(Path(sys.argv[1]))
for at in range(int(sys.argv[2])):
    store.record(progress.Attempt(sys.argv[3], 1, progress.now(), "failed", "wrong", "cpu", at, 0.1, "[]"))
    print(at, flush=True)
"""


def writer(store: Progress, count: int, slug: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store.path), str(count), slug], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.processes
def test_two_processes_at_once_do_no_harm(store: Progress) -> None:
    """Both begin without a file, both write, nothing is lost."""
    both = [writer(store, 15, slug) for slug in ("a", "b")]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    for process in both:
        assert process.stdout is not None
        process.stdout.close()
    for slug in ("a", "b"):
        assert [a.seed for a in store.attempts(slug)] == list(range(15))


@pytest.mark.processes
def test_killing_at_any_moment_loses_nothing_that_was_reported(store: Progress) -> None:
    """What a command has said is done is in the database, whole."""
    for turn in range(3):
        process = writer(store, 10_000, f"turn{turn}")
        assert process.stdout is not None
        last = -1
        for _ in range(5 + 3 * turn):
            last = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        rest = process.stdout.read().split()
        process.stdout.close()
        last = int(rest[-1]) if rest else last
        kept = [a.seed for a in store.attempts(f"turn{turn}")]
        assert kept[: last + 1] == list(range(last + 1)) and len(kept) <= last + 2
    assert store.check() == "ok"
