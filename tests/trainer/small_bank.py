"""A bank of three small exercises in a temporary folder, so that tests do not wait for the real ones."""

from __future__ import annotations

from pathlib import Path

CARD = """\
number: {number}
topic: {topic}
level: {level}
minutes: 5
device: {device}
{extra}title: {{en: "{title}", zh: "{zh}"}}
prompt:
  en: |
    Write `double(x)`: twice `x`, a tensor of the same shape.

    - It leaves `x` alone.
  zh: |
    写 `double(x)`：返回 `x` 的两倍，形状不变。

    - 不得改动 `x`。
hints:
  - {{en: Two times., zh: 乘以二。}}
  - {{en: "Write `2 * x`.", zh: "写 `2 * x`。"}}
checks:
  - {{name: test_value, title: {{en: twice the input, zh: 两倍输入}}}}
  - {{name: test_input, title: {{en: leaves x alone, zh: 不改动 x}}, needs: [test_value]}}
"""

STUB = '''\
"""Twice a tensor."""

import torch


def double(x: torch.Tensor) -> torch.Tensor:
    """Return 2 x, shape as x."""
    # TODO: twice x
    raise NotImplementedError
'''

CHECKS = '''\
"""Checks of a small exercise."""

from ptquiz.worker import claims


def test_value(submission, draw):
    """twice the input"""
    x = draw.randn(3)
    twice = x + x
    claims.close(submission.double(x), twice, "double(x)")


def test_input(submission, draw):
    """leaves x alone"""
    x = draw.randn(3)
    kept = x.clone()
    submission.double(x)
    claims.same(x, kept, ("x after double(x)", "double(x) 之后的 x"))
'''

ANSWER = '''\
"""Twice a tensor."""


def double(x):
    """Return 2 x."""
    return 2 * x
'''

EXERCISES = {
    "01_double_it": {"level": "easy", "title": "Twice", "zh": "两倍"},
    "02_double_more": {"level": "medium", "title": "Twice more", "zh": "再来两倍", "extra": "after: [1]\n"},
    "04_other_thing": {"level": "hard", "title": "Another", "zh": "另一题", "topic": "streams"},
}


def write_exercise(root: Path, name: str, **fields: str) -> Path:
    """Write one exercise, stub, checks and solution, and return its folder."""
    folder, solution = root / "exercises" / name, root / "solutions" / name
    folder.mkdir(parents=True)
    values = {"number": str(int(name[:2])), "topic": "fundamentals", "device": "cpu", "extra": "", **fields}
    (folder / "exercise.yaml").write_text(CARD.format(**values), encoding="utf-8")
    (folder / "stub.py").write_text(STUB, encoding="utf-8")
    (folder / "checks.py").write_text(CHECKS, encoding="utf-8")
    for sub in ("accepts", "rejects"):
        (solution / sub).mkdir(parents=True)
    (solution / "answer.py").write_text(ANSWER, encoding="utf-8")
    errata = "\n## Errata\n\n- **The source says:** `x`.  **True:** y.  **Proof:** `tests/x.py::test_y`\n"
    (solution / "explanation.md").write_text("# Why\n\nTwo times.\n" + errata, encoding="utf-8")
    (solution / "explanation.zh.md").write_text("# 为什么\n\n乘二。\n", encoding="utf-8")
    for style in ("x + x", "x * 2"):
        body = f'"""Another style."""\n\n\ndef double(x):\n    return {style}\n'
        (solution / "accepts" / f"{'sum' if '+' in style else 'mul'}.py").write_text(body, encoding="utf-8")
    for at, wrong in enumerate(("x", "3 * x", "None", "x.sum()", "x.mul_(2)")):
        check = "test_input" if "mul_" in wrong else "test_value"
        body = f'"""{check}: returns {wrong}."""\n\n\ndef double(x):\n    return {wrong}\n'
        (solution / "rejects" / f"wrong{at}.py").write_text(body, encoding="utf-8")
    return folder


def write_bank(root: Path) -> Path:
    """Write all three and return the root, for `load_bank(root)` or PTQUIZ_BANK."""
    for name, fields in EXERCISES.items():
        write_exercise(root, name, **fields)
    return root
