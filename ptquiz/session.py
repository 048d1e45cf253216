"""What one command works with: the language, the screen, the bank, the store; and what is asked of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ptquiz import words, workspace
from ptquiz.bank import Exercise, load_bank
from ptquiz.errors import BankError, PtquizError, UnknownExercise, UsageError
from ptquiz.progress import Progress, Standing
from ptquiz.render import Screen

T = TypeVar("T")

# Set by `ptquiz --lang zh COMMAND`, then by the command's own --lang.
default_language: str | None = None

ALL_DONE = ("You have passed every exercise.", "所有题目都已通过。")


def language(option: str | None) -> str:
    """The language of one command, and from now on of its errors; UsageError for an unknown one."""
    global default_language
    if option is not None and option not in words.LANGS:
        raise UsageError(
            (f"--lang must be en or zh (got {option!r}).", f"--lang 只能是 en 或 zh（收到 {option!r}）。")
        )
    default_language = option or default_language
    return words.language(default_language)


class Session:
    """One command's surroundings. `lang` is the option's value, if it was given."""

    def __init__(self, lang: str | None = None) -> None:
        self.lang = language(lang)
        self.screen = Screen(self.lang)
        self.bank = load_bank()
        self._told: set[str] = set()
        self.store = Progress(workspace.home() / "progress.db", tell=self.screen.note)

    def standings(self) -> dict[str, Standing]:
        return self.store.standings()

    def standing(self, exercise: Exercise) -> Standing:
        return self.store.standing(exercise.slug, exercise.number)

    def path(self) -> list[Exercise]:
        """All usable exercises, topic by topic, each a learning path."""
        topics = list(words.TOPICS)
        order = {e.slug: at for at, e in enumerate(self.bank.path())}
        return sorted(self.bank.exercises, key=lambda e: (topics.index(e.topic), order[e.slug]))

    def next(self, after: Exercise | None = None) -> Exercise | None:
        """The first one not passed whose predecessors are; then any not passed; seen answers come last.

        With `after`, those behind it on the path come first, and it itself is passed over.
        """
        standings = self.standings()
        states = {e.number: state_of(e, standings) for e in self.bank.exercises}
        path = self.path()
        if after in path:
            at = path.index(after)
            path = path[at + 1 :] + path[:at]
        ready = [e for e in path if all(states.get(n) in (None, "passed", "revealed") for n in e.after)]
        for wanted, among in ((_OPEN, ready), (_OPEN, path), (("revealed",), path)):
            for e in among:
                if states[e.number] in wanted:
                    return e
        return None

    def next_or_stop(self) -> Exercise:
        if found := self.next():
            return found
        raise UsageError(ALL_DONE, ("Name one to see it again.", "想重做哪道题，请写题号。"), 0)

    def started_last(self, file: Path | None = None) -> Exercise:
        """The exercise that `file` is named after, else the one started last."""
        if file is not None and file.stem in self.bank.names:
            return self.bank.find(file.stem)
        slug = self.store.last_started()
        if slug is None:
            raise UsageError(
                ("No exercise has been started.", "还没有开始任何题目。"),
                ("`ptquiz start` begins the first one.", "用 `ptquiz start` 开始第一题。"),
            )
        return self.bank.find(slug)

    def missing_before(self, exercise: Exercise) -> list[Exercise]:
        """What should be done before it and is not."""
        if not exercise.after:
            return []
        standings = self.standings()
        before = [e for n in exercise.after if (e := self.bank.numbered(n))]
        return [e for e in before if state_of(e, standings) not in ("passed", "revealed")]

    def quietly(self, change: Callable[[], T]) -> T | None:
        """Change the store; where that fails, say so and go on with the command."""
        try:
            return change()
        except PtquizError as error:
            if str(error) not in self._told:
                self._told.add(str(error))
                self.screen.failure(error)
            return None

    def json(self, value: Any) -> None:
        import msgspec

        self.screen.raw(msgspec.json.encode(value).decode())

    def show_next(self, exercise: Exercise) -> None:
        n, title = exercise.number, exercise.title.get(self.lang)
        self.screen.say(
            (f"Next: {n} · {title}  (`ptquiz start {n}`)", f"下一题：{n} · {title}（`ptquiz start {n}`）")
        )

    def mention_problems(self) -> None:
        """Broken exercise folders, on stderr."""
        for problem in self.bank.problems:
            self.screen.failure(problem)


_OPEN = ("not started", "started")


def state_of(exercise: Exercise, standings: dict[str, Standing]) -> str:
    found = standings.get(exercise.slug)
    return found.state if found else "not started"


def as_data(exercise: Exercise, standings: dict[str, Standing], lang: str) -> dict[str, Any]:
    """One exercise as `list --json` and `next --json` print it."""
    return {
        "number": exercise.number,
        "slug": exercise.slug,
        "title": exercise.title.get(lang),
        "topic": exercise.topic,
        "level": exercise.level,
        "minutes": exercise.minutes,
        "device": exercise.device,
        "after": exercise.after,
        "state": state_of(exercise, standings),
    }


def show_answer(session: Session, exercise: Exercise, before: Standing, mine: Path | None) -> None:
    """The answer (or the learner's code against it), the explanation, and when it was looked at."""
    screen, solution = session.screen, exercise.solution
    explanation = solution.explanations[screen.lang]
    answer = _read(solution.answer)
    screen.say(screen.heading(exercise))
    screen.say()
    if mine is not None:
        screen.diff(_read(mine), answer, (str(mine), "answer.py"))
    else:
        screen.code(answer)
    screen.say()
    screen.prose(_read(explanation if explanation.is_file() else solution.explanations["en"]))
    screen.say()
    screen.say(_seen(before), "dim")


def _seen(before: Standing) -> tuple[str, str]:
    if before.passed_at and not before.saw_answer_first:
        at = words.when(before.passed_at)
        return f"You had passed it before ({at}).", f"查看答案之前，你已于 {at} 通过。"
    if before.revealed_at:
        at = words.when(before.revealed_at)
        return f"You have seen this answer before ({at}).", f"你已于 {at} 看过这道题的答案。"
    n = before.number
    return (
        f"You have seen the answer before passing. `ptquiz reset {n}` begins again.",
        f"你在通过之前看了答案。想重新练习，可运行 `ptquiz reset {n}`。",
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return path.read_text(encoding="latin-1")
    except OSError as error:
        raise BankError(f"{path}: {error.strerror}", "Restore the file.") from None


def show_progress(session: Session, as_json: bool) -> None:
    """Counts, then a line for each exercise that was touched."""
    exercises, standings = session.path(), session.standings()
    states = [state_of(e, standings) for e in exercises]
    counts = {state: states.count(state) for state in words.STATES}
    touched = [(e, standings[e.slug]) for e in exercises if e.slug in standings]
    if as_json:
        rows = [{**as_data(e, standings, session.lang), **_history(s)} for e, s in touched]
        session.json({"home": str(workspace.home()), "counts": counts, "exercises": rows})
        return
    session.screen.progress(counts, touched)
    found = session.next()
    session.screen.say()
    if found:
        session.show_next(found)
    else:
        session.screen.say(ALL_DONE)


def _history(standing: Standing) -> dict[str, Any]:
    names = ("attempts", "hints", "round", "started_at", "passed_at", "revealed_at", "ever_passed_at")
    return {name: getattr(standing, name) for name in names}


def edit(path: Path) -> int:
    """Open the file in $VISUAL or $EDITOR, which may have arguments; returns 0, or raises UsageError."""
    import shlex
    import subprocess

    remedy = (
        "Set EDITOR, for example to `code --wait` or `vim`.",
        "请设置 EDITOR，例如 `code --wait` 或 `vim`。",
    )
    editor = (os.environ.get("VISUAL") or os.environ.get("EDITOR") or "").strip()
    if not editor:
        raise UsageError(("$VISUAL and $EDITOR are not set.", "没有设置 $VISUAL 或 $EDITOR。"), remedy)
    try:
        done = subprocess.run([*shlex.split(editor), str(path)], check=False)
    except (OSError, ValueError) as error:
        raise UsageError((f"{editor}: {error}", f"{editor}：{error}"), remedy) from None
    if done.returncode:
        says = f"{editor} ended with exit code {done.returncode}."
        raise UsageError((says, f"{editor} 异常退出（退出码 {done.returncode}）。"), remedy)
    return 0


__all__ = ["Session", "UnknownExercise", "as_data", "edit", "show_answer", "show_progress", "state_of"]
