"""What PyTorch's own CUDA tests claim, in words and code of our own."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch

from ptquiz.simcuda import Machine

MS = 1_000_000  # cycles of torch.cuda._sleep in a millisecond of the simulated clock


def test_memory_is_reused_only_after_the_recorded_stream(machine: Machine) -> None:
    """`record_stream` keeps a freed block from its own stream until the other stream has done with it."""
    host = torch.tensor([1.0, 2.0, 3.0]).pin_memory()
    result = torch.cuda.FloatTensor(host.size())
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        temporary = host.cuda(non_blocking=True)
    address = temporary.data_ptr()
    torch.cuda.current_stream().wait_stream(side)
    temporary.record_stream(torch.cuda.current_stream())
    torch.cuda._sleep(50 * MS)
    result.copy_(temporary)
    del temporary
    with torch.cuda.stream(side):
        other = torch.cuda.FloatTensor(host.size())
        other.zero_()
    assert other.data_ptr() != address
    assert result.tolist() == [1.0, 2.0, 3.0]
    torch.cuda.current_stream().synchronize()
    with torch.cuda.stream(side):
        assert torch.cuda.FloatTensor(host.size()).data_ptr() == address


def test_pinned_memory_is_reused_only_after_its_copies(machine: Machine) -> None:
    """A freed pinned block comes back at once, unless a copy still reads it."""
    host = torch.tensor([1.0]).pin_memory()
    address = host.data_ptr()
    del host
    host = torch.tensor([1.0]).pin_memory()
    assert host.data_ptr() == address
    device = torch.zeros(1, device="cuda")
    torch.cuda._sleep(50 * MS)
    device.copy_(host, non_blocking=True)
    del host
    assert torch.tensor([7.0]).pin_memory().data_ptr() != address
    assert device.item() == 1.0


@pytest.mark.parametrize("non_blocking", [True, False])
@pytest.mark.parametrize("target", ["cuda", "cpu"])
def test_a_copy_keeps_the_stream_busy_or_waits(machine: Machine, target: str, non_blocking: bool) -> None:
    """After a long kernel, the stream has work left exactly if the copy did not wait."""
    stream = torch.cuda.current_stream()
    x = torch.randn(1000, device="cuda") if target == "cpu" else torch.randn(1000).pin_memory()
    torch.cuda.synchronize()
    torch.cuda._sleep(100 * MS)
    y = x.to(device=target, non_blocking=non_blocking)
    assert stream.query() is not non_blocking
    assert y.is_pinned() is (non_blocking and target == "cpu")
    stream.synchronize()
    assert torch.equal(x.cpu(), y.cpu())


def test_copies_meet_on_the_current_streams_of_both_devices(machine: Machine) -> None:
    """A later copy from another source stream comes after an earlier one to the same destination stream."""
    x = torch.zeros(5, device="cuda:0")
    y = torch.empty(5, device="cuda:1")
    more = x + 1
    torch.cuda.synchronize(0)
    first, second = torch.cuda.Stream(device="cuda:0"), torch.cuda.Stream(device="cuda:0")
    common = torch.cuda.Stream(device="cuda:1")
    with torch.cuda.stream(first):
        torch.cuda._sleep(50 * MS)
        with torch.cuda.stream(common):
            y.copy_(more)
    with torch.cuda.stream(second), torch.cuda.stream(common):
        y.copy_(x)
    common.synchronize()
    assert torch.equal(y.cpu(), x.cpu())
    begins = [op for op in machine.trace if op.name == "p2p"]
    assert begins[1].begin_ns >= begins[0].end_ns


def test_the_device_of_a_result_is_that_of_its_inputs(machine: Machine) -> None:
    """The current device decides where new tensors go, not where operators run."""
    x, y = torch.randn(5).cuda(), torch.randn(5).cuda()
    with torch.cuda.device(1):
        assert torch.randn(5).cuda().get_device() == 1
        assert x.add(y).get_device() == 0
        assert torch.cat([x, y]).get_device() == 0
        moved = y.cuda()
        assert moved.get_device() == 1 and moved.cuda() is moved
        assert x.new([0, 1, 2]).get_device() == 0 and x.new([0, 1], device=1).get_device() == 1
        assert torch.cuda.FloatTensor(1).get_device() == 1
        assert torch.cuda.FloatTensor(1, device=0).get_device() == 0
    assert moved.cuda().get_device() == 0


def test_set_device_inside_a_block_is_undone_by_it(machine: Machine) -> None:
    """Leaving `with torch.cuda.device` restores what was before, whatever was set inside."""
    with torch.cuda.device(1):
        torch.cuda.set_device(0)
        assert torch.cuda.current_device() == 0
        with torch.cuda.device(1):
            assert torch.cuda.current_device() == 1
        torch.cuda.set_device(1)
    assert torch.cuda.current_device() == 0


def test_types_and_files(machine: Machine) -> None:
    """The old type names hold for loaded tensors, storages share, an empty tensor keeps its device."""
    x, y = torch.randn(5, 5).cuda(), torch.IntTensor(2, 5).fill_(0).cuda()
    buffer = io.BytesIO()
    torch.save([x, y, x, torch.cuda.FloatTensor()], buffer)
    buffer.seek(0)
    a, b, c, empty = torch.load(buffer)
    assert isinstance(a, torch.cuda.FloatTensor) and isinstance(b, torch.cuda.IntTensor)
    a.fill_(5)
    assert torch.equal(a.cpu(), c.cpu()) and empty.get_device() == 0 and empty.numel() == 0
    assert isinstance(x.cpu(), torch.FloatTensor) and isinstance(x.double(), torch.cuda.DoubleTensor)
    assert not isinstance(x.cpu(), torch.cuda.FloatTensor)


def test_improper_names(machine: Machine) -> None:
    """`cuda0` is no device, and a cpu is no CUDA device."""
    for call in (lambda: torch.ones(1, device="cuda0"), lambda: torch.ones(1).to("cuda0")):
        with pytest.raises(RuntimeError, match="Invalid device string"):
            call()
    for call in (
        lambda: torch.cuda.synchronize("cpu"),
        lambda: torch.cuda.current_stream(torch.device("cpu")),
    ):
        with pytest.raises(ValueError, match="Expected a cuda device, but got: cpu"):
            call()


def test_properties(machine: Machine) -> None:
    """None, nothing and the current index mean the same device; a UUID has 36 characters."""
    properties: Any = torch.cuda.get_device_properties(None)
    assert properties == torch.cuda.get_device_properties() == torch.cuda.get_device_properties(0)
    assert len(str(properties.uuid)) == 36 and len(properties.uuid.bytes) == 16
    assert torch.cuda.get_device_capability(None) == torch.cuda.get_device_capability(0)


def test_an_event_has_a_device_when_it_is_recorded(machine: Machine) -> None:
    """Before, it has none."""
    event = torch.cuda.Event()
    assert event.device is None
    with torch.cuda.device(1):
        event.record()
    assert event.device == torch.device("cuda", 1)


def test_a_conversion_after_an_early_copy(machine: Machine) -> None:
    """Device to pinned host to device of another type, all without waiting: one stream keeps the order."""
    a, b = torch.ones(1, device="cuda"), torch.zeros(1, pin_memory=True)
    c = torch.empty(1, device="cuda", dtype=torch.long)
    torch.cuda._sleep(100 * MS)
    b.copy_(a, non_blocking=True)
    c.copy_(b, non_blocking=True)
    assert not machine.waits and c.item() == 1


def test_seeding_shows(machine: Machine) -> None:
    """initial_seed says what either manual_seed set."""
    torch.manual_seed(2)
    assert torch.cuda.initial_seed() == 2
    torch.cuda.manual_seed(4)
    assert torch.cuda.initial_seed() == 4 and torch.initial_seed() == 2


def test_too_much_memory_says_so(machine: Machine) -> None:
    """Beyond an exbibyte PyTorch does not even try; the device goes on working."""
    x = torch.zeros(8, device="cuda")
    with pytest.raises(RuntimeError, match="Tried to allocate more than 1EB memory"):
        torch.empty(8_000_000_000 << 30, dtype=torch.int8, device="cuda")
    with pytest.raises(
        torch.OutOfMemoryError, match=r"Tried to allocate 800000000.00 GiB. GPU 0 has a total"
    ):
        torch.empty(800_000_000 << 30, dtype=torch.int8, device="cuda")
    x.fill_(1)
    assert bool((x == 1).all())
