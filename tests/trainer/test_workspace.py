"""The learner's files: never overwritten, found or refused in words, set aside with their date."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ptquiz import workspace
from ptquiz.bank import Exercise, load_bank
from ptquiz.errors import UsageError


@pytest.fixture
def exercise(bank_root: Path, home: Path) -> Exercise:
    return load_bank().find("1")


def test_start_writes_the_stub(exercise: Exercise, home: Path) -> None:
    """The stub, byte for byte, under the folder's name; the workspace is made on the way."""
    path, new = workspace.start(exercise)
    assert new and path == home / "01_double_it.py"
    assert path.read_bytes() == exercise.stub.read_bytes()
    assert list(home.iterdir()) == [path]


def test_start_never_overwrites(exercise: Exercise) -> None:
    """What is there stays as it is, even when it is empty."""
    path, _ = workspace.start(exercise)
    for content in (b"my work", b""):
        path.write_bytes(content)
        assert workspace.start(exercise) == (path, False)
        assert path.read_bytes() == content


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_overwritten(
    exercise: Exercise, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Two terminals at once: the second finds the first one's file, with and without hard links."""
    path = workspace.path_of(exercise)

    def link(source: Path, target: Path) -> None:
        path.write_bytes(b"the other's")
        raise FileExistsError if links else PermissionError

    monkeypatch.setattr(os, "link", link)
    assert workspace.start(exercise) == (path, False)
    assert path.read_bytes() == b"the other's"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_system_without_links_will_do(exercise: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is then written in place, still only where there was none."""

    def link(source: Path, target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    path, new = workspace.start(exercise)
    assert new and path.read_bytes() == exercise.stub.read_bytes()


def test_a_full_disk_leaves_nothing_behind(exercise: Exercise, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half a stub, and a remedy."""

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="No space left") as raised:
        workspace.start(exercise)
    assert "PTQUIZ_HOME" in raised.value.remedy("en")
    assert list(workspace.home().iterdir()) == []


@pytest.mark.parametrize("what", ["folder", "dangling link"])
def test_what_is_no_file_is_left_alone(exercise: Exercise, home: Path, what: str) -> None:
    """Something else under that name is the learner's business."""
    home.mkdir()
    path = workspace.path_of(exercise)
    if what == "folder":
        path.mkdir()
    else:
        path.symlink_to(home / "nowhere")
    with pytest.raises(UsageError, match="no file"):
        workspace.start(exercise)


def test_a_home_that_is_a_file_is_refused(exercise: Exercise, home: Path) -> None:
    """With the path and a remedy."""
    home.write_text("a file")
    with pytest.raises(UsageError, match=str(home)) as raised:
        workspace.start(exercise)
    assert "PTQUIZ_HOME" in raised.value.remedy("en")


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """$PTQUIZ_HOME, with ~, made absolute; without it ~/ptquiz."""
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("PTQUIZ_HOME", "~/mine")
    assert workspace.home() == Path("/somewhere/mine")
    monkeypatch.setenv("PTQUIZ_HOME", "here")
    assert workspace.home() == Path.cwd() / "here"
    monkeypatch.delenv("PTQUIZ_HOME")
    assert workspace.home() == Path("/somewhere/ptquiz")


def test_no_home_at_all_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither HOME nor an entry in the user database."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("PTQUIZ_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(UsageError) as raised:
        workspace.home()
    assert "PTQUIZ_HOME" in raised.value.remedy("en")


def test_locate_gives_an_absolute_path(
    exercise: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker runs in another folder."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("")
    assert workspace.locate(exercise, Path("mine.py")) == tmp_path / "mine.py"


def test_locate_refuses_what_cannot_be_graded(exercise: Exercise, tmp_path: Path) -> None:
    """Missing, a folder, a pipe: each in its own words; a missing workspace file names `start`."""
    with pytest.raises(UsageError, match="no such file") as raised:
        workspace.locate(exercise)
    assert "ptquiz start 1" in raised.value.remedy("en")
    with pytest.raises(UsageError, match="no such file"):
        workspace.locate(exercise, tmp_path / "nope.py")
    with pytest.raises(UsageError, match="is a folder"):
        workspace.locate(exercise, tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="no regular file"):
        workspace.locate(exercise, tmp_path / "pipe")


def test_reset_keeps_every_old_file(exercise: Exercise, home: Path) -> None:
    """Dated, under attempts/, also several within one second; then a fresh stub."""
    workspace.start(exercise)
    kept = []
    for at in range(3):
        workspace.path_of(exercise).write_text(f"attempt {at}")
        path, old = workspace.reset(exercise)
        assert old is not None and path.read_bytes() == exercise.stub.read_bytes()
        kept.append(old)
    assert [old.read_text() for old in kept] == ["attempt 0", "attempt 1", "attempt 2"]
    assert {old.parent for old in kept} == {home / "attempts"}


def test_reset_without_a_file_starts(exercise: Exercise) -> None:
    """Nothing to keep is no error."""
    path, old = workspace.reset(exercise)
    assert old is None and path.is_file()
