"""The streams as text: overlap can be seen, races and waits are marked, 80 columns suffice."""

from __future__ import annotations

from unicodedata import east_asian_width

import pytest

from ptquiz.simcuda.core.costs import Costs
from ptquiz.simcuda.core.engine import Engine
from ptquiz.simcuda.core.footprint import whole
from ptquiz.simcuda.timeline import draw, render

MS = 1_000_000
MAIN, A, B = (0, 0), (0, 0x100030), (1, 0x200030)


@pytest.fixture
def engine():
    """Host calls cost nothing, so that columns can be stated."""
    return Engine(2, Costs(launch_ns=0, event_ns=0, wait_ns=0))


def kernel(engine, stream, ms, name, accesses=(), line=""):
    return engine.launch(stream, "kernel", name, ms * MS, accesses, line)


def chart(engine, **options):
    return draw(engine.trace, engine.races, engine.waits, **options)


def test_nothing_happened():
    """An empty trace is an empty chart."""
    assert draw([]) == ""


def test_overlap_stands_in_the_same_columns(engine):
    """Two kernels that run at the same time share columns; one that comes later does not."""
    kernel(engine, MAIN, 4, "first")
    kernel(engine, A, 4, "beside")
    engine.wait_stream(MAIN, A)
    kernel(engine, MAIN, 4, "after")
    text = chart(engine)
    first, beside, after = (text.index(name) for name in ("first", "beside", "after"))
    lines = text.splitlines()
    default = next(line for line in lines if "first" in line)
    side = next(line for line in lines if "beside" in line)
    assert abs(default.index("┣") - side.index("┣")) == 0
    assert default.index("after") > side.index("┫")
    assert min(first, beside, after) > 0


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("unicode", [True, False])
def test_it_fits(engine, width, unicode):
    """No line is wider than asked, with thousands of operations on many streams and long lines of code."""
    for i in range(3000):
        kernel(
            engine,
            (0, 0x100030 + 0x200 * (i % 30)),
            1 + i % 3,
            "a_kernel_with_a_long_name",
            [(0, whole(0x1000, 64), True, "x" * 50)],
            "a/very/long/path/" * 5 + f"file.py:{i % 7}",
        )
    engine.host_wait(0, "torch.cuda.synchronize", "b/very/long/path/" * 5)
    text = chart(engine, width=width, unicode=unicode)
    assert all(len(line) <= width for line in text.splitlines())
    assert len(text.splitlines()) < 60
    assert unicode or text.isascii()


def test_races_and_needless_waits_are_marked_and_explained(engine):
    """Both sides of a race are crossed; a wait for nothing has a mark of its own; the lines stand below."""
    kernel(engine, MAIN, 4, "writer", [(0, whole(0x1000, 64), True, "x")], "a.py:1")
    kernel(engine, A, 4, "reader", [(0, whole(0x1000, 64), False, "x")], "a.py:2")
    engine.host_wait(0, "torch.cuda.synchronize", "a.py:3")
    engine.host_wait(0, "torch.cuda.synchronize", "a.py:4")
    text = chart(engine)
    chart_rows = [line for line in text.splitlines() if line.startswith("cuda:")]
    assert [line.count("✗") for line in chart_rows] == [1, 1]
    host = next(line for line in text.splitlines() if line.startswith("host "))
    assert host.count("!") == 1 and "▒" in host
    notes = text[text.index("data race") :]
    for part in (
        "a.py:1",
        "a.py:2",
        "host waits 4 ms: torch.cuda.synchronize at a.py:3",
        "needless wait 0 ms: torch.cuda.synchronize at a.py:4",
    ):
        assert part in notes


def test_it_speaks_chinese(engine):
    """Races and waits are explained in Chinese too, in no more than 80 columns; in ASCII it stays English."""
    kernel(engine, MAIN, 4, "writer", [(0, whole(0x1000, 64), True, "x")], "a.py:1")
    kernel(engine, A, 4, "reader", [(0, whole(0x1000, 64), False, "x")], "a/long/path/" * 6)
    engine.host_wait(0, "torch.cuda.synchronize", "a.py:3")
    text = chart(engine, lang="zh")
    assert "数据竞争" in text and "主机等待" in text and "host waits" not in text
    assert all(sum(2 if east_asian_width(c) in "WF" else 1 for c in line) <= 80 for line in text.splitlines())
    assert chart(engine, lang="zh", unicode=False).isascii()


def test_a_stalled_stream_is_shown(engine):
    """Where a stream stands still for another one there is neither work nor emptiness."""
    kernel(engine, MAIN, 8, "long")
    engine.wait_stream(A, MAIN)
    kernel(engine, A, 2, "late")
    side = next(line for line in chart(engine).splitlines() if "late" in line)
    assert "░░░░" in side and side.index("░") < side.index("late")


def test_copies_look_different_from_kernels(engine):
    """A copy has a bar of its own kind."""
    engine.launch(A, "copy", "h2d", 4 * MS, (), "", engine_queue="h2d")
    assert "┅h2d┅" in chart(engine)
    assert "~h2d~" in chart(engine, unicode=False)


def test_render_is_for_the_terminal(engine):
    """`render` takes what `Engine.since` gives and never exceeds 80 columns."""
    mark = engine.mark()
    kernel(engine, B, 1, "k")
    text = render(*engine.since(mark))
    assert "cuda:1 0x200030" in text
    assert max(map(len, text.splitlines())) <= 80
