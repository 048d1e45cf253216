"""Shadow memory: what is reported, in which words, and what is forgotten."""

from __future__ import annotations

import pytest

from ptquiz.simcuda.core.engine import Engine
from ptquiz.simcuda.core.footprint import strided, whole

MAIN, A, B = (0, 0), (0, 16), (0, 32)
X = whole(0x10000, 4096)


@pytest.fixture
def engine():
    """One device."""
    return Engine(1)


def touch(engine, stream, line, *feet, write=True, label="x", name="k"):
    return engine.launch(stream, "kernel", name, 1000, [(0, foot, write, label) for foot in feet], line)


def lines(engine):
    return [race.lines for race in engine.races]


def test_a_report_names_both_lines_both_streams_the_bytes_and_the_missing_call(engine):
    """A report says who wrote and who read, where, what the bytes belong to, and which call was missing."""
    touch(engine, MAIN, "a.py:3", X, name="mul", label="float32 (1024,)")
    touch(engine, A, "a.py:7", whole(0x10000, 16), write=False, name="add", label="float32 (4,)")
    (race,) = engine.races
    assert race.nbytes == 16
    for part in (
        "a.py:3",
        "a.py:7",
        "mul",
        "add",
        "the default stream of cuda:0",
        "stream 0x10 of cuda:0",
        "float32 (4,)",
        "wait_stream",
        "writes",
        "reads",
    ):
        assert part in str(race)
    assert "\n" not in race.brief()
    assert "缺少" in race.text("zh")


def test_reads_do_not_race(engine):
    """Any number of streams may read the same bytes."""
    for stream in (MAIN, A, B):
        touch(engine, stream, f"{stream}", X, write=False)
    assert engine.races == []


def test_a_write_must_come_after_every_reader(engine):
    """After reads on two streams a writer that waits for one of them races with the other."""
    touch(engine, A, "read A", X, write=False)
    touch(engine, B, "read B", X, write=False)
    engine.wait_stream(MAIN, A)
    touch(engine, MAIN, "write", X)
    assert lines(engine) == [("read B", "write")]


def test_a_later_read_of_one_stream_does_not_hide_an_earlier_one_of_another(engine):
    """The last read of each stream is kept, not the last read of all."""
    touch(engine, A, "read A", X, write=False)
    touch(engine, MAIN, "read M", X, write=False)
    touch(engine, MAIN, "write", X)
    assert lines(engine) == [("read A", "write")]


def test_one_report_for_each_pair_of_lines(engine):
    """A race in a loop is reported once; another pair of lines is another race."""
    for _ in range(10):
        touch(engine, A, "one", X)
        touch(engine, B, "two", X)
    assert sorted(lines(engine)) == [("one", "two"), ("two", "one")]


def test_a_mark_reports_anew(engine):
    """A race that was reported before a mark is reported again after it; forgiving drops what there is."""

    def race():
        touch(engine, A, "one", X)
        touch(engine, B, "two", X)
        engine.settle()

    race()
    mark = engine.mark()
    race()
    assert [r.lines for r in engine.since(mark)[2]] == [("one", "two")]
    engine.forgive()
    assert engine.races == []
    race()
    assert lines(engine) == [("one", "two")]
    assert [r.lines for r in engine.since(mark)[2]] == [("one", "two")]


def test_columns_are_disjoint_and_rows_are_not(engine):
    """Two streams may write neighbouring columns of a matrix; a row meets both."""
    left = strided(0x20000, (64, 4), (8, 1), 4)
    right = strided(0x20010, (64, 4), (8, 1), 4)
    touch(engine, A, "left", left)
    touch(engine, B, "right", right)
    assert engine.races == []
    touch(engine, MAIN, "row", whole(0x20000, 32), write=False)
    assert sorted(lines(engine)) == [("left", "row"), ("right", "row")]


def test_tiles_of_one_block_and_the_block(engine):
    """A block that was filled tile by tile on several streams is safe for whoever waited for all of them."""
    streams = [(0, 16 * (1 + i)) for i in range(4)]
    for i in range(512):
        touch(engine, streams[i % 4], f"tile {i}", whole(0x40000 + 512 * i, 512))
    for stream in streams[:3]:
        engine.wait_stream(MAIN, stream)
    touch(engine, MAIN, "read", whole(0x40000, 512 * 512), write=False)
    assert {first for first, _ in lines(engine)} == {f"tile {i}" for i in range(3, 512, 4)}


def test_the_host_is_a_party(engine):
    """Reading a pinned buffer before the copy into it has ended is a race; after synchronizing it is none."""
    pinned = whole(0x1000, 256)
    engine.launch(A, "copy", "d2h", 1000, [(-1, pinned, True, "out")], "copy", engine_queue="d2h")
    point = engine.record(A)
    engine.host_access([(-1, pinned, False, "out")], "too early")
    assert lines(engine) == [("copy", "too early")]
    assert "the host must wait" in engine.races[0].remedy()
    engine.forgive()
    engine.host_wait(point, "Event.synchronize")
    engine.host_access([(-1, pinned, True, "out")], "later")
    assert engine.races == []


def test_an_event_that_was_seen_complete_orders_the_host(engine):
    """A successful query is as good as a wait; an unsuccessful one, or time that has passed, is not."""
    pinned = whole(0x1000, 256)
    engine.launch(A, "copy", "d2h", 1_000_000, [(-1, pinned, True, "out")], "copy", engine_queue="d2h")
    point = engine.record(A)
    assert not engine.done(point)
    engine.host_spend(2_000_000)
    engine.host_access([(-1, pinned, False, "out")], "slept")
    assert lines(engine) == [("copy", "slept")]
    engine.forgive()
    assert engine.done(point)
    engine.host_access([(-1, pinned, False, "out")], "asked")
    assert engine.races == []


def test_memory_that_was_handed_out_again_asks_for_record_stream(engine):
    """Reusing a freed block while another stream still reads it is reported as a missing record_stream."""
    touch(engine, MAIN, "make", X)
    engine.wait_stream(A, MAIN)
    touch(engine, A, "use", X, write=False, label="old")
    engine.born(0, 0x10000, 0x11000, "a.py:9")
    touch(engine, MAIN, "reuse", whole(0x10000, 64), label="new")
    (race,) = engine.races
    assert race.lines == ("use", "reuse")
    assert "record_stream" in race.remedy() and "a.py:9" in race.remedy()
    assert "old" in race.what and "new" in race.what


def test_memory_that_went_back_to_the_driver_has_no_history(engine):
    """Giving a segment back waits for the device, and what is mapped there later races with nothing older."""
    touch(engine, A, "old", X)
    engine.forget(0, 0x10000, 0x11000)
    touch(engine, MAIN, "new", X)
    assert engine.races == []


def test_dropping_history_loses_no_race_on_live_memory(engine):
    """A write is remembered through any amount of other work, until somebody was ordered after it."""
    touch(engine, A, "early", X)
    for i in range(20_000):
        touch(engine, MAIN, "other", whole(0x1_000_000 + 512 * (i % 7000), 512 + i % 13))
    touch(engine, MAIN, "late", X, write=False)
    assert lines(engine) == [("early", "late")]


@pytest.mark.parametrize("sync", [True, False], ids=["synchronizing", "never synchronizing"])
def test_memory_stays_bounded(sync):
    """Shadow memory does not grow with the number of operations, whatever sizes are written where."""
    engine = Engine(1)
    sizes = []
    for i in range(30_000):
        low = 0x100000 + 512 * (i * 7919 % 2048)
        touch(engine, A if i % 3 else MAIN, "w", whole(low, 64 + i * 31 % 4096), write=i % 4 > 0)
        if i % 3 == 0:
            engine.wait_stream(A, MAIN)
            engine.wait_stream(MAIN, A)
        if sync and i % 1000 == 0:
            engine.host_wait(0, "sync")
        if i % 5000 == 4999:
            sizes.append(len(engine._shadow))
    assert max(sizes) < 12_000


def test_what_the_allocator_asks_orders_nothing_else(engine):
    """A block whose recorded uses have ended is reused without a race; races on other memory stay."""
    y = whole(0x90000, 64)
    engine.launch(A, "kernel", "k", 1000, [(0, X, False, "x"), (0, y, True, "y")], "side")
    point = engine.point(A)
    engine.host_spend(10**9)
    assert engine.settled(point)
    engine.retire(0, 0x10000, 0x11000, point)
    touch(engine, MAIN, "reuse", X)
    assert engine.races == []
    touch(engine, MAIN, "use", y, write=False)
    assert lines(engine) == [("side", "use")]


def test_retiring_a_block_keeps_what_came_after_the_point_and_other_streams(engine):
    """Only what the point covers is dropped: a use that record_stream was not told of still races."""
    touch(engine, A, "told", X, write=False)
    point = engine.point(A)
    touch(engine, B, "untold", X, write=False)
    engine.retire(0, 0x10000, 0x11000, point)
    touch(engine, MAIN, "reuse", X)
    assert lines(engine) == [("untold", "reuse")]


def test_memory_of_another_stream_asks_for_a_wait(engine):
    """A recycled block that its own stream is still using, touched by another stream: that one must wait."""
    touch(engine, A, "old", X, label="old")
    engine.born(0, 0x10000, 0x11000, "a.py:9", A[1])
    touch(engine, MAIN, "new", X, label="new")
    (race,) = engine.races
    assert "record_stream" not in race.remedy()
    assert "wait_stream" in race.remedy()
