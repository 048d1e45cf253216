"""Errors meant for people. One class, a few children, caught in one place (`cli.main`)."""

from __future__ import annotations

from pathlib import Path

# One text for both languages, or (English, Chinese).
Words = str | tuple[str, str]


def said(words: Words, lang: str) -> str:
    """The words in one language: "en" or "zh"."""
    if isinstance(words, str):
        return words
    return words[1] if lang == "zh" else words[0]


def shown(path: Path) -> str:
    """A path as one would write it here: relative where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


class PtquizError(Exception):
    """Something a person can mend: what is wrong, where, and what to do about it (`hint`)."""

    exit_code = 2

    def __init__(self, message: Words, hint: Words = "", exit_code: int | None = None) -> None:
        super().__init__(said(message, "en"))
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code

    def text(self, lang: str) -> str:
        return said(self.message, lang)

    def remedy(self, lang: str) -> str:
        return said(self.hint, lang)


class UsageError(PtquizError):
    """Asked for something that is not there, or cannot be done here."""


class UnknownExercise(UsageError):  # noqa: N818 - reads better where it is raised
    """No exercise, or more than one, goes by that name."""


class BankError(PtquizError):
    """An exercise folder that breaks the format: `file:line: field … (remedy)`."""


class Internal(PtquizError):  # noqa: N818 - as above
    """Our own fault, already explained."""

    exit_code = 3
