"""Worker and grader without processes: signed records, the verdict's rules, the guard, a check's inputs."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ptquiz.bank import Exercise, load_bank
from ptquiz.verdict import Evidence, judge
from ptquiz.worker import explain
from ptquiz.worker.draw import Draw, seed_for
from ptquiz.worker.guard import Guard
from ptquiz.worker.wire import Reader, Record, signer

BANK = Path(__file__).parent.parent / "hostile" / "bank"
SECRET = secrets.token_hex(32)


def written(send_all: Callable[[Callable[[Record], None], int], None]) -> bytes:
    """What came out of a pipe into which `send_all` wrote."""
    read, write = os.pipe()
    send_all(signer(SECRET, write), write)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        return file.read()


def test_records_arrive_in_pieces_as_they_were_sent() -> None:
    """Bytes may be cut anywhere."""
    sent = [
        Record("begin", "test_a"),
        Record("check", "test_a", "failed", "wrong", "不对\n" * 50, 0.5),
        Record("final"),
    ]
    data = written(lambda send, fd: [send(record) for record in sent] and None)
    reader = Reader(SECRET)
    got = [record for i in range(len(data)) for record in reader.feed(data[i : i + 1])]
    assert got == sent
    assert reader.forged == 0


@pytest.mark.parametrize(
    "forged",
    [b"{}\n", b"\n", b'{"event":"final"}\n', b"0" * 32 + b' {"event":"final"}\n', b"\xff\xfe\n", b" \n"],
)
def test_a_line_without_the_signature_counts_as_forged(forged: bytes) -> None:
    """It is no record, and what is signed before and after it still arrives."""

    def send_all(send: Callable[[Record], None], fd: int) -> None:
        send(Record("begin"))
        os.write(fd, forged)
        send(Record("final"))

    reader = Reader(SECRET)
    assert [r.event for r in reader.feed(written(send_all))] == ["begin", "final"]
    assert reader.forged == 1


def test_a_record_cannot_be_played_again() -> None:
    """The signature covers the record's number."""
    data = written(lambda send, fd: send(Record("check", "test_a", "passed")))
    reader = Reader(SECRET)
    assert len(list(reader.feed(data + data))) == 1
    assert reader.forged == 1


# --- from evidence to verdict

PASSED = [
    record
    for name in ("test_names", "test_value", "test_gradient", "test_surroundings")
    for record in (Record("begin", name), Record("check", name, "passed"))
]
BEGUN = [Record("begin"), *PASSED[:3]]  # test_value is running


def exercise() -> Exercise:
    return load_bank(BANK).find(1)


def verdict(evidence: Evidence) -> tuple[str, str | None]:
    report = judge(exercise(), evidence, Path("/a.py"), "cpu", 1, "en")
    return report.verdict, report.cause


FINAL = Record("final")


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence([Record("begin"), *PASSED, FINAL], status=0), ("passed", None)),
        (Evidence([Record("begin"), *PASSED], status=0), ("failed", "exited")),
        (Evidence([Record("begin"), *PASSED[:-2], FINAL], status=0), ("failed", "tampered")),
        (Evidence([Record("begin"), *PASSED, FINAL], status=0, forged=1), ("failed", "tampered")),
        (Evidence(BEGUN, status=0), ("failed", "exited")),
        (Evidence(BEGUN, status=3 << 8), ("failed", "exited")),
        (Evidence(BEGUN, status=71 << 8), ("failed", "tampered")),
        (Evidence(BEGUN, status=signal.SIGSEGV), ("failed", "crashed")),
        (Evidence(BEGUN, lost=True), ("failed", "crashed")),
        (Evidence(BEGUN, stopped="timeout", status=9), ("failed", "timeout")),
        (Evidence(BEGUN, stopped="total", status=9), ("failed", "timeout")),
        (Evidence(BEGUN, stopped="memory", status=9), ("failed", "memory")),
        (Evidence(BEGUN, stopped="processes", status=9), ("failed", "memory")),
        (Evidence([Record("begin"), Record("import_failed", cause="unreadable")]), ("failed", "unreadable")),
        (Evidence([Record("begin"), Record("import_failed", cause="error"), FINAL]), ("failed", "error")),
        (Evidence([], status=0), ("broken", None)),
        (Evidence([], lost=True), ("broken", None)),
        (Evidence([], stopped="start"), ("broken", None)),
        (Evidence([Record("broken", message="x")], status=0), ("broken", None)),
    ],
)
def test_the_verdict_follows_from_what_was_seen(evidence: Evidence, expected: tuple[str, str | None]) -> None:
    """`passed` needs every announced check and the final record; before the first line it is our fault."""
    assert verdict(evidence) == expected


def test_the_check_that_was_running_carries_the_message() -> None:
    """What ended the process early is shown at the check that it ended."""
    report = judge(exercise(), Evidence(BEGUN, stopped="timeout"), Path("/a.py"), "cpu", 1, "en")
    assert [check.outcome for check in report.checks] == ["passed", "failed", "skipped", "skipped"]
    assert "stopped after 10 seconds" in report.checks[1].message
    assert report.first_failure is report.checks[1]


@pytest.mark.parametrize("outcome", ["failed", "error"])
def test_the_cause_is_that_of_the_first_failed_check(outcome: str) -> None:
    """A later failure of another kind does not change it."""
    records = [Record("begin"), *PASSED[:2], Record("check", "test_value", outcome, "wrong"), FINAL]
    records.insert(-1, Record("check", "test_surroundings", "error", "exited"))
    assert verdict(Evidence(records, status=0)) == ("failed", "wrong")


def test_what_a_real_device_does_not_show_is_no_failure() -> None:
    """On `cuda` a check may be skipped for that; nowhere else."""
    unseen = Record("check", "test_surroundings", "skipped", "unseen", "not seen there")
    evidence = Evidence([Record("begin"), *PASSED[:-1], unseen, FINAL], status=0)
    assert judge(exercise(), evidence, Path("/a.py"), "cuda", 1, "en").verdict == "passed"
    assert judge(exercise(), evidence, Path("/a.py"), "sim", 1, "en").verdict == "failed"


# --- the guard, in this process


def test_the_guard_is_silent_when_nothing_was_replaced() -> None:
    """Reading, adding names and torch's own wrapping are no tampering."""
    guard = Guard()
    torch.brand_new_name = 1  # type: ignore[attr-defined]
    try:
        assert guard.changes() == []
    finally:
        del torch.brand_new_name  # type: ignore[attr-defined]


def _yes(*args: object, **kwargs: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (torch, "allclose"),
        (torch.Tensor, "__eq__"),
        (torch.nn.functional, "mse_loss"),
        (torch.nn.Module, "__call__"),
    ],
)
def test_the_guard_names_what_was_replaced_and_puts_it_back(owner: object, name: str) -> None:
    """Functions and methods, inherited ones too."""
    before = getattr(owner, name)
    guard = Guard()
    setattr(owner, name, _yes)
    changes = guard.changes()
    assert len(changes) == 1
    assert changes[0].endswith(name)
    assert getattr(owner, name) is before or getattr(owner, name) == before
    assert guard.changes() == []


# --- drawing inputs


def test_each_check_draws_from_its_own_seed() -> None:
    """Independent of other checks, of their order, and of the global generators."""
    state = torch.get_rng_state()
    a, again, b = (Draw(seed_for(5, name)) for name in ("test_a", "test_a", "test_b"))
    assert torch.equal(a.randn(3, 2), again.randn(3, 2))
    assert not torch.equal(a.randn(3, 2), b.randn(3, 2))
    assert a.integer(0, 10**9) == again.integer(0, 10**9)
    assert torch.equal(state, torch.get_rng_state())


def test_what_is_drawn_has_the_shape_and_dtype_that_were_asked_for() -> None:
    """Leaves on the CPU; `integers` excludes its upper end, `integer` includes it."""
    draw = Draw(1)
    assert draw.randn(2, 3, requires_grad=True).requires_grad
    assert draw.rand(4, dtype=torch.float32).dtype is torch.float32
    drawn = draw.integers(2, 4, (200,))
    assert set(drawn.tolist()) == {2, 3}
    assert {draw.integer(2, 4) for _ in range(200)} == {2, 3, 4}
    assert draw.choice([7]) == 7


def test_an_exception_of_the_checks_has_a_short_name() -> None:
    """The module of the checks is named after where ptquiz lies; nobody needs to know that."""
    kinds = {"home.exercises.07_custom_loss.checks": "Broken", "torch.cuda": "torch.cuda.Broken"}
    for module, name in kinds.items():
        error = type("Broken", (Exception,), {"__module__": module})("so")
        assert explain.headline(error) == f"{name}: so"


def test_only_the_learners_own_not_implemented_is_a_gap(tmp_path: Path) -> None:
    """What torch does not implement is no gap of the stub."""
    path = tmp_path / "mine.py"
    source = "def gap():\n    raise NotImplementedError\ndef torchs(other):\n    other()\n"
    path.write_text(source)
    names: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    found = []
    for call in (names["gap"], lambda: names["torchs"](torch.nn.Module())):
        with pytest.raises(NotImplementedError) as caught:
            call()
        found.append("still to be written" in explain.exception(caught.value, str(path)))
    assert found == [True, False]
