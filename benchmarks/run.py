"""Every speed of ptquiz as a ratio to its floor, measured in the same run.

    python benchmarks/run.py                       a table of everything (minutes)
    python benchmarks/run.py --part light          only light, check, watch, memory, all, verify or simcuda
    python benchmarks/run.py --json bench.json     the same as JSON

Floor and subject are run in turn and medians are compared, so that other work on the machine weighs on both.
Nothing here fails: the table shows each ratio beside what it should be at most.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ptquiz.bank import Exercise, load_bank
from ptquiz.worker import processes

LIGHT_FLOOR = "import typer, rich.table, yaml"
CHECK_FLOOR = "import torch, pytest"
WITH_PROCESSES = (3, 5, 6, 18)  # their checks start processes, which take their own time
LIGHT = {"list": ["list"], "start": ["start", "1"], "hint": ["hint", "1"], "reveal": ["reveal", "1"]}


class Ratio(NamedTuple):
    """One measurement and its floor (0: none), in `unit`; `most` is what the ratio should not exceed."""

    name: str
    amount: float
    floor_name: str = ""
    floor: float = 0.0
    most: float = 0.0
    unit: str = "s"

    @property
    def ratio(self) -> float:
        return self.amount / self.floor if self.floor else 0.0


def ptquiz(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ptquiz", *arguments]


def timed(command: list[str], home: Path) -> float:
    """Seconds that one command takes; its output goes nowhere."""
    environment = {**os.environ, "PTQUIZ_HOME": str(home), "LC_ALL": "C.UTF-8"}
    began = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stderr.decode()}")
    return seconds


def in_turn(commands: dict[str, list[str]], rounds: int, home: Path) -> dict[str, float]:
    """The median of each command, all of them run once a round; the first round only warms the disk."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, command in commands.items():
            seconds = timed(command, home)
            if turn:
                times[name].append(seconds)
    return {name: statistics.median(found) for name, found in times.items()}


def light(home: Path, rounds: int) -> Iterator[Ratio]:
    """`list`, `start`, `hint`, `reveal` against the imports of Typer, Rich and YAML."""
    commands = {name: ptquiz(*arguments) for name, arguments in LIGHT.items()}
    found = in_turn({"floor": [sys.executable, "-c", LIGHT_FLOOR], **commands}, 4 * rounds, home)
    for name in commands:
        yield Ratio(name, found[name], LIGHT_FLOOR, found["floor"], 1.5)


def answered(home: Path) -> list[Exercise]:
    """Every exercise, its reference answer as the learner's file."""
    home.mkdir(parents=True, exist_ok=True)
    exercises = list(load_bank().exercises)
    for e in exercises:
        (home / f"{e.name}.py").write_bytes(e.solution.answer.read_bytes())
    return exercises


def check(home: Path, rounds: int) -> Iterator[Ratio]:
    """A cold check of every exercise against importing torch and pytest, and the median of those ratios."""
    exercises = answered(home)
    commands = {e.name: ptquiz("check", str(e.number)) for e in exercises}
    floor = [sys.executable, "-c", CHECK_FLOOR]
    found = in_turn({"floor": floor, **commands}, rounds, home)
    plain = [
        e for e in exercises if "optim" not in e.solution.answer.read_text(encoding="utf-8") and not e.needs
    ]
    for e in exercises:
        yield Ratio(f"check {e.name}", found[e.name], CHECK_FLOOR, found["floor"])
    middle = statistics.median(found[e.name] for e in plain)
    yield Ratio("check, median of those without an optimizer", middle, CHECK_FLOOR, found["floor"], 1.25)


def watch(home: Path, rounds: int) -> Iterator[Ratio]:
    """From a save to the verdict in `watch`, against a cold check of the same exercise."""
    alone = [e for e in load_bank().exercises if e.number not in WITH_PROCESSES]
    ratios = [saving(e, home / e.name, rounds) for e in alone]
    yield from ratios
    middle = statistics.median(r.ratio for r in ratios)
    yield Ratio("save to verdict / cold check, median", middle, "each exercise's own", 1.0, 0.08, "")


def saving(exercise: Exercise, home: Path, rounds: int) -> Ratio:
    """Cold checks and saves in turn."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{exercise.name}.py"
    answer = exercise.solution.answer.read_text(encoding="utf-8")
    path.write_text(answer, encoding="utf-8")
    number = str(exercise.number)
    cold = in_turn({"cold": ptquiz("check", number)}, rounds, home)["cold"]
    saved = statistics.median(saves(path, answer, exercise.number, 3 * rounds))
    return Ratio(f"save to verdict, {exercise.name}", saved, f"cold check {number}", cold, 0.08)


def saves(path: Path, answer: str, number: int, count: int) -> list[float]:
    """Save again and again under a running `watch`; seconds from each save to the verdict's first line."""
    environment = {
        **os.environ, "PTQUIZ_HOME": str(path.parent), "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    process = subprocess.Popen(
        ptquiz("watch", str(number)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    found = []
    try:
        verdict(process.stdout)
        for at in range(count):
            time.sleep(0.5)  # nobody saves twice in less
            began = time.perf_counter()
            path.write_text(f"{answer}\n# {at}\n", encoding="utf-8")
            verdict(process.stdout)
            found.append(time.perf_counter() - began)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    return found


def verdict(lines: Iterator[str]) -> None:
    for line in lines:
        if "graded on" in line:
            return
    raise SystemExit("watch ended")


def memory(home: Path, rounds: int) -> Iterator[Ratio]:
    """What an idle `watch` holds with all its processes, against one that has imported torch and pytest.

    Linux only: the anonymous pages, each shared one counted once. At most 50 MB more are allowed.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        return
    code = f"{CHECK_FLOOR}, time; print(flush=True); time.sleep(600)"
    floor = held([sys.executable, "-c", code], home, 0.5)
    for exercise in (e for e in load_bank().exercises if e.number in (1, 17)):
        path = home / f"{exercise.name}.py"
        path.write_bytes(exercise.solution.answer.read_bytes())
        found = held(ptquiz("watch", str(exercise.number)), home, 5.0, "graded on")
        yield Ratio(f"idle watch, {exercise.name}", found, CHECK_FLOOR, floor, 1 + 50 / floor, "MB")


def held(command: list[str], home: Path, after: float, mark: str = "") -> float:
    """MB that a command and its descendants hold, some seconds after the line with `mark` came."""
    home.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PTQUIZ_HOME": str(home), "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    try:
        next(line for line in process.stdout if mark in line)
        time.sleep(after)
        return sum(map(anonymous, [process.pid, *processes.descendants(process.pid)]))
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def anonymous(pid: int) -> float:
    """MB of a process's own pages; of those that it shares, its share."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")) / 1024


def every(home: Path, rounds: int) -> Iterator[Ratio]:
    """`check --all` for all exercises."""
    exercises = answered(home)
    yield Ratio(f"check --all, {len(exercises)} exercises", timed(ptquiz("check", "--all"), home))


def verify(home: Path, rounds: int) -> Iterator[Ratio]:
    """The whole kill matrix."""
    yield Ratio("verify, all exercises", timed(ptquiz("verify"), home))


PARTS: dict[str, Callable[[Path, int], Iterator[Ratio]]] = {
    "light": light, "check": check, "watch": watch, "memory": memory, "all": every, "verify": verify,
}  # fmt: skip


def simulated() -> list[dict[str, object]]:
    """What `simcuda_bench.py` measures, as it gives it."""
    script = Path(__file__).with_name("simcuda_bench.py")
    done = subprocess.run(
        [sys.executable, str(script), "--json", "--quick"], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return list(found if isinstance(found, list) else found.get("ratios", [found]))


def table(rows: list[Ratio]) -> None:
    print(f"{'':48} {'':>10} {'floor':>8} {'ratio':>6} {'most':>6}")
    for r in rows:
        floor = f"{r.floor:8.3f} {r.ratio:6.2f}" if r.floor else " " * 15
        most = f"{r.most:6.2f}" + ("  over" if r.ratio > r.most else "") if r.most else ""
        print(f"{r.name:48} {r.amount:8.3f} {r.unit:2} {floor} {most}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=[*PARTS, "simcuda"], action="append", help="only this one")
    parser.add_argument("--json", type=Path, help="write the measurements to this file")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    parts = options.part or [*PARTS, "simcuda"]
    rows: list[Ratio] = []
    with tempfile.TemporaryDirectory(prefix="ptquiz-bench-") as folder:
        for name in parts:
            if name in PARTS:
                rows += PARTS[name](Path(folder) / name, options.rounds)
    table(rows)
    device = simulated() if "simcuda" in parts else []
    for row in device:
        print(json.dumps(row))
    if options.json:
        data = {"ptquiz": [{**r._asdict(), "ratio": r.ratio} for r in rows], "simcuda": device}
        options.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
