"""Exercise folders: what is refused, with which file, line, field and remedy; how one is found; the cache."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import small_bank

from ptquiz import cache as cache_module
from ptquiz import lint
from ptquiz.bank import Bank, learning_path, load_bank, load_exercise
from ptquiz.errors import BankError, UnknownExercise

BROKEN = [
    ("level: easy", "level: hrad", ":3: level must be one of easy, medium, hard (got 'hrad')"),
    ("topic: fundamentals", "topic: magic", ":2: topic must be one of fundamentals, distributed"),
    ("device: cpu", "device: tpu", ":5: device must be one of cpu, gpu (got 'tpu')"),
    ("number: 1", "number: one", ":1: number must be int, not str (got 'one')"),
    ("number: 1", "number: 3", ":1: number is 3, but the folder's name says 1"),
    ("minutes: 5\n", "", ":1: minutes is missing"),
    ("minutes: 5", "minutes: 0", ":4: minutes must be int >= 1 (got '0')"),
    ("minutes: 5", "minutes: 5\nminutes: 6", ":5: not valid YAML: minutes is there twice"),
    ("title: {", "tilte: {", ":6: unknown field tilte"),
    ('zh: "两倍"', 'zu: "两倍"', ":6: title: unknown field zu"),
    ('zh: "两倍"', 'zh: " "', ":6: title.zh must be a text that is not empty"),
    (', zh: "两倍"', "", ":6: title: zh is missing"),
    (", zh: 乘以二。", "", ":17: hints[0]: zh is missing"),
    ('  - {en: "Write `2 * x`.", zh: "写 `2 * x`。"}\n', "", ":16: hints must hold two to four hints"),
    ("name: test_input", "name: input", ":21: checks[1].name must be the name of a test function"),
    ("name: test_input", "name: test_value", ":21: checks[1]: test_value is there twice"),
    ("needs: [test_value]", "needs: [test_later]", ":21: checks[1].needs: test_later is no earlier check"),
    ("device: cpu", "device: cpu\nsim: {devices: 2}", ":6: sim is only for device: gpu"),
    ("device: cpu", "device: gpu\nsim: {devices: 99}", ":6: sim.devices must be int <= 16 (got '99')"),
    ("device: cpu", "device: gpu\nsim: {memory: 2 GB}", ":6: sim.memory must be a size like 256MiB"),
    ("device: cpu", "device: cpu\nlimits: {check: 3}", ":6: limits: unknown field check"),
    ("device: cpu", "device: cpu\nlimits: {check_seconds: 0}", ":6: limits.check_seconds must be float > 0"),
    ("device: cpu", "device: cpu\nafter: [1]", ":6: after names the exercise itself"),
    ("device: cpu", "device: cpu\nafter: [9]", ":6: after: there is no exercise 9"),
    ("device: cpu", "device: cpu\nafter: [2]", ":6: after goes in a circle: 1 → 2 → 1"),
    ("number: 1", "- number", ":2: not valid YAML"),
    ("number: 1", "number: [1", "not valid YAML"),
]


@pytest.fixture
def card(bank_root: Path) -> Path:
    return bank_root / "exercises" / "01_double_it" / "exercise.yaml"


@pytest.mark.parametrize(("right", "wrong", "says"), BROKEN, ids=[b[2][:40] for b in BROKEN])
def test_a_broken_card_is_refused_with_file_line_field_and_remedy(
    card: Path, right: str, wrong: str, says: str
) -> None:
    """What breaks the format is named by file, line and field, with what to do; nothing is guessed."""
    text = card.read_text(encoding="utf-8")
    assert right in text
    card.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    problems = load_bank().problems
    assert len(problems) == 1
    assert f"{card}{says}" in str(problems[0]) or (says.startswith("not") and says in str(problems[0]))
    assert problems[0].remedy("en")
    assert problems[0].exit_code == 2


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"just text", b"[]", b"? [a]\n: 1\n", b"1: 2\n"])
def test_any_bytes_are_refused_in_words(card: Path, content: bytes) -> None:
    """A card that is empty, binary or no mapping is a BankError like every other."""
    card.write_bytes(content)
    (problem,) = load_bank().problems
    assert str(card) in str(problem)


def test_others_work_beside_a_broken_one(bank_root: Path, card: Path) -> None:
    """One broken folder leaves the rest usable, and is refused when it is asked for."""
    card.write_text("number: 1\n", encoding="utf-8")
    bank = load_bank()
    assert [e.number for e in bank.exercises] == [2, 4]
    assert bank.find("2").slug == "double_more"
    with pytest.raises(BankError, match="topic is missing"):
        bank.find("1")


@pytest.mark.parametrize("name", ["stub.py", "checks.py", "exercise.yaml"])
def test_a_missing_file_is_named(bank_root: Path, name: str) -> None:
    """A folder without one of its files says which."""
    (bank_root / "exercises" / "01_double_it" / name).unlink()
    with pytest.raises(BankError, match=f"{name}: this file is missing"):
        load_bank().find("1")


def test_a_missing_answer_is_named(bank_root: Path) -> None:
    """The solution belongs to the exercise."""
    (bank_root / "solutions" / "01_double_it" / "answer.py").unlink()
    with pytest.raises(BankError, match=r"answer\.py: this file is missing"):
        load_bank().find("1")


@pytest.mark.parametrize("name", ["7_seven", "07-seven", "07_Seven", "notes"])
def test_a_folder_of_another_name_is_refused(bank_root: Path, name: str) -> None:
    """Every folder in exercises/ is meant as an exercise, and its name gives number and slug."""
    (bank_root / "exercises" / name).mkdir()
    (problem,) = load_bank().problems
    assert "the folder's name must be number_slug" in str(problem)


def test_hidden_folders_and_caches_are_no_exercises(bank_root: Path) -> None:
    """Tools leave folders behind."""
    for name in (".idea", "__pycache__"):
        (bank_root / "exercises" / name).mkdir()
    assert load_bank().problems == ()


def test_two_folders_with_one_number_are_reported(bank_root: Path) -> None:
    """A number names one exercise."""
    small_bank.write_exercise(bank_root, "01_again", level="easy", title="Again", zh="又一题")
    assert any("number 1 is taken" in str(p) for p in load_bank().problems)


def test_fields_become_one_frozen_object(bank_root: Path) -> None:
    """Nothing outside the loader sees a dictionary; defaults are filled in; paths are there."""
    e = load_exercise(bank_root / "exercises" / "02_double_more")
    assert (e.number, e.slug, e.name, e.after) == (2, "double_more", "02_double_more", (1,))
    assert (e.limits.check_seconds, e.limits.total_seconds, e.sim.devices) == (10.0, 30.0, 1)
    assert e.title.get("zh") == "再来两倍" and e.title.get("en") == "Twice more"
    assert e.checks[1].needs == ("test_value",)
    assert e.solution.answer.is_file() and len(e.solution.accepts) == 2 and len(e.solution.rejects) == 5
    with pytest.raises(AttributeError):
        e.number = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("query", "number"),
    [("1", 1), ("01", 1), (4, 4), ("double_it", 1), ("Double-It", 1), ("other", 4), ("more", 2),
     ("02_double_more", 2), ("02_double_more.py", 2)],
)  # fmt: skip
def test_an_exercise_is_found(bank_root: Path, query: str | int, number: int) -> None:
    """By number, slug, or a part of a slug that names one."""
    assert load_bank().find(query).number == number


def test_an_ambiguous_name_lists_what_it_could_mean(bank_root: Path) -> None:
    """Nothing is guessed."""
    with pytest.raises(UnknownExercise, match="01_double_it, 02_double_more"):
        load_bank().find("double")


@pytest.mark.parametrize(("query", "near"), [("doubel_it", "01_double_it"), ("3", "02_double_more")])
def test_an_unknown_name_gets_the_nearest(bank_root: Path, query: str, near: str) -> None:
    """A slip of the finger is answered with names."""
    with pytest.raises(UnknownExercise) as raised:
        load_bank().find(query)
    assert near in raised.value.remedy("en") and near in raised.value.remedy("zh")


@pytest.mark.parametrize("query", ["", " ", "zzzz", "-1", "９９"])
def test_nothing_near_is_said_too(bank_root: Path, query: str) -> None:
    """Whatever was typed, the answer is a sentence."""
    with pytest.raises(UnknownExercise, match="There is no exercise"):
        load_bank().find(query)


def test_the_learning_path_puts_predecessors_first(bank_root: Path) -> None:
    """By number, except that `after` comes before."""
    card = bank_root / "exercises" / "02_double_more" / "exercise.yaml"
    card.write_text(card.read_text(encoding="utf-8").replace("after: [1]", "after: [4]"), encoding="utf-8")
    assert [e.number for e in learning_path(load_bank().exercises)] == [1, 4, 2]


# what only authors look at


def test_lint_is_content_with_the_small_bank(bank_root: Path) -> None:
    """A good folder has no problems."""
    assert [p for e in load_bank() for p in lint.problems(e)] == []


@pytest.mark.parametrize(
    ("file", "right", "wrong", "says"),
    [
        ("checks.py", "def test_input", "def test_other", "checks.py:13: test_other is not listed"),
        (
            "checks.py",
            "def test_input",
            "def test_other",
            "exercise.yaml:21: checks: checks.py has no test_input",
        ),
        ("checks.py", '    """leaves x alone"""\n', "", "checks.py:13: test_input has no docstring"),
        ("checks.py", "def test_value(", "def test_value((", "checks.py:6: not Python"),
        ("stub.py", "def double", "deff double", "stub.py:6: not Python"),
    ],
)
def test_lint_holds_the_sources_against_the_card(
    bank_root: Path, file: str, right: str, wrong: str, says: str
) -> None:
    """The checks listed are those of checks.py, each documented; stub and answer are Python."""
    path = bank_root / "exercises" / "01_double_it" / file
    path.write_text(path.read_text(encoding="utf-8").replace(right, wrong), encoding="utf-8")
    found = "\n".join(map(str, lint.problems(load_bank().find("1"))))
    assert says in found


def test_lint_wants_the_listed_order(bank_root: Path) -> None:
    """The list says in which order they run."""
    path = bank_root / "exercises" / "01_double_it" / "checks.py"
    head, first, second = path.read_text(encoding="utf-8").partition("def test_value")[0], "", ""
    body = path.read_text(encoding="utf-8")[len(head) :]
    first, _, second = body.partition("def test_input")
    path.write_text(head + "def test_input" + second + "\n\n" + first, encoding="utf-8")
    (problem,) = lint.problems(load_bank().find("1"))
    assert "not in the order of checks.py" in str(problem)


def test_lint_wants_rejects_to_name_a_check(bank_root: Path) -> None:
    """A reject says which check must catch it."""
    path = bank_root / "solutions" / "01_double_it" / "rejects" / "wrong0.py"
    path.write_text('"""test_nothing: is not there."""\n', encoding="utf-8")
    (problem,) = lint.problems(load_bank().find("1"))
    assert "wrong0.py:1: the docstring names no check" in str(problem)


# the cache


def _aged(root: Path) -> None:
    """As if written a minute ago: fresh files are not cached, as they may change within one tick."""
    then = time.time() - 60
    for path in root.rglob("*"):
        os.utime(path, (then, then))


@pytest.fixture
def warm(bank_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bank whose cache has been written; returns the cache's folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache_module, "RACY_NS", -(10**18))  # ctime cannot be set back
    _aged(bank_root)
    assert len(load_bank().exercises) == 3
    folder = tmp_path / "cache" / "ptquiz"
    assert len(list(folder.iterdir())) == 1
    return folder


def _reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which cards are parsed from now on."""
    from ptquiz import schema

    seen: list[Path] = []
    usual = schema.read_card

    def noted(path: Path, number: int) -> dict[str, object]:
        seen.append(path)
        return usual(path, number)

    monkeypatch.setattr(schema, "read_card", noted)
    return seen


def test_a_second_reading_parses_nothing_and_is_equal(warm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache saves the parsing, and changes nothing."""
    first = load_bank()
    seen = _reads(monkeypatch)
    again = load_bank()
    assert again.exercises == first.exercises and seen == []
    for file in warm.iterdir():
        file.unlink()
    assert load_bank().exercises == first.exercises and len(seen) == 3


def test_a_cached_listing_imports_neither_yaml_nor_schemas(warm: Path) -> None:
    """Half of the time of `list` would be theirs."""
    look = (
        "import sys; from ptquiz import cache; from ptquiz.entry import main;"
        " main(['list']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, timeout=120
    )
    assert not {"yaml", "msgspec", "ptquiz.schema"} & set(done.stderr.split())


def test_a_changed_card_is_read_again(warm: Path, bank_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same size, same modification time: the change time and the inode still tell."""
    card = bank_root / "exercises" / "01_double_it" / "exercise.yaml"
    before = card.stat()
    text = card.read_text(encoding="utf-8").replace("level: easy", "level: hard")
    other = card.with_name("other")
    other.write_text(text, encoding="utf-8")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(card)
    assert load_bank().find("1").level == "hard"


@pytest.mark.parametrize("damage", [b"", b"garbage", b"00000000{}", b"\x00" * 100, b"[" * 100_000])
def test_a_damaged_cache_is_ignored(warm: Path, damage: bytes) -> None:
    """Anything odd is a miss."""
    (file,) = warm.iterdir()
    file.write_bytes(damage)
    assert [e.number for e in load_bank().exercises] == [1, 2, 4]


def test_a_flipped_bit_is_noticed(warm: Path) -> None:
    """A checksum guards what would still be JSON."""
    (file,) = warm.iterdir()
    file.write_bytes(file.read_bytes().replace(b'"easy"', b'"hard"', 1))
    assert load_bank().find("1").level == "easy"


def test_an_unwritable_cache_is_nobodys_business(
    bank_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file where the folder should be: everything works as without a cache."""
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache_module, "RACY_NS", -(10**18))
    assert len(load_bank().exercises) == 3


def test_a_broken_card_is_never_cached(warm: Path, bank_root: Path) -> None:
    """Refused is refused, every time."""
    card = bank_root / "exercises" / "01_double_it" / "exercise.yaml"
    card.write_text("number: 1\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(BankError):
            load_bank().find("1")


def test_a_bank_that_is_not_there_says_so(tmp_path: Path) -> None:
    """A wrong PTQUIZ_BANK is a sentence."""
    with pytest.raises(BankError, match="exercises"):
        Bank(tmp_path / "exercises", tmp_path / "solutions")
