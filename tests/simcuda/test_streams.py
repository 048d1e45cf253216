"""`torch.cuda.Stream` and the current stream, as PyTorch has them."""

from __future__ import annotations

import threading

import pytest
import torch

from ptquiz.simcuda import simulated_cuda
from ptquiz.simcuda.errors import NotModelled


def stamp(machine):
    """The stream on which the next operation runs."""
    torch.ones(1, device="cuda")
    return machine.trace[-1].stream


def test_a_stream_is_what_pytorch_calls_one(machine):
    """Type, device, priority, handle, equality, hash and text are PyTorch's own."""
    s = torch.cuda.Stream()
    assert isinstance(s, torch.cuda.Stream) and isinstance(s, torch.Stream)
    assert type(s).__name__ == "Stream"
    assert (s.device, s.device_index, s.priority) == (torch.device("cuda:0"), 0, 0)
    assert s.cuda_stream != 0
    assert repr(s) == f"<torch.cuda.Stream device=cuda:0 cuda_stream={s.cuda_stream:#x}>"
    assert s == s and s != torch.cuda.Stream() and s != 3
    assert {s: 1}[s] == 1
    assert s.__cuda_stream__() == (0, s.cuda_stream)


def test_the_default_stream_is_handle_0(machine):
    """The default stream is current at first, equal however one gets it, and has handle 0."""
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert torch.cuda.default_stream().cuda_stream == 0
    assert torch.cuda.default_stream(1) != torch.cuda.default_stream(0)
    assert torch.cuda.default_stream(1).device == torch.device("cuda:1")


def test_the_pool_has_32_streams_for_each_device_and_priority(machine):
    """After 32 streams the first comes again; other devices and priorities have pools of their own."""
    streams = [torch.cuda.Stream() for _ in range(64)]
    assert len(set(streams)) == 32
    assert streams[32] == streams[0]
    assert torch.cuda.Stream(priority=-1) not in streams
    assert torch.cuda.Stream(1) not in streams


@pytest.mark.parametrize(("asked", "got"), [(0, 0), (5, 0), (-1, -1), (-3, -3), (-99, -3)])
def test_a_priority_is_mapped_to_the_nearest_valid_one(machine, asked, got):
    """Priorities outside of the range become its nearest end."""
    assert torch.cuda.Stream(priority=asked).priority == got


def test_work_goes_to_the_stream_of_the_block(machine):
    """Inside `with torch.cuda.stream(s)` operations run on s, and the earlier stream is back afterwards."""
    s, t = torch.cuda.Stream(), torch.cuda.Stream()
    with torch.cuda.stream(s):
        assert stamp(machine) == s.cuda_stream
        with torch.cuda.stream(t):
            assert stamp(machine) == t.cuda_stream
        assert torch.cuda.current_stream() == s
    assert stamp(machine) == 0


def test_the_stream_is_back_after_an_exception(machine):
    """Leaving the block by an exception restores the stream as well."""
    with pytest.raises(KeyError), torch.cuda.stream(torch.cuda.Stream()):
        raise KeyError
    assert torch.cuda.current_stream() == torch.cuda.default_stream()


def test_a_stream_is_a_context_manager_itself(machine):
    """`with s:` does the same as `with torch.cuda.stream(s):`, nested and across devices."""
    s, other = torch.cuda.Stream(), torch.cuda.Stream(1)
    with s as entered:
        assert entered is s
        with other, other:
            assert torch.cuda.current_device() == 1
            assert torch.cuda.current_stream() == other
        assert torch.cuda.current_stream() == s
        assert torch.cuda.current_device() == 0
    assert torch.cuda.current_stream(1) == torch.cuda.default_stream(1)


def test_a_stream_of_another_device_switches_the_device_and_back(machine):
    """Entering a stream of device 1 makes device 1 current; leaving restores both."""
    s = torch.cuda.Stream(device="cuda:1")
    with torch.cuda.stream(s):
        assert torch.cuda.current_device() == 1
        assert torch.cuda.current_stream() == s
        assert torch.cuda.current_stream(0) == torch.cuda.default_stream(0)
        assert torch.ones(1, device="cuda").device == torch.device("cuda:1")
    assert torch.cuda.current_device() == 0
    assert torch.cuda.current_stream(1) == torch.cuda.default_stream(1)


def test_none_is_no_stream(machine):
    """`torch.cuda.stream(None)` changes nothing; without an argument it is a TypeError."""
    with torch.cuda.stream(None):
        assert torch.cuda.current_stream() == torch.cuda.default_stream()
    with pytest.raises(TypeError):
        torch.cuda.stream()


def test_set_stream_stays(machine):
    """`set_stream` changes the stream, and the device with it, for good."""
    s = torch.cuda.Stream(1)
    torch.cuda.set_stream(s)
    assert torch.cuda.current_stream() == s
    assert torch.cuda.current_device() == 1


def test_quiet_mistakes_stay_quiet(machine):
    """A stream in place of a device is ignored: the current one comes back, the whole device is waited on."""
    s, t = torch.cuda.Stream(), torch.cuda.Stream()
    assert torch.cuda.current_stream(s) == torch.cuda.default_stream()
    with torch.cuda.stream(t):
        torch.cuda._sleep(5_000_000)
    torch.cuda.synchronize(s)
    (wait,) = machine.waits
    assert (wait.reason, wait.stream) == ("torch.cuda.synchronize", None)
    assert wait.milliseconds >= 4.9


def test_query_and_synchronize(machine):
    """`query` says whether all work has ended; `synchronize` waits for this stream only."""
    s, t = torch.cuda.Stream(), torch.cuda.Stream()
    assert s.query()
    with torch.cuda.stream(s):
        torch.cuda._sleep(2_000_000)
    with torch.cuda.stream(t):
        torch.cuda._sleep(50_000_000)
    assert not s.query()
    s.synchronize()
    assert s.query() and not t.query()
    (wait,) = machine.waits
    assert (wait.reason, wait.stream) == ("Stream.synchronize", s.cuda_stream)
    assert 1.9 < wait.milliseconds < 3


def test_streams_overlap_and_waits_do_not_stop_the_host(machine):
    """Two sleeps run side by side; wait_stream orders a third behind both, and the host does not wait."""
    streams = [torch.cuda.Stream() for _ in range(3)]
    for s in streams[:2]:
        with torch.cuda.stream(s):
            torch.cuda._sleep(10_000_000)
        streams[2].wait_stream(s)
    with torch.cuda.stream(streams[2]):
        torch.cuda._sleep(1_000_000)
    a, b, c = [op for op in machine.trace if op.kind == "sleep"]
    assert b.begin_ms < 1
    assert c.begin_ms >= max(a.end_ms, b.end_ms)
    assert machine.waits == []


def test_current_stream_and_device_belong_to_the_thread(machine):
    """A new thread starts on device 0 and the default stream, whatever its starter has chosen."""
    seen = []
    with torch.cuda.stream(torch.cuda.Stream(1)):
        thread = threading.Thread(
            target=lambda: seen.extend([torch.cuda.current_device(), torch.cuda.current_stream()])
        )
        thread.start()
        thread.join()
    assert seen == [0, torch.cuda.default_stream(0)]


def test_the_generic_api_is_the_same_device(machine):
    """`torch.Stream`, `torch.Event` and `torch.accelerator` work on the CUDA device's streams."""
    s = torch.Stream(device="cuda")
    assert isinstance(s, torch.Stream) and not isinstance(s, torch.cuda.Stream)
    with s:
        assert torch.accelerator.current_stream() == s
        assert torch.cuda.current_stream().cuda_stream == s.cuda_stream
        torch.cuda._sleep(1_000_000)
    event = s.record_event()
    assert isinstance(event, torch.Event)
    assert not event.query()
    torch.accelerator.synchronize()
    assert event.query()
    torch.accelerator.set_stream(torch.Stream(device="cuda:1"))
    assert torch.accelerator.current_device_index() == 1


def test_a_stream_of_the_host_is_pytorchs_own(machine):
    """`torch.Stream("cpu")` is left alone."""
    assert torch.Stream("cpu").device.type == "cpu"


def test_what_is_not_modelled_says_so(machine):
    """External streams and shared events raise an error that says what is missing."""
    with pytest.raises(NotModelled):
        torch.cuda.ExternalStream(1234)
    with pytest.raises(NotModelled):
        torch.cuda.Event(interprocess=True)
    with pytest.raises(NotModelled):
        torch.cuda.get_stream_from_external(1234)


@pytest.mark.parametrize("index", [2, 99])
def test_a_device_that_is_not_there(machine, index):
    """A stream of a device that does not exist is the driver's error."""
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.cuda.Stream(index)
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.cuda.current_stream(index)
    assert torch.cuda.current_device() == 0


def test_everything_is_put_back():
    """After the device is closed torch has its own classes and functions again."""
    before = (
        torch.cuda.Stream,
        torch.cuda.Event,
        torch.Stream,
        torch.Event,
        getattr(torch._C, "_cuda_getCurrentStream", None),
    )
    start = (threading.Thread.start, threading.Thread.join, threading.Event.set, torch.autograd.backward)
    with simulated_cuda():
        assert torch.cuda.Stream is not before[0]
    after = (
        torch.cuda.Stream,
        torch.cuda.Event,
        torch.Stream,
        torch.Event,
        getattr(torch._C, "_cuda_getCurrentStream", None),
    )
    assert before == after
    assert start == (
        threading.Thread.start, threading.Thread.join, threading.Event.set, torch.autograd.backward,
    )  # fmt: skip
