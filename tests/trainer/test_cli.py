"""The commands, run in this process on the small bank: what they print, keep and return."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import small_bank

from ptquiz import entry, grader, session
from ptquiz.bank import Exercise
from ptquiz.errors import PtquizError
from ptquiz.progress import Progress
from ptquiz.report import CheckResult, Report

Run = Callable[..., "tuple[int, str, str]"]


def report(verdict: str = "passed", **other: object) -> Report:
    outcome = "passed" if verdict == "passed" else "failed"
    message = "" if verdict == "passed" else "expected: 2\ngot: 3"
    fields: dict[str, object] = {
        "exercise": 1,
        "slug": "double_it",
        "verdict": verdict,
        "cause": None if verdict != "failed" else "wrong",
        "device": "cpu",
        "seed": 11,
        "duration_seconds": 0.25,
        "checks": (
            CheckResult("test_value", "twice the input", outcome, message),  # type: ignore[arg-type]
            CheckResult("test_input", "leaves x alone", "passed" if verdict == "passed" else "skipped", "x"),
        ),
    }
    return Report(**(fields | other))  # type: ignore[arg-type]


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """`check` gets the reports put into `.next`; what it asked for is noted."""
    asked: list[dict[str, object]] = []

    def grade(exercise: Exercise, path: Path, **how: object) -> Report:
        asked.append({"exercise": exercise.number, "path": path, **how})
        result = answers.pop(0) if answers else report()
        if isinstance(result, BaseException):
            raise result
        return result

    answers: list[Report | BaseException] = []
    asked_list = Asked(asked, answers)
    monkeypatch.setattr(grader, "grade", grade)
    return asked_list


class Asked(list):  # type: ignore[type-arg]
    """What was asked for; `next` holds what to answer."""

    def __init__(self, asked: list[dict[str, object]], answers: list[Report | BaseException]) -> None:
        super().__init__()
        self.asked, self.next = asked, answers


# list


def test_list_shows_every_exercise_with_its_facts(ptquiz: Run) -> None:
    """Number, title, topic, level, minutes, device, what to do before, state."""
    code, out, err = ptquiz("list")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[1].split() == ["01", "Twice", "fundamentals", "easy", "5", "cpu", "not", "started"]
    assert lines[2].split() == [
        "02",
        "Twice",
        "more",
        "fundamentals",
        "medium",
        "5",
        "cpu",
        "1",
        "not",
        "started",
    ]
    assert max(map(len, lines)) <= 80


def test_list_filters_may_be_joined_and_repeated(ptquiz: Run) -> None:
    """--topic, --level and --state narrow it; the same option twice widens it."""

    def numbers(*filters: str) -> list[int]:
        return [e["number"] for e in json.loads(ptquiz("list", "--json", *filters)[1])["exercises"]]

    ptquiz("start", "2")
    assert numbers("--topic", "streams") == [4]
    assert numbers("--level", "easy", "--level", "hard") == [1, 4]
    assert numbers("--state", "not-started", "--topic", "fundamentals") == [1]
    assert numbers("--state", "started") == [2]
    assert numbers("--state", "passed") == []


@pytest.mark.parametrize("option", ["--topic", "--level", "--state"])
def test_an_unknown_filter_names_the_choices(ptquiz: Run, option: str) -> None:
    """Wrong usage, exit code 2."""
    code, out, err = ptquiz("list", option, "foo")
    assert (code, out) == (2, "") and "foo" in err and "Use one of" in err


def test_list_mentions_a_broken_folder_and_shows_the_others(ptquiz: Run, bank_root: Path) -> None:
    """The message goes to stderr; the broken one itself gives exit code 2."""
    card = bank_root / "exercises" / "01_double_it" / "exercise.yaml"
    card.write_text(card.read_text(encoding="utf-8").replace("easy", "eazy"), encoding="utf-8")
    code, out, err = ptquiz("list")
    assert code == 0 and "02 Twice more" in out and "Twice\n" not in out
    assert "exercise.yaml:3: level must be one of easy, medium, hard (got 'eazy')" in err
    for command in ("start", "check", "hint", "reveal", "reset"):
        code, out, err = ptquiz(command, "1")
        assert code == 2 and "exercise.yaml:3" in err, command
    assert ptquiz("start", "2")[0] == 0


# start


def test_start_shows_the_question_and_the_path(ptquiz: Run, home: Path) -> None:
    """And keeps that it was started."""
    code, out, err = ptquiz("start", "1")
    assert (code, err) == (0, "")
    assert "01 · Twice" in out and "twice `x`" in out and str(home / "01_double_it.py") in out
    assert "started" in ptquiz("list", "--state", "started")[1]


def test_start_again_leaves_the_work_alone(ptquiz: Run, home: Path) -> None:
    """Never overwritten."""
    ptquiz("start", "1")
    (home / "01_double_it.py").write_text("mine")
    code, out, _ = ptquiz("start", "1")
    assert code == 0 and "as you left it" in out
    assert (home / "01_double_it.py").read_text() == "mine"


def test_start_without_a_number_takes_the_next(ptquiz: Run) -> None:
    """Along the learning path; what should come before is named."""
    assert "01 · Twice" in ptquiz("start")[1]
    assert "Better after: 1 Twice" in ptquiz("start", "2")[1]


def test_start_edit_opens_the_editor_with_its_arguments(
    ptquiz: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """$VISUAL before $EDITOR, split as a shell does."""
    seen = tmp_path / "seen"
    script = tmp_path / "my editor"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {seen}\n')
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", "false")
    monkeypatch.setenv("VISUAL", f"'{script}' --wait")
    assert ptquiz("start", "1", "--edit")[0] == 0
    assert seen.read_text().splitlines() == ["--wait", str(home / "01_double_it.py")]


@pytest.mark.parametrize("editor", [None, "no-such-editor-anywhere", "'unclosed", "false"])
def test_an_editor_that_fails_is_a_sentence(
    ptquiz: Run, home: Path, monkeypatch: pytest.MonkeyPatch, editor: str | None
) -> None:
    """With what to set; the file is there all the same."""
    if editor:
        monkeypatch.setenv("EDITOR", editor)
    code, _, err = ptquiz("start", "1", "--edit")
    assert code == 2 and "EDITOR" in err and (home / "01_double_it.py").is_file()


# check


def test_check_passes_the_options_on(ptquiz: Run, graded: Asked, tmp_path: Path) -> None:
    """Seed, device, timeline, trace, sandbox, language, file."""
    mine = tmp_path / "mine.py"
    mine.write_text("")
    code, _, _ = ptquiz(
        "check", "1", "--file", str(mine), "--seed", "5", "--device", "cuda", "--timeline",
        "--trace", "out.json", "--sandbox", "--lang", "zh",
    )  # fmt: skip
    asked = graded.asked[0]
    assert code == 0
    assert (asked["exercise"], asked["path"], asked["seed"], asked["device"]) == (1, mine, 5, "cuda")
    assert (asked["timeline"], asked["trace"], asked["sandbox"]) == (True, Path("out.json"), True)
    assert asked["lang"] == "zh"


@pytest.mark.parametrize(("verdict", "code"), [("passed", 0), ("failed", 1), ("broken", 3)])
def test_the_exit_code_is_the_verdict(ptquiz: Run, graded: Asked, verdict: str, code: int) -> None:
    """0 passed, 1 not passed, 3 our own fault."""
    ptquiz("start", "1")
    graded.next.append(report(verdict))
    assert ptquiz("check", "1")[0] == code


def test_check_json_is_one_object_and_nothing_else(ptquiz: Run, graded: Asked) -> None:
    """As the report has it."""
    ptquiz("start", "1")
    graded.next.append(report("failed"))
    code, out, err = ptquiz("check", "1", "--json")
    assert (code, err) == (1, "")
    found = json.loads(out)
    assert found["verdict"] == "failed" and found["checks"][0]["outcome"] == "failed" and out.count("\n") == 1


def test_check_without_a_number_takes_the_one_started_last(ptquiz: Run, graded: Asked) -> None:
    """Or the one that --file is named after."""
    ptquiz("start", "1")
    ptquiz("start", "4")
    ptquiz("check")
    assert graded.asked[-1]["exercise"] == 4
    code, _, err = ptquiz("check", "--file", "02_double_more.py")
    assert code == 2 and "02_double_more.py: there is no such file" in err


def test_check_before_start_says_what_to_do(ptquiz: Run, graded: Asked) -> None:
    """Exit code 2, with the command."""
    code, _, err = ptquiz("check")
    assert code == 2 and "ptquiz start" in err
    code, _, err = ptquiz("check", "1")
    assert code == 2 and "ptquiz start 1" in err
    assert not graded.asked


@pytest.mark.parametrize("file", ["", "missing.py", "."])
def test_a_file_that_cannot_be_graded_is_wrong_usage(ptquiz: Run, graded: Asked, file: str) -> None:
    """Missing, a folder, nothing: exit code 2, nothing graded."""
    code, out, err = ptquiz("check", "1", "--file", file, "--json")
    assert (code, out) == (2, "") and err and not graded.asked


@pytest.mark.parametrize(
    "arguments",
    [("--seed", "x"), ("--seed", "-1"), ("--seed", str(2**63)), ("--device", "tpu"), ("--lang", "fr"),
     ("--nope",), ("extra",), ("--seed",), ("--all",)],
)  # fmt: skip
def test_wrong_usage_is_exit_code_2(ptquiz: Run, graded: Asked, arguments: tuple[str, ...]) -> None:
    """One sentence on stderr, nothing on stdout, nothing graded."""
    ptquiz("start", "1")
    code, out, err = ptquiz("check", "1", *arguments)
    assert (code, out) == (2, "") and err.startswith("ptquiz: ") and not graded.asked


def test_every_attempt_is_kept(ptquiz: Run, graded: Asked, home: Path) -> None:
    """With verdict, cause, checks, seed, device, duration, file and time."""
    ptquiz("start", "1")
    graded.next += [report("failed"), report()]
    ptquiz("check")
    ptquiz("check")
    first, second = Progress(home / "progress.db").attempts("double_it")
    assert (first.verdict, first.cause, first.seed, first.device) == ("failed", "wrong", 11, "cpu")
    assert json.loads(first.checks)[0] == {"name": "test_value", "outcome": "failed"}
    assert first.file == str(home / "01_double_it.py") and first.duration_seconds == 0.25
    assert second.verdict == "passed" and second.at >= first.at


def test_a_failed_check_shows_what_to_do(ptquiz: Run, graded: Asked) -> None:
    """Every check with its outcome, the message, the device, the seed, and how to replay it."""
    ptquiz("start", "1")
    graded.next.append(report("failed", output="hello\n"))
    _, out, _ = ptquiz("check", "1")
    for part in ("Not passed", "✗ twice the input", "expected: 2", "got: 3", "○ leaves x alone", "hello",
                 "graded on CPU", "ptquiz check 1 --seed 11"):  # fmt: skip
        assert part in out, part


def test_replay_names_the_file_and_the_device(ptquiz: Run, graded: Asked, tmp_path: Path) -> None:
    """The command can be pasted."""
    mine = tmp_path / "my answer.py"
    mine.write_text("")
    graded.next.append(report("failed", device="cuda"))
    _, out, _ = ptquiz("check", "1", "--file", str(mine), "--device", "cuda")
    assert f"ptquiz check 1 --file '{mine}' --device cuda --seed 11" in out


def test_a_pass_names_the_next_exercise(ptquiz: Run, graded: Asked) -> None:
    """Along the learning path."""
    ptquiz("start", "1")
    assert "Next: 2 · Twice more" in ptquiz("check", "1")[1]


def test_several_failures_suggest_a_hint_then_the_answer(ptquiz: Run, graded: Asked) -> None:
    """From the third in a row."""
    ptquiz("start", "1")
    graded.next += [report("failed") for _ in range(4)]
    assert "hint" not in ptquiz("check")[1]
    assert "hint" not in ptquiz("check")[1]
    assert "ptquiz hint 1" in ptquiz("check")[1]
    ptquiz("hint", "1")
    ptquiz("hint", "1")
    assert "ptquiz reveal 1" in ptquiz("check")[1]


def test_check_all_grades_what_was_started(
    ptquiz: Run, graded: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line each; passed only if all are; --json gives one object."""
    ptquiz("start", "1")
    ptquiz("start", "4")
    graded.next += [report(), report("failed", exercise=4, slug="other_thing")]
    code, out, _ = ptquiz("check", "--all")
    assert code == 1 and "01 Twice" in out and "04 Another" in out and "twice the input" in out
    assert [a["exercise"] for a in graded.asked] == [1, 4]
    code, out, _ = ptquiz("check", "--all", "--json")
    assert code == 0 and len(json.loads(out)["reports"]) == 2


def test_check_all_without_anything_started(ptquiz: Run, graded: Asked) -> None:
    """Is wrong usage."""
    assert ptquiz("check", "--all")[0] == 2


def test_a_verdict_is_shown_even_if_it_cannot_be_kept(ptquiz: Run, graded: Asked, home: Path) -> None:
    """The database is read-only or full: the verdict and its exit code stay, the reason is on stderr."""
    ptquiz("start", "1")
    db = sqlite3.connect(home / "progress.db")
    db.execute("PRAGMA user_version = 99")
    db.commit()
    db.close()
    graded.next.append(report("failed"))
    code, out, err = ptquiz("check", "1")
    assert code == 1 and "expected: 2" in out and "newer ptquiz" in err
    code, out, err = ptquiz("check", "1", "--json")
    assert code == 0 and json.loads(out)["verdict"] == "passed" and "newer ptquiz" in err


# hint, reveal, next, progress, reset


def test_hints_come_one_by_one(ptquiz: Run) -> None:
    """One more at each call, remembered; at the end that is said."""
    assert "Two times." in (first := ptquiz("hint", "1")[1]) and "Write" not in first
    code, out, err = ptquiz("hint", "1")
    assert code == 0 and "Two times." in out and "Write `2 * x`." in out and err == ""
    code, out, err = ptquiz("hint", "1")
    assert code == 0 and "Write `2 * x`." in out and "all the hints" in err


def test_reveal_shows_answer_explanation_and_errata(ptquiz: Run) -> None:
    """And says that it was before passing; the state becomes `revealed`."""
    code, out, _ = ptquiz("reveal", "1")
    assert code == 0
    for part in ("return 2 * x", "Two times.", "Errata", "The source says:", "before passing"):
        assert part in out
    assert "revealed" in ptquiz("list")[1]
    assert "seen this answer before" in ptquiz("reveal", "1")[1]


def test_reveal_after_passing_says_so(ptquiz: Run, graded: Asked) -> None:
    """Nothing is taken away."""
    ptquiz("start", "1")
    ptquiz("check", "1")
    assert "had passed it before" in ptquiz("reveal", "1")[1]
    assert "passed" in ptquiz("list", "--state", "passed")[1]


def test_reveal_diff_compares_with_the_learners_code(ptquiz: Run, home: Path) -> None:
    """From theirs to the answer; equal code is said to be equal; without code it is wrong usage."""
    assert ptquiz("reveal", "1", "--diff")[0] == 2
    assert "revealed" not in ptquiz("list")[1]
    ptquiz("start", "1")
    out = ptquiz("reveal", "1", "--diff")[1]
    assert "-    raise NotImplementedError" in out and "+    return 2 * x" in out
    (home / "01_double_it.py").write_text(small_bank.ANSWER)
    assert "line for line" in ptquiz("reveal", "1", "--diff")[1]


def test_reveal_in_chinese(ptquiz: Run) -> None:
    """The explanation of that language."""
    assert "乘二。" in ptquiz("reveal", "1", "--lang", "zh")[1]


def test_next_follows_the_path_to_its_end(ptquiz: Run, graded: Asked) -> None:
    """What is passed is passed over; in the end that is said."""
    for number, slug in ((1, "double_it"), (2, "double_more"), (4, "other_thing")):
        assert json.loads(ptquiz("next", "--json")[1])["exercise"]["number"] == number
        ptquiz("start", str(number))
        graded.next.append(report(exercise=number, slug=slug))
        ptquiz("check", str(number))
    assert "every exercise" in ptquiz("next")[1]
    assert json.loads(ptquiz("next", "--json")[1]) == {"exercise": None}
    assert ptquiz("start")[0] == 0


def test_progress_counts_and_lists(ptquiz: Run, graded: Asked) -> None:
    """States, attempts, hints, times; --json one object."""
    ptquiz("start", "1")
    ptquiz("check", "1")
    ptquiz("hint", "2")
    code, out, _ = ptquiz("progress")
    assert code == 0 and "passed 1" in out and "not started 2" in out and "Next: 2" in out
    found = json.loads(ptquiz("progress", "--json")[1])
    assert found["counts"] == {"not started": 2, "started": 0, "passed": 1, "revealed": 0}
    first = found["exercises"][0]
    assert (first["number"], first["state"], first["attempts"]) == (1, "passed", 1)


def test_reset_keeps_the_work_and_begins_again(ptquiz: Run, graded: Asked, home: Path) -> None:
    """The file is dated and kept, the state is `started`, attempts stay."""
    ptquiz("start", "1")
    (home / "01_double_it.py").write_text("mine")
    ptquiz("check", "1")
    code, out, _ = ptquiz("reset", "1")
    assert code == 0 and "attempts" in out
    (kept,) = (home / "attempts").iterdir()
    assert kept.read_text() == "mine" and "TODO" in (home / "01_double_it.py").read_text()
    assert "started" in ptquiz("list", "--state", "started")[1]
    assert "attempts" in ptquiz("progress", "--json")[1]


# the language


@pytest.mark.parametrize(
    ("variables", "lang"),
    [({"LC_ALL": "zh_CN.UTF-8"}, "zh"), ({"LANG": "zh_TW"}, "zh"),
     ({"LC_MESSAGES": "zh_CN", "LANG": "de_DE"}, "zh"),
     ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"), ({"LC_ALL": "", "LANG": "zh_CN"}, "zh"), ({}, "en")],
)  # fmt: skip
def test_the_locale_chooses_the_language(
    ptquiz: Run, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], lang: str
) -> None:
    """LC_ALL, LC_MESSAGES, LANG: the first that is set; --lang goes before."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ("两倍" in ptquiz("list")[1]) == (lang == "zh")
    assert "两倍" in ptquiz("list", "--lang", "zh")[1]
    assert "两倍" in ptquiz("--lang", "zh", "list")[1]
    assert "Twice" in ptquiz("--lang", "zh", "list", "--lang", "en")[1]


def test_errors_follow_the_language(ptquiz: Run) -> None:
    """Also those of the command line's own option."""
    assert "没有 '99' 这道题" in ptquiz("start", "99", "--lang", "zh")[2]
    assert "There is no exercise '99'" in ptquiz("start", "99")[2]


@pytest.mark.parametrize(
    "command", ["list", "start 1", "hint 1", "reveal 1", "progress", "next", "check 1", "reset 1"]
)
def test_chinese_output_holds_no_english_sentence(ptquiz: Run, graded: Asked, command: str) -> None:
    """Labels, states and advice are translated (commands, code and names are not)."""
    ptquiz("start", "1")
    graded.next.append(report("failed"))
    out = ptquiz(*command.split(), "--lang", "zh")[1]
    for english in (
        "Your file",
        "Fill it in",
        "Next:",
        "Hint 1",
        "started",
        "Not passed",
        "graded on",
        "kept:",
    ):
        assert english not in out, english


# endings


@pytest.mark.parametrize("name", ["99", "nope", "double", ""])
@pytest.mark.parametrize("command", ["start", "check", "hint", "reveal", "reset", "watch", "verify"])
def test_an_unknown_exercise_is_exit_code_2(ptquiz: Run, command: str, name: str) -> None:
    """For every command that takes one; ambiguous ones too."""
    code, out, err = ptquiz(command, name)
    assert (code, out) == (2, "") and err.startswith("ptquiz: ")


def test_our_own_fault_is_one_line_and_a_log(
    ptquiz: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 3; the traceback is in the file that the line names."""
    ptquiz("start", "1")

    def boom(*_: object) -> None:
        raise ZeroDivisionError("boom\nsecond line")

    monkeypatch.setattr(session.Session, "path", boom)
    code, out, err = ptquiz("list")
    assert (code, out) == (3, "") and "Traceback" not in err
    assert "internal error: ZeroDivisionError: boom" in err and str(home / "error.log") in err
    assert (
        "Traceback" in (home / "error.log").read_text() and "second line" in (home / "error.log").read_text()
    )


def test_a_fault_without_a_home_still_finds_a_log(
    ptquiz: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The temporary folder then."""

    def boom(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(session.Session, "path", boom)
    code, _, err = ptquiz("list")
    assert code == 3 and "error.log" in err and not home.exists()


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (BrokenPipeError(), 0), (PtquizError("no", "do"), 2),
     (PtquizError("no", "", 3), 3),
     (OSError(28, "No space left on device"), 2), (RecursionError(), 3), (MemoryError(), 3)],
)  # fmt: skip
def test_one_catcher_owns_every_ending(
    ptquiz: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    """Nothing escapes as a traceback."""

    def boom(*_: object) -> None:
        raise error

    monkeypatch.setattr(entry, "_drop", lambda stream: None)
    monkeypatch.setattr(session.Session, "path", boom)
    found, _, err = ptquiz("list")
    assert found == code and "Traceback" not in err


def test_help_is_help(ptquiz: Run) -> None:
    """Without a command too; every command has its own."""
    for arguments in ((), ("--help",), ("-h",)):
        code, out, _ = ptquiz(*arguments)
        assert code == 0 and "doctor" in out and max(map(len, out.splitlines())) <= 80
    for command in ("list", "start", "check", "hint", "reveal", "next", "progress", "reset", "watch",
                    "verify", "doctor"):  # fmt: skip
        code, out, _ = ptquiz(command, "--help")
        assert code == 0 and "--lang" in out
    code, out, err = ptquiz("lsit")
    assert code == 2 and "lsit" in err


@pytest.mark.parametrize(
    ("words", "name"),
    [(["7"], "7"), (["--seed", "3", "7"], "7"), (["--json", "--file", "x.py", "mse"], "mse"),
     (["--file", "x.py"], None),
     (["--file=x.py", "7"], "7"), ([], None)],
)  # fmt: skip
def test_the_exercise_is_told_from_the_options_ahead_of_typer(words: list[str], name: str | None) -> None:
    """So that the worker can start before anything else."""
    assert entry._positional(words) == name


# in a process of its own: the shell's side


def run_in_shell(
    line: str, bank_root: Path, home: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PTQUIZ_BANK": str(bank_root), "PTQUIZ_HOME": str(home), **variables}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line.replace('ptquiz', f'{sys.executable} -m ptquiz')}"],
        capture_output=True,
        text=True,
        encoding=variables.get("PYTHONIOENCODING", "utf-8"),
        timeout=120,
        env=environment,
        check=False,
    )


@pytest.mark.processes
@pytest.mark.parametrize("command", ["list", "reveal 1", "--help"])
def test_a_closed_pipe_leaves_no_traceback(bank_root: Path, home: Path, command: str) -> None:
    """`| head` and `| true` end it quietly."""
    for reader in ("head -n 1", "true"):
        done = run_in_shell(f"ptquiz {command} | {reader}", bank_root, home)
        assert done.stderr == "" and done.returncode == 0


@pytest.mark.processes
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_stdout_is_a_sentence(bank_root: Path, home: Path) -> None:
    """No traceback, exit code 2."""
    done = run_in_shell("ptquiz list > /dev/full", bank_root, home)
    assert (
        done.returncode == 2 and "cannot write the output" in done.stderr and "Traceback" not in done.stderr
    )


@pytest.mark.processes
def test_closed_streams_are_no_fault(bank_root: Path, home: Path) -> None:
    """`>&-` and `2>&-`."""
    assert run_in_shell("ptquiz list >&-", bank_root, home).returncode == 0
    assert run_in_shell("ptquiz start 99 2>&-", bank_root, home).returncode == 2


@pytest.mark.processes
@pytest.mark.parametrize(
    "variables",
    [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"},
     {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
)  # fmt: skip
def test_a_terminal_without_unicode_gets_stand_ins(
    bank_root: Path, home: Path, variables: dict[str, str]
) -> None:
    """Chinese falls back to English, other signs to the nearest ones."""
    for command in ("list --lang zh", "start 1 --lang zh", "reveal 1"):
        done = run_in_shell(f"ptquiz {command}", bank_root, home, **variables)
        assert done.returncode == 0 and done.stderr == "" and "Twice" in done.stdout
    assert "01 - Twice" in done.stdout or "01 · Twice" in done.stdout


@pytest.mark.processes
def test_the_shell_completes_numbers_and_slugs(bank_root: Path, home: Path) -> None:
    """With Typer's own protocol for bash."""

    def completed(words: str) -> list[str]:
        variables = {
            "_PTQUIZ_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        }
        return run_in_shell("ptquiz", bank_root, home, **variables).stdout.split()

    assert completed("ptquiz start do") == ["double_it", "double_more"]
    assert completed("ptquiz check 0") == ["01", "02", "04"]
    assert completed("ptquiz reve") == ["reveal"]


@pytest.mark.processes
def test_colour_only_where_it_is_wanted(bank_root: Path, home: Path) -> None:
    """A pipe gets none; NO_COLOR forbids it."""
    assert "\x1b[" not in run_in_shell("ptquiz reveal 1", bank_root, home).stdout
    assert "\x1b[" in run_in_shell("ptquiz reveal 1", bank_root, home, FORCE_COLOR="1").stdout
