"""The commands: parse, call one function, render, return an exit code. How they end is in `ptquiz.entry`.

Heavy modules are imported where they are used: `list`, `start`, `hint` and `reveal` answer in the time that
Typer and Rich take to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ptquiz import session, words, workspace
from ptquiz.errors import PtquizError, UsageError
from ptquiz.session import Session


def _without_pydantic() -> None:
    """Take text as it is. All our parameters are text or flags, which we check ourselves.

    Typer 0.29 builds a pydantic adapter even for `str`; importing pydantic takes as long as all the rest.
    Where Typer has no such place, nothing happens.
    """
    try:
        from typer import core
        from typer._coercion import RuntimeParam

        usual = core.build_runtime_param  # type: ignore[attr-defined]
    except (ImportError, AttributeError):
        return

    class AsItIs(RuntimeParam):
        def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
            return list(value) if isinstance(value, tuple) else value

    def build(descriptor: Any) -> Any:
        if descriptor.annotation in (str, list[str], bool):
            return AsItIs(descriptor.parameter_info, descriptor.annotation)
        return usual(descriptor)

    core.build_runtime_param = build  # type: ignore[attr-defined]


_without_pydantic()

_SETTINGS: dict[str, Any] = {
    "name": "ptquiz",
    "context_settings": {"help_option_names": ["-h", "--help"]},
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
}
app = typer.Typer(**_SETTINGS)


def _names(incomplete: str) -> Iterator[tuple[str, str]]:
    """Numbers and slugs that begin so, for the shell."""
    from ptquiz.bank import load_bank

    try:
        names = load_bank().names
    except PtquizError:
        return
    typed = incomplete.lower().replace("-", "_")
    for name in names:
        number, slug = name.split("_", 1)
        if typed.isdecimal():
            if number.startswith(typed) or str(int(number)).startswith(typed):
                yield (number if number.startswith(typed) else str(int(number))), slug
        elif slug.startswith(typed):
            yield slug, number


def _langs(incomplete: str) -> list[str]:
    return [lang for lang in words.LANGS if lang.startswith(incomplete)]


def _devices(incomplete: str) -> list[str]:
    return [device for device in ("sim", "cuda") if device.startswith(incomplete)]


Name = Annotated[
    str, typer.Argument(metavar="N", help="Number, slug, or part of a slug.", autocompletion=_names)
]
MaybeName = Annotated[
    str | None,
    typer.Argument(metavar="[N]", help="Number, slug, or part of a slug.", autocompletion=_names),
]
Lang = Annotated[
    str | None,
    typer.Option("--lang", metavar="en|zh", help="Language; by default the locale's.", autocompletion=_langs),
]
Device = Annotated[
    str,
    typer.Option("--device", metavar="sim|cuda", help="Where GPU exercises run.", autocompletion=_devices),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
File = Annotated[
    str | None,
    typer.Option("--file", metavar="PATH", help="Use this file, not the one in the workspace."),
]


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ptquiz {version('ptquiz')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _common(
    context: typer.Context,
    lang: Lang = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Practise PyTorch interview questions: start one, fill it in, have it checked."""
    session.default_language = None
    session.language(lang)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_(
    topic: Annotated[list[str] | None, typer.Option(help="Only this topic (may be repeated).")] = None,
    level: Annotated[list[str] | None, typer.Option(help="Only easy, medium or hard.")] = None,
    state: Annotated[
        list[str] | None, typer.Option(help="Only not-started, started, passed or revealed.")
    ] = None,
    as_json: Json = False,
    lang: Lang = None,
) -> int:
    """All exercises: what they are about, and how you stand."""
    s = Session(lang)
    topics = _choices("topic", topic, words.TOPICS)
    levels = _choices("level", level, words.LEVELS)
    states = _choices("state", state, words.STATES)
    standings = s.standings()
    shown = [
        e
        for e in s.path()
        if e.topic in topics and e.level in levels and session.state_of(e, standings) in states
    ]
    if as_json:
        s.json({"exercises": [session.as_data(e, standings, s.lang) for e in shown]})
    else:
        s.screen.listing(shown, standings)
        if not shown:
            s.screen.note(("No exercise matches.", "没有符合条件的题目。"))
    s.mention_problems()
    return 0


def _path(text: str | None) -> Path | None:
    if text == "":
        raise UsageError(
            ("--file is empty.", "--file 后面是空的。"), ("Name a Python file.", "请给出一个 Python 文件。")
        )
    return None if text is None else Path(text)


def _seed(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or int(text) >= 2**63:
        raise UsageError(
            (
                f"--seed must be a whole number from 0 to 2**63 - 1 (got {text!r}).",
                f"--seed 须为 0 到 2**63 - 1 的整数（收到 {text!r}）。",
            ),
            ("Copy it from the report that you want to replay.", "从要重跑的那份报告里复制种子即可。"),
        )
    return int(text)


def _device(text: str) -> str:
    if text not in ("sim", "cuda"):
        raise UsageError(
            (
                f"--device must be sim or cuda (got {text!r}).",
                f"--device 只能是 sim 或 cuda（收到 {text!r}）。",
            )
        )
    return text


def _choices(option: str, given: list[str] | None, table: dict[str, Any]) -> set[str]:
    found = {g.strip().lower().replace("-", " ").replace("_", " ") for g in given or table}
    if unknown := found - set(table):
        known = ", ".join(k.replace(" ", "-") for k in table)
        name = min(unknown)
        raise UsageError(
            (f"--{option}: there is no {option} {name!r}.", f"--{option}：没有 {name!r} 这个取值。"),
            (f"Use one of {known}.", f"可用的取值：{known}。"),
        )
    return found


@app.command()
def start(
    name: MaybeName = None,
    edit: Annotated[bool, typer.Option("--edit", help="Open the file in $VISUAL or $EDITOR.")] = False,
    lang: Lang = None,
) -> int:
    """Show a question, write its stub; without N, the next one."""
    s = Session(lang)
    exercise = s.bank.find(name) if name is not None else s.next_or_stop()
    path, new = workspace.start(exercise)
    s.quietly(lambda: s.store.start(exercise.slug, exercise.number))
    s.screen.exercise(exercise, path, new, s.missing_before(exercise))
    return session.edit(path) if edit else 0


@app.command()
def check(
    name: MaybeName = None,
    file: File = None,
    seed: Annotated[str | None, typer.Option(metavar="INTEGER", help="Replay these inputs.")] = None,
    device: Device = "sim",
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Show what ran when, stream by stream.")
    ] = False,
    trace: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write a trace for chrome://tracing or Perfetto.")
    ] = None,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="For other people's code (Linux, bwrap).")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Check all that were started.")] = False,
    as_json: Json = False,
    lang: Lang = None,
) -> int:
    """Grade your answer; without N, the exercise started last.

    Exit codes: 0 passed, 1 not passed, 2 wrong usage, 3 a fault of ptquiz, 130 interrupted.
    """
    from ptquiz import checking

    how = checking.How(_seed(seed), _device(device), timeline, Path(trace) if trace else None, sandbox)
    s = Session(lang)
    if every:
        if name is not None or file is not None or trace is not None:
            raise UsageError("--all takes no N, no --file and no --trace.", "Leave them out.")
        return checking.check_all(s, how, as_json)
    path = _path(file)
    exercise = s.bank.find(name) if name is not None else s.started_last(path)
    return checking.check_one(s, exercise, workspace.locate(exercise, path), how, as_json)


@app.command()
def hint(name: MaybeName = None, lang: Lang = None) -> int:
    """One more hint at each call; those given before are shown again."""
    s = Session(lang)
    exercise = s.bank.find(name) if name is not None else s.started_last()
    before = s.standing(exercise).hints
    total = len(exercise.hints)
    given = s.quietly(lambda: s.store.hint(exercise.slug, exercise.number, total)) or min(before + 1, total)
    s.screen.hint(exercise, given)
    n = exercise.number
    if before == total:
        s.screen.note(
            (
                f"These are all the hints there are. `ptquiz reveal {n}` shows the answer.",
                f"提示已全部给出。`ptquiz reveal {n}` 可以查看答案。",
            )
        )
    return 0


@app.command()
def reveal(
    name: Name,
    diff: Annotated[bool, typer.Option("--diff", help="Compare your code with the answer.")] = False,
    file: File = None,
    lang: Lang = None,
) -> int:
    """The answer, why it is so, and the source's errors."""
    s = Session(lang)
    exercise = s.bank.find(name)
    mine = workspace.locate(exercise, _path(file)) if diff else None
    before = s.standing(exercise)
    s.quietly(lambda: s.store.reveal(exercise.slug, exercise.number))
    session.show_answer(s, exercise, before, mine)
    return 0


@app.command("next")
def next_(as_json: Json = False, lang: Lang = None) -> int:
    """What to do next, along the learning path."""
    s = Session(lang)
    exercise = s.next()
    if as_json:
        s.json({"exercise": session.as_data(exercise, s.standings(), s.lang) if exercise else None})
    elif exercise is None:
        s.screen.say(session.ALL_DONE)
    else:
        s.show_next(exercise)
    return 0


@app.command()
def progress(as_json: Json = False, lang: Lang = None) -> int:
    """How you stand: states, attempts, hints."""
    s = Session(lang)
    session.show_progress(s, as_json)
    s.mention_problems()
    return 0


@app.command()
def reset(name: Name, lang: Lang = None) -> int:
    """Practise again: a fresh stub; the old file is kept, dated."""
    s = Session(lang)
    exercise = s.bank.find(name)
    path, kept = workspace.reset(exercise)
    s.quietly(lambda: s.store.reset(exercise.slug, exercise.number))
    if kept:
        s.screen.path((f"Your old answer is kept: {kept}", f"旧答案保存在：{kept}"))
    s.screen.path((f"A fresh stub: {path}", f"新的题目文件：{path}"))
    return 0


@app.command()
def watch(
    name: MaybeName = None,
    file: File = None,
    device: Device = "sim",
    lang: Lang = None,
) -> int:
    """Check at every save, at once. Keys: h hint, n next, r reveal, q quit."""
    from ptquiz import watch as watching

    s = Session(lang)
    path = _path(file)
    exercise = s.bank.find(name) if name is not None else s.started_last(path)
    if path is None:
        workspace.start(exercise)
        s.quietly(lambda: s.store.start(exercise.slug, exercise.number))
    return watching.run(s, exercise, workspace.locate(exercise, path), _device(device))


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[N]...", help="By default all.", autocompletion=_names)
    ] = None,
    as_json: Json = False,
    lang: Lang = None,
) -> int:
    """For authors: do rejects fail, and answers pass?"""
    from ptquiz import authors

    return authors.verify(Session(lang), names or [], as_json)


@app.command()
def doctor(as_json: Json = False, lang: Lang = None) -> int:
    """What is installed, what is missing, and how to mend it."""
    from ptquiz import doctor as doctor_

    return doctor_.run(Session(lang), as_json)


def app_for(arguments: list[str]) -> typer.Typer:
    """The app with the one command that is asked for, where that is plain: building all takes 5 ms."""
    wanted = [c for c in app.registered_commands if arguments[:1] == [c.name or c.callback.__name__]]  # type: ignore[union-attr]
    if not wanted:
        return app
    light = typer.Typer(**_SETTINGS)
    light.registered_callback = app.registered_callback
    light.registered_commands = wanted
    return light


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    from ptquiz.entry import main as run

    return run(argv)
