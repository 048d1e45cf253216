"""Virtual time: streams, copy engines, events, the host and its threads."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from ptquiz.simcuda.core.costs import Costs
from ptquiz.simcuda.core.engine import Engine

MS = 1_000_000
FREE = Costs(launch_ns=0, event_ns=0, query_ns=1, wait_ns=0)
MAIN, A, B = (0, 0), (0, 16), (0, 32)


@pytest.fixture
def engine():
    """One device whose host calls cost nothing, so that times can be stated exactly."""
    return Engine(2, FREE)


def kernel(engine, stream, ms=1, name="k", **more):
    return engine.launch(stream, "kernel", name, ms * MS, (), "", **more)


def test_one_stream_runs_in_order(engine):
    """Work on one stream begins where the work before it ended."""
    first, second = kernel(engine, A), kernel(engine, A, 2)
    assert (first.begin_ms, first.end_ms, second.begin_ms, second.end_ms) == (0, 1, 1, 3)


def test_streams_run_side_by_side(engine):
    """Work on different streams overlaps fully, the default stream included."""
    assert [kernel(engine, s).begin_ms for s in (MAIN, A, B, (1, 0))] == [0, 0, 0, 0]


def test_the_host_does_not_wait_for_what_it_launches():
    """A launch costs the host its own latency, not the kernel's time; work begins when it is launched."""
    engine = Engine(1, Costs(launch_ns=10))
    ops = [kernel(engine, s, 5) for s in (A, B, A)]
    assert engine.host().now == 30
    assert [op.begin_ns for op in ops] == [10, 20, 10 + 5 * MS]


def test_a_wait_delays_the_waiting_stream_only(engine):
    """wait_stream holds back what comes later on one stream, and neither the other stream nor the host."""
    kernel(engine, A, 4)
    engine.wait_stream(B, A)
    kernel(engine, A, 4)
    assert kernel(engine, B).begin_ms == 4
    assert kernel(engine, MAIN).begin_ms == 0
    assert engine.host().now == 0


def test_an_event_stands_for_the_work_before_it(engine):
    """Waiting for an event does not wait for what was enqueued after it was recorded."""
    kernel(engine, A, 1)
    point = engine.record(A)
    kernel(engine, A, 100)
    engine.stream_wait(B, point)
    assert kernel(engine, B).begin_ms == 1


def test_an_event_on_an_idle_stream_is_reached_now(engine):
    """An event that is recorded on an idle stream is complete at once, at the host's time."""
    engine.host_spend(7 * MS)
    assert engine.record(A).time == 7 * MS


def test_copies_share_one_engine_each_way(engine):
    """Two uploads queue, a download runs beside them, another device has engines of its own."""

    def copy(stream, queue):
        return engine.launch(stream, "copy", queue, 2 * MS, (), "", engine_queue=queue)

    ups = [copy(A, "h2d"), copy(B, "h2d")]
    down, other = copy((0, 48), "d2h"), copy((1, 0), "h2d")
    assert [op.begin_ms for op in (*ups, down, other)] == [0, 2, 0, 0]


def test_a_copy_fills_a_gap_in_front_of_one_that_waits(engine):
    """A copy that waits for its own stream does not hold up a copy of another stream."""
    kernel(engine, A, 10)
    late = engine.launch(A, "copy", "h2d", 2 * MS, (), "", engine_queue="h2d")
    early = engine.launch(B, "copy", "h2d", 3 * MS, (), "", engine_queue="h2d")
    assert (late.begin_ms, early.begin_ms) == (10, 0)


def test_a_full_copy_engine_never_runs_two_copies_at_once(engine):
    """However copies are issued, the intervals of one engine are disjoint."""
    for i in range(200):
        kernel(engine, (0, 16 * (i % 7)), (i * 37) % 11)
        engine.launch((0, 16 * (i % 7)), "copy", "h2d", (1 + i % 3) * MS, (), "", engine_queue="h2d")
    copies = sorted((op.begin_ns, op.end_ns) for op in engine.trace if op.kind == "copy")
    assert all(end <= begin for (_, end), (begin, _) in pairwise(copies))


def test_waiting_advances_the_host_and_says_why(engine):
    """A host wait lasts until the work has ended, and leaves its reason, line and length."""
    kernel(engine, A, 3)
    wait = engine.host_wait(A, "Stream.synchronize", "a.py:1")
    assert engine.host().now == 3 * MS
    assert engine.waits == [wait]
    assert (wait.reason, wait.milliseconds, wait.line, wait.device, wait.stream) == (
        "Stream.synchronize",
        3,
        "a.py:1",
        0,
        16,
    )
    assert not wait.needless


def test_a_wait_for_nothing_is_needless(engine):
    """Waiting again for what one has waited for takes no time and is marked."""
    kernel(engine, A, 3)
    engine.host_wait(0, "torch.cuda.synchronize")
    assert engine.host_wait(A, "Stream.synchronize").needless


def test_a_device_wait_is_for_one_device(engine):
    """Synchronizing device 0 waits for all of its streams and for none of device 1's."""
    kernel(engine, A, 2)
    kernel(engine, B, 5)
    kernel(engine, (1, 0), 50)
    assert engine.host_wait(0, "torch.cuda.synchronize").milliseconds == 5


def test_asking_takes_time_so_that_polling_ends():
    """A loop that only asks whether an event is complete comes to an end."""
    engine = Engine(1, Costs())
    kernel(engine, A, 2)
    point = engine.record(A)
    polls = 0
    while not engine.done(point):
        polls += 1
    assert 10 < polls < 1000
    assert engine.host().now >= 2 * MS


def test_settling_is_unseen(engine):
    """Settling waits for everything and leaves no host wait behind."""
    kernel(engine, A, 2)
    kernel(engine, (1, 0), 3)
    engine.settle()
    assert engine.host().now == 3 * MS
    assert engine.waits == []


def test_elapsed_time_is_between_two_points(engine):
    """The time between two events is that of the stream, not of the host."""
    begin = engine.record(A)
    kernel(engine, A, 3)
    end = engine.record(A)
    engine.host_spend(50 * MS)
    assert engine.elapsed_ns(begin, end) == 3 * MS


def test_a_thread_starts_at_its_starters_time_and_join_takes_the_later(engine):
    """Each host thread has a time of its own; joining takes the later of both."""
    engine.host_spend(5 * MS)
    parent, seen = engine.host(), []

    def work():
        host = engine.register_thread(parent)
        seen.append(host.now)
        engine.host_spend(10 * MS)
        seen.append(host)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert (seen[0], parent.now, seen[1].now) == (5 * MS, 5 * MS, 15 * MS)
    engine.join(seen[1])
    assert parent.now == 15 * MS


def test_marks_find_what_came_after(engine):
    """`since` gives the operations, waits and races after the mark only."""
    kernel(engine, A, name="before")
    engine.host_wait(A, "before")
    mark = engine.mark()
    kernel(engine, A, name="after")
    engine.host_wait(A, "after")
    ops, waits, races = engine.since(mark)
    assert ([op.name for op in ops], [w.reason for w in waits], races) == (["after"], ["after"], [])


def test_the_trace_is_bounded_and_marks_survive_it():
    """The trace forgets its oldest entries; a mark still finds what came after it."""
    engine = Engine(1, FREE)
    engine._log.limit = 100
    for _ in range(1000):
        kernel(engine, A)
    mark = engine.mark()
    kernel(engine, A, name="last")
    assert len(engine.trace) <= 101
    assert [op.name for op in engine.since(mark)[0]] == ["last"]


def test_equal_runs_give_equal_times():
    """Virtual time depends on nothing but the calls."""

    def run():
        engine = Engine(1)
        for i in range(50):
            kernel(engine, (0, 16 * (i % 3)), i % 4)
            engine.wait_stream(A, B)
        return [(op.begin_ns, op.end_ns) for op in engine.trace]

    assert run() == run()
