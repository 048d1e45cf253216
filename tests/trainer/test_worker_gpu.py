"""The `gpu` fixture: what a check sees of the simulated device, and what a report brings back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ptquiz.bank import Exercise, load_bank
from ptquiz.errors import UsageError
from ptquiz.grader import WarmWorker, grade
from ptquiz.simcuda import simulated_cuda
from ptquiz.worker import claims
from ptquiz.worker.gpu import Simulated
from ptquiz.worker.wire import Record, Request

BANK = Path(__file__).parent.parent / "hostile" / "bank"
FILES = Path(__file__).parent.parent / "hostile" / "files"


def request(**options: object) -> Request:
    fields = {
        "submission": "/home/me/17_a.py",
        "checks_file": __file__,
        "checks": (),
        "folder": "/tmp",
        "seed": 1,
    }
    fields |= {"language": "en", "secret": "", "device": "sim"}
    return Request(**(fields | options))  # type: ignore[arg-type]


@pytest.fixture
def gpu() -> Iterator[Simulated]:
    with simulated_cuda(devices=2, memory="256MiB") as machine:
        fixture = Simulated(machine, request())
        fixture.begin(7)
        yield fixture


def test_busy_work_has_its_length_its_name_and_its_stream(gpu: Simulated) -> None:
    """It appears in the trace, and the host does not wait for it."""
    side = torch.cuda.Stream()
    with gpu.record() as seen:
        with torch.cuda.stream(side):
            gpu.busy(3.0, "A")
        gpu.busy(2.0, "B")
    a, b = seen.named("A")[0], seen.named("B")[0]
    assert (a.stream, b.stream) == (side.cuda_stream, 0)
    assert a.end_ms - a.begin_ms == pytest.approx(3.0)
    assert b.begin_ms < a.end_ms
    assert seen.serial_ms == pytest.approx(5.0)
    assert seen.makespan_ms < 4.0
    assert seen.waits == []
    seen.no_wait()
    seen.no_race()


def test_a_record_ends_where_its_block_ends(gpu: Simulated) -> None:
    """What comes before, after, and by `settle` is not in it."""
    gpu.busy(1.0, "before")
    with gpu.record() as seen:
        gpu.busy(1.0, "inside")
    gpu.busy(1.0, "after")
    gpu.settle()
    assert [op.name for op in seen.kernels] == ["inside"]
    assert seen.waits == []


def test_a_host_wait_is_named_with_its_line(gpu: Simulated) -> None:
    """`no_wait` says which call waited."""
    gpu.busy(1.0)
    with gpu.record() as seen:
        torch.cuda.synchronize()
    with pytest.raises(claims.Unmet, match=r"torch.cuda.synchronize waited at"):
        seen.no_wait()


def raced(gpu: Simulated) -> None:
    x = torch.zeros(100, device="cuda")
    gpu.settle()
    with torch.cuda.stream(torch.cuda.Stream()):
        gpu.write(x, "writer")
    gpu.read(x, "reader")


def test_write_and_read_race_without_order_and_do_not_with_it(gpu: Simulated) -> None:
    """They are real accesses of the tensor's bytes; its values stay."""
    with gpu.record() as seen:
        raced(gpu)
    assert len(seen.races) == 1
    with pytest.raises(claims.Unmet, match="data race"):
        seen.no_race()
    gpu.settle()  # the memory of the first tensor comes again
    gpu.forgive()
    x = torch.ones(3, device="cuda")
    side = torch.cuda.Stream()
    with gpu.record() as seen:
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            gpu.write(x, "writer")
        torch.cuda.current_stream().wait_stream(side)
        gpu.read(x, "reader")
    seen.no_race()
    assert x.tolist() == [1, 1, 1]


def test_a_race_that_is_left_fails_a_passed_check_unless_it_was_forgiven(gpu: Simulated) -> None:
    """The check's own failure, where there is one, is kept."""
    raced(gpu)
    failed = gpu.closed(Record("check", "test_a", "passed"))
    assert (failed.outcome, failed.cause) == ("failed", "wrong")
    assert "data race" in failed.message
    kept = gpu.closed(Record("check", "test_a", "error", "error", "mine"))
    assert kept.message == "mine"
    gpu.begin(7)
    raced(gpu)
    gpu.forgive()
    assert gpu.closed(Record("check", "test_a", "passed")).outcome == "passed"


def test_each_check_begins_on_a_clean_device(gpu: Simulated) -> None:
    """Device, streams, memory limits, peaks, races and generators are put back."""
    torch.cuda.set_device(1)
    torch.cuda.set_stream(torch.cuda.Stream())
    torch.cuda.set_per_process_memory_fraction(0.01, 0)
    big = torch.empty(1 << 20, device="cuda:1")
    del big
    raced(gpu)
    gpu.begin(7)
    first = torch.randn(3, device="cuda")
    assert torch.cuda.current_device() == 0
    assert torch.cuda.current_stream().cuda_stream == 0
    assert torch.cuda.max_memory_allocated(1) == 0
    assert torch.empty(1 << 24, device="cuda").numel() == 1 << 24
    assert gpu.machine.races == []
    gpu.begin(7)
    assert torch.equal(first.cpu(), torch.randn(3, device="cuda").cpu())


def test_reports_show_short_paths_and_not_the_checks_lines(gpu: Simulated) -> None:
    """A learner's line is `file:line`; a line of checks.py is "the check"."""
    assert gpu.place("/home/me/17_a.py:12") == "17_a.py:12"
    assert gpu.place(f"{__file__}:99") == "the check"


@pytest.fixture(scope="module")
def device() -> Exercise:
    return load_bank(BANK).find(2)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmWorker]:
    with WarmWorker() as worker:
        worker.start(("gpu",))
        yield worker


@pytest.mark.processes
def test_a_failed_stream_check_brings_a_timeline_and_any_check_does_when_asked(
    device: Exercise, warm: WarmWorker, tmp_path: Path
) -> None:
    """The rows of both streams are drawn; a passed check has none unless it was asked for."""
    failed = grade(device, FILES / "gpu_race.py", warm=warm)
    assert failed.first_failure is not None and "✗ data race: gpu_race.py:" in failed.first_failure.timeline
    answer = tmp_path / "a.py"
    answer.write_text("def work(gpu):\n    gpu.busy(1.0, 'mine')\n")
    assert not any(check.timeline for check in grade(device, answer, warm=warm).checks)
    assert any("mine" in check.timeline for check in grade(device, answer, warm=warm, timeline=True).checks)


@pytest.mark.processes
def test_the_trace_is_written_where_it_was_asked_for(
    device: Exercise, warm: WarmWorker, tmp_path: Path
) -> None:
    """Chrome's format, with the work's names; a place that cannot be written is wrong usage."""
    answer, trace = tmp_path / "a.py", tmp_path / "trace.json"
    answer.write_text("def work(gpu):\n    gpu.busy(1.0, 'mine')\n")
    assert grade(device, answer, warm=warm, trace=trace).verdict == "passed"
    assert "mine" in {event.get("name") for event in json.loads(trace.read_text())["traceEvents"]}
    with pytest.raises(UsageError):
        grade(device, answer, trace=tmp_path / "no" / "trace.json")


@pytest.mark.processes
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_real_device_that_is_not_there_is_wrong_usage(device: Exercise, warm: WarmWorker) -> None:
    """Neither the learner's failure nor ours: it is said, with what to do instead, and exit code 2."""
    for worker in (None, warm):
        with pytest.raises(UsageError) as caught:
            grade(device, device.solution.answer, device="cuda", warm=worker)
        assert caught.value.exit_code == 2 and "no CUDA device" in caught.value.text("en")
    assert grade(device, device.solution.answer, warm=warm).verdict == "passed"
