"""torch.cuda's memory functions with tensors: what keeps memory alive, what frees it, and what is counted."""

from __future__ import annotations

import gc
import re
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from ptquiz.simcuda import simulated_cuda
from ptquiz.simcuda.errors import NotModelled

KIB, MIB = 1 << 10, 1 << 20
STATM = Path("/proc/self/statm")


@pytest.fixture
def machine():
    with simulated_cuda(devices=2, memory="256MiB") as machine:
        yield machine


def allocated(device=None):
    return torch.cuda.memory_allocated(device)


def test_a_tensor_is_counted_in_512_bytes(machine):
    """memory_allocated grows by the rounded size, and falls when the last reference goes."""
    x = torch.empty(1000, device="cuda")
    assert allocated() == 4096
    y = torch.empty(1, device="cuda")
    assert allocated() == 4608
    del x
    assert allocated() == 512
    del y
    assert allocated() == 0


def test_an_empty_tensor_owns_nothing(machine):
    """Zero elements, zero bytes."""
    x = torch.empty(0, device="cuda")
    y = torch.empty(3, 0, 2, device="cuda")
    assert allocated() == 0
    assert x.is_cuda and y.is_cuda


def test_a_view_keeps_the_whole_memory(machine):
    """A view of one element keeps all of it; the view itself costs nothing."""
    x = torch.zeros(1024, 256, device="cuda")
    view = x[3, 5]
    assert allocated() == MIB
    del x
    assert allocated() == MIB
    del view
    assert allocated() == 0


@pytest.mark.parametrize(
    "view", ["t()", "view(-1)", "unsqueeze(0)", "detach()", "expand(4, 64, 64)", "chunk(2)"]
)
def test_views_cost_nothing(machine, view):
    """An operation that only looks at memory differently takes none."""
    x = torch.zeros(64, 64, device="cuda")
    before = allocated()
    y = eval(f"x.{view}", {"x": x})
    assert allocated() == before
    assert y is not None


def test_the_graph_keeps_what_backward_needs(machine):
    """exp saves its result: it lives with the graph and goes with it."""
    x = torch.zeros(256 * KIB, device="cuda", requires_grad=True)
    y = x.exp()
    z = y.sum()
    assert allocated() == 2 * MIB + 512
    del y
    assert allocated() == 2 * MIB + 512, "saved for backward"
    del z
    assert allocated() == MIB


def test_backward_frees_the_graph_and_fills_grad(machine):
    """After backward what was saved is gone, and .grad is there until it is set to None."""
    x = torch.zeros(256 * KIB, device="cuda", requires_grad=True)
    loss = x.exp().sum()
    loss.backward()
    del loss
    assert allocated() == 2 * MIB
    x.grad = None
    assert allocated() == MIB


def test_no_grad_keeps_nothing(machine):
    """Without a graph intermediate results go at once."""
    x = torch.zeros(256 * KIB, device="cuda", requires_grad=True)
    with torch.no_grad():
        y = x.exp().exp().exp()
    assert allocated() == 2 * MIB
    assert torch.cuda.max_memory_allocated() == 3 * MIB
    del y


def test_temporaries_show_in_the_peak(machine):
    """(x + 1) * 2 needs a third tensor for a moment."""
    x = torch.zeros(256 * KIB, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    y = (x + 1) * 2
    assert allocated() == 2 * MIB
    assert torch.cuda.max_memory_allocated() == 3 * MIB
    torch.cuda.reset_peak_memory_stats()
    assert torch.cuda.max_memory_allocated() == 2 * MIB
    y.add_(1).mul_(2)
    assert torch.cuda.max_memory_allocated() == 2 * MIB, "in place"


def test_an_mlp_step_byte_for_byte(machine):
    """Every byte of a training step is a tensor that one can name."""
    model = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 16)).cuda()
    weights = (256 * 512 + 512 + 512 * 16) * 4 + 512  # the last bias has 64 bytes, rounded to 512
    assert allocated() == weights
    x, target = torch.randn(128, 256, device="cuda"), torch.randn(128, 16, device="cuda")
    inputs, hidden, output = 128 * 256 * 4, 128 * 512 * 4, 128 * 16 * 4
    assert allocated() == weights + inputs + output
    y = model(x)
    # The first layer's own result goes: ReLU saves what it returns.
    assert allocated() == weights + inputs + 2 * output + hidden
    assert torch.cuda.max_memory_allocated() == weights + inputs + output + 2 * hidden
    loss = (y - target).pow(2).mean()
    # The loss, and the difference, which pow saves; the squares have gone.
    assert allocated() == weights + inputs + 3 * output + hidden + 512
    loss.backward()
    del y, loss
    assert allocated() == 2 * weights + inputs + output
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert allocated() == 2 * weights + inputs + output, "SGD without momentum keeps nothing"
    model.zero_grad()
    assert allocated() == weights + inputs + output


def test_momentum_costs_the_weights_once_more(machine):
    """SGD with momentum keeps one tensor a parameter."""
    model = nn.Linear(256, 512).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(1, 256, device="cuda")).sum().backward()
    before = allocated()
    optimizer.step()
    assert allocated() == before + (256 * 512 + 512) * 4


def test_the_cache_keeps_what_is_freed(machine):
    """Deleting a tensor does not give memory to the driver; empty_cache does."""
    x = torch.empty(4 * MIB, device="cuda")
    assert torch.cuda.memory_reserved() == 16 * MIB
    assert torch.cuda.mem_get_info() == (240 * MIB, 256 * MIB)
    del x
    assert (allocated(), torch.cuda.memory_reserved()) == (0, 16 * MIB)
    assert torch.cuda.mem_get_info()[0] == 240 * MIB
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() == 0
    assert torch.cuda.mem_get_info() == (256 * MIB, 256 * MIB)
    assert torch.cuda.max_memory_reserved() == 16 * MIB


def test_memory_comes_again(machine):
    """The next tensor of a freed one's size gets the same memory."""
    x = torch.empty(1000, device="cuda")
    first = machine.allocators[0].snapshot()[0]["blocks"][0]["address"]
    del x
    y = torch.empty(1000, device="cuda")
    assert machine.allocators[0].snapshot()[0]["blocks"][0]["address"] == first
    assert torch.cuda.memory_reserved() == 2 * MIB
    del y


def test_each_device_has_its_own_books(machine):
    """What happens on one device does not show on the other."""
    x = torch.empty(1000, device="cuda:1")
    assert (allocated(0), allocated(1)) == (0, 4096)
    y = x.to("cuda:0")
    assert (allocated(0), allocated(1)) == (4096, 4096)
    del x, y


@pytest.mark.parametrize("device", [1, "cuda:1", torch.device("cuda", 1)])
def test_ways_to_name_a_device(machine, device):
    """An index, a string, a torch.device; None and "cuda" are the current one."""
    x = torch.empty(1000, device="cuda:1")
    assert allocated(device) == 4096
    assert torch.cuda.mem_get_info(device)[0] == 254 * MIB
    with torch.cuda.device(1):
        assert allocated() == allocated("cuda") == allocated(torch.device("cuda")) == 4096
    assert allocated() == 0
    torch.cuda.reset_peak_memory_stats(device)
    del x


def test_wrong_devices_are_refused(machine):
    """The CPU has no CUDA memory, and a device that is not there raises."""
    with pytest.raises(ValueError, match="Expected a cuda device, but got: cpu"):
        allocated("cpu")
    with pytest.raises(RuntimeError, match="Invalid device argument 5"):
        allocated(5)
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.cuda.mem_get_info(5)


def test_statistics_have_pytorchs_names(machine):
    """memory_stats has every key that its documentation names, sorted; the nested form agrees."""
    x = torch.empty(2 * MIB, device="cuda")
    stats = torch.cuda.memory_stats()
    assert list(stats) == sorted(stats)
    named = re.findall(r'- ``"([a-z_.{},]+)"``', torch.cuda.memory_stats.__doc__)
    assert len(named) > 12
    for pattern in named:
        # The documentation says "allocated" for what the dictionary (and memory_summary) calls "allocation".
        pattern = re.sub(r"^allocated\.", "allocation.", pattern)
        if pattern.startswith("reserved_bytes_by_private_pools"):
            continue
        for key in expanded(pattern):
            assert isinstance(stats[key], int), key
    assert stats["reserved_bytes.large_pool.current"] == 20 * MIB
    assert stats["inactive_split_bytes.all.current"] == 12 * MIB
    assert stats["max_split_size"] == -1
    nested = torch.cuda.memory_stats_as_nested_dict()
    assert nested["allocated_bytes"]["all"]["current"] == 8 * MIB
    del x


def expanded(pattern):
    """The keys that `a.{b,c}.d` stands for."""
    match = re.search(r"\{([^}]*)\}", pattern)
    if match is None:
        return [pattern]
    parts = match[1].split(",")
    return [
        key for part in parts for key in expanded(pattern[: match.start()] + part + pattern[match.end() :])
    ]


def test_summary_and_accumulated_numbers(machine):
    """memory_summary prints; the accumulated numbers can be reset."""
    x = torch.empty(1000, device="cuda")
    text = torch.cuda.memory_summary()
    assert "PyTorch CUDA memory summary, device ID 0" in text
    assert re.search(r"Allocated memory +\| +4096 B", text)
    torch.cuda.reset_accumulated_memory_stats()
    assert torch.cuda.memory_stats()["allocated_bytes.all.allocated"] == 0
    del x
    assert torch.cuda.memory_stats()["allocated_bytes.all.freed"] == 4096


def test_old_names(machine):
    """The deprecated names warn and still work."""
    x = torch.empty(1000, device="cuda")
    with pytest.warns(FutureWarning):
        assert torch.cuda.memory_cached() == 2 * MIB
    with pytest.warns(FutureWarning):
        assert torch.cuda.max_memory_cached() == 2 * MIB
    del x
    with pytest.warns(FutureWarning):
        torch.cuda.reset_max_memory_allocated()
    assert torch.cuda.max_memory_allocated() == 0


def test_the_generic_accelerator_sees_the_same(machine):
    """torch.accelerator's memory functions are the same books."""
    x = torch.empty(1000, device="cuda")
    accelerator = torch.accelerator
    assert accelerator.memory_allocated() == 4096
    assert accelerator.memory_reserved() == 2 * MIB
    assert accelerator.get_memory_info() == (254 * MIB, 256 * MIB)
    del x
    assert accelerator.max_memory_allocated() == 4096
    accelerator.reset_peak_memory_stats()
    assert accelerator.max_memory_allocated() == 0
    accelerator.empty_cache()
    assert accelerator.memory_reserved() == 0


@pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc")
def test_a_huge_tensor_is_only_address_space():
    """torch.empty of 6 GiB costs no real memory."""
    with simulated_cuda(memory="16GiB"):
        before = resident_pages()
        x = torch.empty(6 << 30, dtype=torch.uint8, device="cuda")
        y = torch.empty_like(x)
        assert torch.cuda.memory_allocated() == 12 << 30
        assert (resident_pages() - before) * 4096 < 1 << 30
        del x, y


def resident_pages():
    return int(STATM.read_text().split()[1])


def test_memory_freed_by_another_thread(machine):
    """The last reference may go in any thread."""
    box = [torch.empty(1000, device="cuda")]
    thread = threading.Thread(target=box.clear)
    thread.start()
    thread.join()
    assert allocated() == 0


def test_memory_freed_by_the_collector(machine):
    """Tensors in cycles are freed when the collector finds them, even in the middle of an operation."""
    x = torch.ones(100, device="cuda")
    old = gc.get_threshold()
    gc.set_threshold(1)  # nearly every allocation of a container starts a collection
    try:
        for _ in range(30):
            cycle = [x + 1]
            cycle.append(cycle)
            del cycle
            x = x * 1.0
    finally:
        gc.set_threshold(*old)
    gc.collect()
    assert allocated() == 512


def test_a_finalizer_may_use_the_device(machine):
    """A finalizer that runs in the middle of an operation may allocate, free and empty the cache."""

    class Restless:
        def __init__(self):
            self.me = self

        def __del__(self):
            x = torch.empty(1000, device="cuda") + 1
            torch.cuda.empty_cache()
            torch.cuda.memory_stats()
            del x

    old = gc.get_threshold()
    gc.set_threshold(3)
    try:
        for _ in range(60):
            Restless()
            y = [torch.empty(size, device="cuda") for size in (10, 300_000)]
            del y
    finally:
        gc.set_threshold(*old)
    gc.collect()
    assert allocated() == 0
    for segment in torch.cuda.memory_snapshot():
        assert sum(b["size"] for b in segment["blocks"]) == segment["total_size"]
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() == 0


def test_threads_share_the_books(machine):
    """Threads with streams of their own allocate and free at once; at the end nothing is left."""
    failures = []

    def work(seed):
        try:
            kept = []
            with torch.cuda.stream(torch.cuda.Stream()):
                for index in range(80):
                    kept.append(torch.empty((index * 7919 + seed) % 300_000 + 1, device="cuda"))
                    if index % 3:
                        kept.pop(index % len(kept))
                    if index % 40 == 0:
                        torch.cuda.empty_cache()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert allocated() == 0
    assert torch.cuda.memory_stats()["allocation.all.allocated"] == 4 * 80


def test_tensors_may_outlive_the_device():
    """A tensor that survives the context does no harm, and the next device has clean books."""
    with simulated_cuda(memory="256MiB"):
        survivor = torch.ones(1000, device="cuda")
    with simulated_cuda(memory="256MiB"):
        assert torch.cuda.memory_allocated() == 0
        del survivor
        assert torch.cuda.memory_allocated() == 0


def test_caching_allocator_alloc(machine):
    """Raw memory is counted until it is deleted; an unknown address is refused."""
    pointer = torch.cuda.caching_allocator_alloc(1000)
    assert allocated() == 1024
    torch.cuda.caching_allocator_delete(pointer)
    assert allocated() == 0
    with pytest.raises(RuntimeError, match="invalid device pointer"):
        torch.cuda.caching_allocator_delete(pointer)
    with pytest.raises(TypeError, match="Invalid type for stream argument"):
        torch.cuda.caching_allocator_alloc(1000, stream="default")


def test_record_stream_keeps_memory_until_the_stream_is_done(machine):
    """A tensor used on another stream is freed at once, but its memory waits for that stream."""
    side = torch.cuda.Stream()
    x = torch.ones(1000, device="cuda")
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.cuda._sleep(100_000_000)
        x.mul(2)
    x.record_stream(side)
    del x
    stats = torch.cuda.memory_stats()
    assert stats["active_bytes.all.current"] - stats["allocated_bytes.all.current"] == 4096
    y = torch.empty(1000, device="cuda")
    state = {b["state"] for s in torch.cuda.memory_snapshot() for b in s["blocks"]}
    assert "active_awaiting_free" in state
    side.synchronize()
    z = torch.empty(1000, device="cuda")
    assert torch.cuda.memory_snapshot()[0]["blocks"][0]["state"] == "active_allocated"
    assert torch.cuda.memory_stats()["active_bytes.all.current"] == allocated()
    del y, z


def test_the_cache_belongs_to_the_stream(machine):
    """Memory freed by a tensor of one stream is not given to another stream."""
    side = torch.cuda.Stream()
    x = torch.empty(1000, device="cuda")
    del x
    with torch.cuda.stream(side):
        y = torch.empty(1000, device="cuda")
    assert torch.cuda.memory_reserved() == 4 * MIB
    assert {s["stream"] for s in torch.cuda.memory_snapshot()} == {0, side.cuda_stream}
    del y


def test_a_pinned_buffer_in_flight_is_not_given_out(machine):
    """A pinned buffer that a copy still reads is held after it was freed, and comes again afterwards."""
    torch.cuda._sleep(100_000_000)
    buffer = torch.ones(1000, pin_memory=True)
    on_device = buffer.to("cuda", non_blocking=True)
    del buffer
    other = torch.empty(1000, pin_memory=True)
    assert torch.cuda.host_memory_stats()["num_host_alloc"] == 2
    torch.cuda.synchronize()
    again = torch.empty(1000, pin_memory=True)
    assert torch.cuda.host_memory_stats()["num_host_alloc"] == 2
    del other, again
    assert on_device.sum().item() == 1000


def test_growing_storage_is_counted(machine):
    """resize_ takes new memory, and an out= argument that grows too."""
    x = torch.empty(128, device="cuda")
    x.resize_(1024)
    assert allocated() == 4096
    y = torch.empty(0, device="cuda")
    torch.add(x, x, out=y)
    assert allocated() == 8192


def test_pinned_memory_is_counted_apart(machine):
    """Pinned host memory shows in host_memory_stats, in powers of two, and not on the device."""
    x = torch.empty(1000, pin_memory=True)
    stats = torch.cuda.host_memory_stats()
    assert stats["active_bytes.current"] == 4096
    assert stats["num_host_alloc"] == 1
    assert allocated() == 0
    del x
    stats = torch.cuda.host_memory_stats()
    assert stats["active_bytes.current"] == 0
    assert stats["allocated_bytes.current"] == 4096
    torch.cuda.reset_peak_host_memory_stats()
    assert torch.cuda.host_memory_stats()["active_bytes.peak"] == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.cuda.memory._record_memory_history(),
        lambda: torch.cuda.list_gpu_processes(),
        lambda: torch.cuda.caching_allocator_enable(False),
        lambda: torch.cuda.cudart().cudaHostRegister(0, 0, 0),
        lambda: torch.cuda.memory._get_current_allocator(),
    ],
)
def test_what_is_not_modelled_says_so(machine, call):
    """Nothing pretends to have worked."""
    with pytest.raises(NotModelled):
        call()


def test_backend(machine):
    """The allocator is the native one, as far as one can ask."""
    assert torch.cuda.get_allocator_backend() == "native"


def test_leaving_restores_torch():
    """Outside of the context the functions are torch's own again."""
    names = [name for name in dir(torch._C) if "emory" in name or "lloc" in name]
    before = {name: getattr(torch._C, name) for name in names}
    pool, processes = torch.cuda.MemPool, torch.cuda.list_gpu_processes
    with simulated_cuda():
        torch.empty(3, device="cuda")
        assert torch.cuda.MemPool is not pool
    assert {name: getattr(torch._C, name) for name in names} == before
    assert torch.cuda.MemPool is pool and torch.cuda.list_gpu_processes is processes
