"""`python -m ptquiz.simcuda`: scripts run unchanged; races, exit codes, traces."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ptquiz.simcuda.__main__ import main

RACE = """
import torch
x = torch.ones(100, device="cuda")
with torch.cuda.stream(torch.cuda.Stream()):
    x.add_(1)
"""


@pytest.fixture
def script(tmp_path):
    """Writes a script and gives its path."""

    def write(text: str, name: str = "script.py") -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_a_script_runs_as_main_with_its_own_arguments(script, capsys):
    """`__name__`, `__file__`, `sys.argv` and imports beside the script are as when Python runs it."""
    script("VALUE = 7", "beside.py")
    path = script(
        "import sys, beside, torch\nprint(__name__, __file__, sys.argv[1:], beside.VALUE, sys.argv[0])\n"
        "print(torch.ones(2, device='cuda').device, torch.cuda.device_count())"
    )
    before = (sys.argv[:], sys.path[:])
    assert main(["--devices", "3", path, "--devices", "x", "-h"]) == 0
    out = capsys.readouterr()
    assert out.out.splitlines() == [f"__main__ {path} ['--devices', 'x', '-h'] 7 {path}", "cuda:0 3"]
    assert out.err == ""
    assert (sys.argv, sys.path) == before


def test_a_race_is_one_line_on_stderr_and_exit_code_1(script, capsys):
    """Each race is one line with both `file:line`."""
    path = script(RACE)
    assert main([path]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{path}:3" in line and f"{path}:5" in line
    assert "data race" in line


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("import sys; sys.exit(3)", 3, id="a code"),
        pytest.param("import sys; sys.exit()", 0, id="no code"),
        pytest.param("import sys; sys.exit('gone')", 1, id="a message"),
        pytest.param("raise SystemExit(0)", 0, id="raised"),
        pytest.param("1 / 0", 1, id="an error"),
        pytest.param("raise KeyboardInterrupt", 130, id="interrupted"),
        pytest.param(RACE + "raise SystemExit(5)", 5, id="its own code before that of a race"),
        pytest.param(RACE + "raise SystemExit(0)", 1, id="a race although it says 0"),
        pytest.param("def f(:", 1, id="a syntax error"),
    ],
)
def test_exit_codes_are_kept(script, capsys, text, code):
    """The script's exit code is the command's; a race only counts when it is 0."""
    assert main([script(text)]) == code


def test_an_error_is_shown_from_the_script_on(script, capsys):
    """The traceback begins with the script's own frame."""
    path = script("def f():\n    1 / 0\nf()\n")
    main([path])
    err = capsys.readouterr().err
    assert "ZeroDivisionError" in err and f'File "{path}", line 2' in err
    assert "runpy" not in err and "simcuda" not in err


def test_threads_that_the_script_leaves_are_waited_for(script, capsys):
    """A race of a thread that outlives the script's last line is found."""
    path = script(
        "import threading, torch\nx = torch.ones(9, device='cuda')\n"
        "def work():\n    with torch.cuda.stream(torch.cuda.Stream()):\n        x.add_(1)\n"
        "threading.Thread(target=work).start()\n"
    )
    assert main([path]) == 1
    assert f"{path}:5" in capsys.readouterr().err


def test_a_trace_is_written_even_when_the_script_fails(script, tmp_path, capsys):
    """`--trace FILE` has what happened until the end, whatever the end was."""
    trace = tmp_path / "out.json"
    assert main(["--trace", str(trace), script("import torch\ntorch.ones(3, device='cuda')\n1 / 0")]) == 1
    assert any(e["name"] == "ones" for e in json.loads(trace.read_text("utf-8"))["traceEvents"])
    assert main(["--trace", str(tmp_path / "no" / "such.json"), script("pass")]) == 0
    assert "cannot write the trace" in capsys.readouterr().err


def test_memory_is_what_was_asked_for(script, capsys):
    """`--memory` is the device's: more does not fit."""
    path = script("import torch\nprint(torch.cuda.mem_get_info()[1])\ntorch.empty(1 << 30, device='cuda')")
    assert main(["--memory", "256MiB", path]) == 1
    out = capsys.readouterr()
    assert out.out.strip() == str(256 << 20)
    assert "OutOfMemoryError" in out.err


@pytest.mark.parametrize(
    "argv", [[], ["--devices", "0", "x.py"], ["--memory", "much", "x.py"], ["no_such_script.py"], ["--what"]]
)
def test_wrong_usage_is_2(argv, capsys):
    """Wrong usage is exit code 2 with one line that says what is wrong."""
    with pytest.raises(SystemExit) as leaving:
        main(argv)
    assert leaving.value.code == 2
    assert "error" in capsys.readouterr().err


@pytest.mark.processes
def test_the_module_itself(script):
    """The command line in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-m", "ptquiz.simcuda", "--timeline", script(RACE)],
        capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stdout == ""
    assert "data race" in run.stderr and "cuda:0 default" in run.stderr
