"""`torch.cuda.Event`: what it stands for, what it measures, and PyTorch's own errors."""

from __future__ import annotations

import pytest
import torch


def timed():
    return torch.cuda.Event(enable_timing=True)


def test_an_event_that_nobody_recorded_is_complete_and_orders_nothing(machine):
    """Before it is recorded, query is True, and waiting for it or synchronizing does nothing."""
    event = torch.cuda.Event()
    assert isinstance(event, torch.cuda.Event) and isinstance(event, torch.Event)
    torch.cuda._sleep(1_000_000)
    assert event.query()
    event.synchronize()
    event.wait()
    assert machine.waits == []
    assert [op.kind for op in machine.trace] == ["sleep"]
    assert repr(event) == "<torch.cuda.Event uninitialized>"
    event.record()
    assert repr(event) != "<torch.cuda.Event uninitialized>"


def test_elapsed_time_is_the_streams(machine):
    """The time between two events is what the stream did in between, not what the host did."""
    begin, end = timed(), timed()
    torch.cuda._sleep(1_000_000)
    begin.record()
    torch.cuda._sleep(3_000_000)
    end.record()
    torch.cuda._sleep(9_000_000)
    end.synchronize()
    assert begin.elapsed_time(end) == pytest.approx(3.003, abs=0.01)
    (wait,) = machine.waits
    assert (wait.reason, wait.stream) == ("Event.synchronize", 0)


def test_work_of_other_streams_is_not_in_it(machine):
    """Events measure their own stream."""
    begin, end = timed(), timed()
    with torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(50_000_000)
    begin.record()
    torch.cuda._sleep(1_000_000)
    end.record()
    torch.cuda.synchronize()
    assert begin.elapsed_time(end) < 2


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (False, False)])
def test_elapsed_time_without_timing(machine, first, second):
    """Both events need enable_timing, even when they are recorded."""
    a, b = torch.cuda.Event(enable_timing=first), torch.cuda.Event(enable_timing=second)
    a.record()
    b.record()
    torch.cuda.synchronize()
    with pytest.raises(ValueError, match="Both events must be created with argument 'enable_timing=True'"):
        a.elapsed_time(b)


def test_elapsed_time_before_both_are_recorded(machine):
    """A missing record is PyTorch's ValueError."""
    a, b = timed(), timed()
    a.record()
    with pytest.raises(ValueError, match="Both events must be recorded before calculating elapsed time"):
        a.elapsed_time(b)


def test_elapsed_time_before_both_have_ended(machine):
    """A missing synchronize is PyTorch's RuntimeError."""
    a, b = timed(), timed()
    a.record()
    torch.cuda._sleep(5_000_000)
    b.record()
    with pytest.raises(RuntimeError, match="Both events must be completed before calculating elapsed time"):
        a.elapsed_time(b)


def test_an_event_belongs_to_the_device_that_recorded_it(machine):
    """Recording on another device is refused; waiting on another device is not."""
    event = torch.cuda.Event()
    event.record()
    with pytest.raises(RuntimeError, match="Event device 0 does not match recording stream's device 1"):
        event.record(torch.cuda.default_stream(1))
    event.wait(torch.cuda.default_stream(1))
    assert event.device == torch.device("cuda:0")


def test_synchronize_waits_for_this_event_only(machine):
    """What was enqueued after the event is not waited for."""
    event = torch.cuda.Event()
    torch.cuda._sleep(1_000_000)
    event.record()
    torch.cuda._sleep(500_000_000)
    event.synchronize()
    assert machine.waits[-1].milliseconds < 2


def test_polling_comes_to_an_end(machine):
    """A loop around `query` ends without a wait of the host."""
    event = torch.cuda.Event()
    torch.cuda._sleep(1_000_000)
    event.record()
    while not event.query():
        pass
    assert machine.waits == []


def test_record_event_makes_or_reuses_one(machine):
    """`Stream.record_event` gives a torch.cuda.Event, or the one that it was given."""
    s = torch.cuda.Stream()
    event = torch.cuda.Event()
    assert isinstance(s.record_event(), torch.cuda.Event)
    assert s.record_event(event) is event
