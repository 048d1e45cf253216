"""The README's list of questions, made from the exercise files: `python -m ptquiz.readme` renews it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ptquiz.bank import Exercise, load_bank

BEGIN, END = "<!-- questions: begin -->", "<!-- questions: end -->"


def table(exercises: Sequence[Exercise]) -> str:
    """One line an exercise, by number."""
    lines = [
        "| No | Question | 题目 | Topic | Level | Minutes | Device | After |",
        "|---:|---|---|---|---|---:|---|---|",
    ]
    for e in exercises:
        after = ", ".join(map(str, e.after))
        title, other = (text.replace("|", "\\|") for text in (e.title.en, e.title.zh))
        cells = (str(e.number), title, other, e.topic, e.level, str(e.minutes), e.device, after)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def renewed(text: str, exercises: Sequence[Exercise]) -> str:
    """The README's text with the list between the marks made anew."""
    head, _, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not end:
        raise ValueError(f"README.md lacks the marks {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{table(exercises)}\n{END}{tail}"


def main(arguments: Sequence[str] = ()) -> int:
    """`python -m ptquiz.readme`: renew the list in README.md; it takes no arguments."""
    if arguments:
        print(main.__doc__, file=sys.stderr)
        return 2
    path = Path(__file__).resolve().parent.parent / "README.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(renewed(text, load_bank().exercises), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
