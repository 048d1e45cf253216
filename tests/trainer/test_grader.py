"""The grader: files that are unusual but right, files that are no Python, limits, and what is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ptquiz import grader, grading
from ptquiz.bank import Exercise, Limits, load_bank
from ptquiz.errors import UsageError
from ptquiz.grader import WarmWorker, grade, prepare
from ptquiz.grading import Clock, Output
from ptquiz.report import Report
from ptquiz.worker import processes

BANK = Path(__file__).parent.parent / "hostile" / "bank"
RIGHT = "def double(x):\n    return x * 2\n"
PATIENT = Limits(check_seconds=90.0, total_seconds=180.0)

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def probe() -> Exercise:
    return load_bank(BANK).find(1)._replace(limits=PATIENT)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmWorker]:
    with WarmWorker() as worker:
        yield worker


def graded(
    tmp_path: Path, warm: WarmWorker, probe: Exercise, source: str | bytes, **options: object
) -> Report:
    path = tmp_path / "01_probe.py"
    path.write_bytes(source.encode() if isinstance(source, str) else source)
    return grade(probe, path, seed=11, warm=warm, **options)  # type: ignore[arg-type]


UNUSUAL = {
    "a byte order mark": b"\xef\xbb\xbf" + RIGHT.encode(),
    "CRLF": RIGHT.replace("\n", "\r\n").encode(),
    "old Mac line ends in a comment": b"# a\x0cb\n" + RIGHT.encode(),
    "no newline at the end": RIGHT.rstrip().encode(),
    "a declared encoding": b"# -*- coding: latin-1 -*-\nNAME = '\xe9'\n" + RIGHT.encode("latin-1"),
    "Chinese comments": ("# 乘以二\n" + RIGHT).encode(),
    "a main guard": RIGHT + "\nif __name__ == '__main__':\n    raise SystemExit(3)\n",
    "future annotations": "from __future__ import annotations\n"
    + RIGHT.replace("(x)", "(x: Nothing) -> Nowhere"),
    "a lambda": "double = lambda x: x + x\n",
    "a class with __call__": "class D:\n    def __call__(self, x): return 2 * x\n\ndouble = D()\n",
    "a partial": "import functools, operator\ndouble = functools.partial(operator.mul, 2)\n",
    "a dataclass": "import dataclasses as d\n\n@d.dataclass\nclass F:\n    by: 'N' = 2\n\n" + RIGHT,
    "warnings, prints and logs": "import warnings, sys, logging\nwarnings.warn('a')\nprint('b')\n"
    "logging.warning('c')\n" + RIGHT,
    "seeding": "import torch, random\ntorch.manual_seed(0)\nrandom.seed(0)\n" + RIGHT,
    "a star import": "from torch import *\n" + RIGHT,
    "a deleted helper": "def helper():\n    pass\n\ndel helper\n" + RIGHT,
    "names of pytest": RIGHT
    + "\ndef test_nothing():\n    assert False\n\nclass TestMore:\n    def test(self): assert False\n",
    "reading its own source": "import inspect, sys\n" + RIGHT + "inspect.getsource(double)\n",
    "its own module by name": RIGHT
    + "import importlib\nassert importlib.import_module(__name__).double is double\n",
    "pickling its own class": "import pickle\n\nclass P:\n    pass\n\npickle.loads(pickle.dumps(P()))\n"
    + RIGHT,
    "input() finds nothing": "try:\n    input()\nexcept EOFError:\n    pass\n" + RIGHT,
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_but_right_file_passes(
    tmp_path: Path, warm: WarmWorker, probe: Exercise, name: str
) -> None:
    """Style, encoding and noise are not graded."""
    report = graded(tmp_path, warm, probe, UNUSUAL[name])
    assert report.verdict == "passed", report


UNREADABLE = {
    "empty": b"",
    "blank": b" \n\t\n",
    "only a byte order mark": b"\xef\xbb\xbf",
    "NUL bytes": b"x = 1\0\n",
    "binary": bytes(range(256)),
    "latin-1 without saying so": "x = 'é'\n".encode("latin-1"),
    "UTF-16": RIGHT.encode("utf-16"),
    "an unknown encoding": b"# coding: klingon\nx = 1\n",
    "five megabytes": b"#" * (5 << 20),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_is_no_python_text_is_unreadable(
    tmp_path: Path, warm: WarmWorker, probe: Exercise, name: str
) -> None:
    """It fails, is the learner's, and the message says that the file is meant."""
    report = graded(tmp_path, warm, probe, UNREADABLE[name])
    assert (report.verdict, report.cause) == ("failed", "unreadable")
    assert "your file cannot be used" in report.message
    assert {check.outcome for check in report.checks} == {"skipped"}


def test_a_file_that_is_missing_or_a_folder_is_wrong_usage(tmp_path: Path, probe: Exercise) -> None:
    """Nothing is started for it."""
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(UsageError):
            grade(probe, path)


def test_the_json_has_the_documented_fields(tmp_path: Path, warm: WarmWorker, probe: Exercise) -> None:
    """Readers of `--json` rely on names, order of checks and types."""
    data = json.loads(graded(tmp_path, warm, probe, RIGHT.replace("2", "3")).to_json())
    assert list(data) == [
        *("exercise", "slug", "verdict", "cause", "device", "seed", "duration_seconds", "checks"),
        *("message", "output"),
    ]
    assert (data["exercise"], data["slug"], data["verdict"], data["cause"]) == (1, "probe", "failed", "wrong")
    assert [check["outcome"] for check in data["checks"]] == ["passed", "failed", "skipped", "passed"]
    assert set(data["checks"][0]) == {
        *("name", "title", "outcome", "message", "duration_seconds", "timeline")
    }


def test_a_seed_replays_and_another_seed_draws_anew(
    tmp_path: Path, warm: WarmWorker, probe: Exercise
) -> None:
    """The values in a message depend on the seed alone."""
    path = tmp_path / "a.py"
    path.write_text(RIGHT.replace("2", "3"))
    first, again, other = (grade(probe, path, seed=seed, warm=warm) for seed in (1, 1, 2))
    assert first.checks[1].message == again.checks[1].message != other.checks[1].message
    assert len({grade(probe, path, warm=warm).seed for _ in range(3)}) == 3


def test_a_report_in_chinese(tmp_path: Path, warm: WarmWorker, probe: Exercise) -> None:
    """Titles and messages follow the language."""
    report = graded(tmp_path, warm, probe, RIGHT.replace("2", "3"), lang="zh")
    assert report.checks[1].title == "数值"
    assert "应为" in report.checks[1].message


def test_the_learners_line_is_shown_and_no_frame_of_ours(
    tmp_path: Path, warm: WarmWorker, probe: Exercise
) -> None:
    """An error inside torch that a learner's call provokes names the learner's line."""
    source = "import torch\n\n\ndef helper(x):\n    return x @ torch.ones(7)\n\n\ndouble = helper\n"
    message = graded(tmp_path, warm, probe, source).checks[1].message
    assert "01_probe.py:5, in helper\n    return x @ torch.ones(7)" in message
    assert "checks.py" not in message
    assert "session" not in message


def test_what_is_beside_the_file_can_be_imported_but_shadows_nothing(
    tmp_path: Path, warm: WarmWorker, probe: Exercise
) -> None:
    """A helper module works; a torch.py or random.py beside it is not taken for the real one."""
    (tmp_path / "my_helper.py").write_text("FACTOR = 2\n")
    for name in ("torch", "random", "numpy", "pytest"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong module')\n")
    source = (
        "import random\nimport torch\nimport my_helper\n\ndef double(x):\n    return x * my_helper.FACTOR\n"
    )
    assert graded(tmp_path, warm, probe, source).verdict == "passed"


SPAWNS = """
import multiprocessing

def work(n):
    return n * 2

def double(x):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(work, [1, 2]) == [2, 4]
    return x * 2
"""


def test_a_spawned_process_imports_the_submission_by_name(
    tmp_path: Path, warm: WarmWorker, probe: Exercise
) -> None:
    """Spawned DataLoader workers and ranks need the learner's classes and functions."""
    assert graded(tmp_path, warm, probe, SPAWNS).verdict == "passed"


def test_printed_text_is_kept_cut_and_without_control_characters() -> None:
    """The beginning and the end are shown; a terminal is not at the learner's mercy."""
    output = Output(400)
    for part in (
        b"begin \x1b[31mred\x1b[0m\x07\r\n",
        b"x" * 10_000,
        "末".encode()[:2],
        "末".encode()[2:],
        b" end",
    ):
        output.add(part)
    text = output.text()
    assert text.startswith("begin red\n")
    assert text.endswith("末 end")
    assert len(text) < 500
    assert " bytes " in text


def test_the_clock_does_not_count_a_sleeping_laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A jump between two ticks counts as one second at most."""
    now = [100.0]
    monkeypatch.setattr(grading.time, "monotonic", lambda: now[0])
    clock = Clock()
    for step in (0.05, 3600.0, 0.05):
        now[0] += step
        clock.tick()
    assert clock.now == pytest.approx(1.1)


def test_a_warm_worker_survives_the_death_of_its_process(tmp_path: Path, probe: Exercise) -> None:
    """The next grading starts another one."""
    with WarmWorker() as warm:
        assert graded(tmp_path, warm, probe, RIGHT).verdict == "passed"
        assert warm._worker is not None
        warm._worker.process.kill()
        warm._worker.process.wait()
        assert graded(tmp_path, warm, probe, RIGHT).verdict == "passed"


def running(mark: str) -> list[int]:
    """The processes whose command line holds `mark`."""
    found = []
    for pid in processes.parents():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if mark.encode() in line and pid != os.getpid():
            found.append(pid)
    return found


def gone(mark: str, patience: float = 60.0) -> bool:
    """Whether they have all ended, at the latest after a while."""
    end = time.monotonic() + patience
    while running(mark):
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


STRAY = """
import subprocess, sys
CODE = "import time; time.sleep(600) # {mark}"
subprocess.Popen([sys.executable, "-c", CODE], start_new_session=True)
"""


@pytest.mark.skipif(not processes.LINUX, reason="looks into /proc")
def test_nothing_that_a_submission_started_outlives_its_grading(
    tmp_path: Path, warm: WarmWorker, probe: Exercise
) -> None:
    """A process in a session of its own is found and killed, and the grading waits for that."""
    mark = f"stray-{os.getpid()}-{tmp_path.name}"
    assert graded(tmp_path, warm, probe, STRAY.format(mark=mark) + RIGHT).verdict == "passed"
    assert not running(mark)


ENDLESS = """
import sys
from pathlib import Path
from typing import Any
from ptquiz.bank import Limits, load_bank
from ptquiz.grader import grade
probe = load_bank(Path(sys.argv[1])).find(1)._replace(limits=Limits(600.0, 600.0))
grade(probe, Path(sys.argv[2]))
"""


def started_endless(tmp_path: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A process that grades an endless loop which has a stray child, once both run."""
    mark = f"endless-{os.getpid()}-{tmp_path.name}"
    path = tmp_path / "a.py"
    path.write_text(STRAY.format(mark=mark) + "while True:\n    pass\n")
    root = str(Path(grader.__file__).parent.parent)
    command = [sys.executable, "-c", ENDLESS, str(BANK), str(path)]
    parent = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root}, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not running(mark) and time.monotonic() < end:
        time.sleep(0.05)
    assert running(mark)
    return parent, mark


@pytest.mark.skipif(not processes.LINUX, reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_ended_grader_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    """Killed, interrupted or terminated in the middle: the worker and all its descendants end too."""
    parent, mark = started_endless(tmp_path)
    family = processes.descendants(parent.pid)
    assert len(family) >= 3  # worker, grading, stray
    parent.send_signal(number)
    try:
        parent.wait(timeout=60)
    finally:
        parent.kill()
    assert gone(mark)
    end = time.monotonic() + 60
    while any(processes.resident(pid) for pid in family) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(processes.resident(pid) for pid in family)


def test_gradings_leave_no_folders(
    tmp_path: Path, warm: WarmWorker, probe: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary folder of a grading goes with it, whatever was done to its permissions."""
    home = tmp_path / "tmp"
    home.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(home))
    source = (
        "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\nos.chmod('a/b', 0)\nos.chmod('a', 0)\n"
    )
    assert graded(tmp_path, warm, probe, source + RIGHT).verdict == "passed"
    assert list(home.iterdir()) == []


# A grading made ready ahead, as `watch` does it.


@pytest.fixture
def ahead(tmp_path: Path, warm: WarmWorker, probe: Exercise) -> Path:
    """A right file, whose grading is made ready before it is written."""
    path = tmp_path / "01_probe.py"
    prepare(probe, path, warm=warm)
    path.write_text(RIGHT, encoding="utf-8")
    return path


def held(warm: WarmWorker) -> Any:
    assert warm._ahead is not None
    return warm._ahead


def test_a_grading_made_ahead_reads_the_file_as_it_is_at_last(
    ahead: Path, warm: WarmWorker, probe: Exercise
) -> None:
    """It is used once; the one after it starts from nothing, with the same verdict."""
    ready = held(warm)
    assert grade(probe, ahead, warm=warm).verdict == "passed" and ready.begun
    ahead.write_text("def double(x):\n    return x\n", encoding="utf-8")
    assert grade(probe, ahead, warm=warm).verdict == "failed" and warm._ahead is None


def test_one_made_ahead_for_something_else_is_dropped(ahead: Path, warm: WarmWorker, probe: Exercise) -> None:
    """Another file, another seed: its process ends, its folder goes, its seed is not used."""
    ready = held(warm)
    worker, began = warm._worker, time.monotonic()
    other = ahead.with_name("other.py")
    other.write_text(RIGHT, encoding="utf-8")
    assert grade(probe, other, seed=3, warm=warm).seed == 3
    assert not ready.begun and not ready._folder.exists()
    assert warm._worker is worker and time.monotonic() - began < 15  # the order reached it at once


def test_one_made_ahead_is_dropped_when_the_checks_have_changed(
    ahead: Path, warm: WarmWorker, probe: Exercise
) -> None:
    """An author edits them while `watch` runs."""
    ready = held(warm)
    ready.asked = ready.asked._replace(checks=1)
    assert grade(probe, ahead, warm=warm).verdict == "passed" and not ready.begun


def test_one_that_died_while_it_waited_is_made_anew(ahead: Path, warm: WarmWorker, probe: Exercise) -> None:
    """Whatever ended it: not a line of the file had run, so nothing is the learner's."""
    assert warm._worker is not None
    for pid in processes.descendants(warm._worker.process.pid):
        processes.kill(pid)
    assert grade(probe, ahead, warm=warm).verdict == "passed"


def test_what_waits_goes_with_its_worker(tmp_path: Path, probe: Exercise) -> None:
    """No process and no folder stays behind."""
    with WarmWorker() as warm:
        prepare(probe, tmp_path / "01_probe.py", warm=warm)
        ready = held(warm)
        assert warm._worker is not None
        family = warm._worker.family
    assert not ready._folder.exists() and not any(processes.resident(pid) for pid in family)


def test_time_at_the_gate_is_not_the_learners(ahead: Path, warm: WarmWorker, probe: Exercise) -> None:
    """Deadlines and the duration begin when the file is saved."""
    time.sleep(1.5)
    assert grade(probe, ahead, warm=warm).duration_seconds < 1.5


def test_warnings_are_shown_where_the_learners_code_causes_them(
    tmp_path: Path, warm: WarmWorker, probe: Exercise
) -> None:
    """Those of torch too; one that the checks' own code causes is not the learner's to see."""
    source = "import warnings\nwarnings.warn('of mine')\n" + RIGHT
    assert "of mine" in graded(tmp_path, warm, probe, source).output
    loud = tmp_path / "loud"
    shutil.copytree(BANK, loud)
    checks = next(loud.glob("exercises/01_*/checks.py"))
    text = checks.read_text(encoding="utf-8").replace("def test_", "import warnings\n\n\ndef test_", 1)
    checks.write_text(
        text.replace('"""\n    ', '"""\n    warnings.warn("of the checks")\n    '), encoding="utf-8"
    )
    assert "of the checks" in checks.read_text(encoding="utf-8")
    report = graded(tmp_path, warm, load_bank(loud).find(1)._replace(limits=PATIENT), source)
    assert "of mine" in report.output and "of the checks" not in report.output


def test_a_hurried_verdict_leaves_nothing_behind_either(
    ahead: Path, warm: WarmWorker, probe: Exercise
) -> None:
    """What the submission started has ended before the next grading begins; no verdicts are mixed."""
    mark = f"hurried-{os.getpid()}-{ahead.parent.name}"
    ahead.write_text(STRAY.format(mark=mark) + RIGHT + "print('out', end='')\n", encoding="utf-8")
    first = grade(probe, ahead, warm=warm)
    assert first.verdict == "passed" and "out" in first.output
    prepare(probe, ahead, warm=warm)
    assert not running(mark)
    ahead.write_text("def double(x):\n    return x\n", encoding="utf-8")
    assert grade(probe, ahead, warm=warm).verdict == "failed"
    ahead.write_text(RIGHT, encoding="utf-8")
    assert grade(probe, ahead, warm=warm).verdict == "passed"
