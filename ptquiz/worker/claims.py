"""The vocabulary of the hidden checks: each function states one claim and raises `Unmet` when it does not hold.

Every message says what was expected, what came, and what to look at. Words are English and Chinese pairs, or
one string that is the same in both languages (code, a number).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import torch

Words = str | tuple[str, str]
T = TypeVar("T")

# Bound before any submission is imported: replacing the public names later changes nothing here.
_Tensor = torch.Tensor
_type, _isinstance, _len, _repr = type, isinstance, len, repr
_language = "en"


class Unmet(Exception):
    """A claim that did not hold; its text is meant for the learner."""


def use_language(language: str) -> None:
    """Choose the language of the messages: `en` or `zh`."""
    global _language
    _language = language


def say(words: Words) -> str:
    """The words in the language of this grading."""
    return words if _isinstance(words, str) else words[1 if _language == "zh" else 0]


def fail(expected: Words, came: Words, look: Words = "") -> NoReturn:
    """Raise `Unmet` with what was expected, what came and what to look at."""
    labels = ("应为", "实为", "提示") if _language == "zh" else ("expected", "got", "look at")
    lines = [f"{labels[0]}: {say(expected)}", f"{labels[1]}: {say(came)}"]
    if look:
        lines.append(f"{labels[2]}: {say(look)}")
    raise Unmet("\n".join(lines))


def that(condition: bool, expected: Words, came: Words, look: Words = "") -> None:
    """Claim that `condition`, a plain bool made by the check, is True."""
    if condition is not True:
        fail(expected, came, look)
