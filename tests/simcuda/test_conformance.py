"""The same scenarios on the simulated device and on a real one, against one table of facts.

Each scenario returns plain values. What stands in `FACTS` is what PyTorch's documentation and source say; the
simulated device must give it everywhere, and a real device where there is one (marker `gpu`).
"""

from __future__ import annotations

import threading

import pytest
import torch

from ptquiz.simcuda import simulated_cuda

KIB, MIB = 1 << 10, 1 << 20


def outcome(call):
    """The class and the first words of the error that `call` raises."""
    try:
        call()
    except Exception as error:
        return type(error).__name__, str(error).split("\n")[0][:60]
    return "no error", ""


class Books:
    """Differences of the counters since the start, after the cache has been emptied."""

    def __init__(self) -> None:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        self.start = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
        torch.cuda.reset_peak_memory_stats()

    def allocated(self):
        return torch.cuda.memory_allocated() - self.start[0]

    def peak(self):
        return torch.cuda.max_memory_allocated() - self.start[0]

    def reserved(self):
        return torch.cuda.memory_reserved() - self.start[1]


def rounding():
    """Sizes of tensors."""
    books = Books()
    seen = []
    for size in (0, 1, 512, 513, 1000, MIB, MIB + 1):
        x = torch.empty(size, dtype=torch.uint8, device="cuda")
        seen.append(books.allocated())
        del x
    return seen


def segments():
    """What is reserved for one tensor of each size."""
    seen = []
    for size in (1, MIB + 1, 10 * MIB - 512, 10 * MIB, 10 * MIB + 1, 23 * MIB):
        books = Books()
        x = torch.empty(size, dtype=torch.uint8, device="cuda")
        seen.append(books.reserved() // MIB)
        del x
    return seen


def lifetime():
    """Views, graph, gradient."""
    books = Books()
    x = torch.zeros(256 * KIB, device="cuda", requires_grad=True)
    y = x.exp()
    view = y[5]
    seen = [books.allocated()]
    del y
    seen.append(books.allocated())
    view.backward()
    del view
    seen.append(books.allocated())
    x.grad = None
    seen.append(books.allocated())
    return seen


def temporaries():
    """Peaks of (x + 1) * 2 and of the same in place."""
    x = torch.zeros(256 * KIB, device="cuda")
    books = Books()
    y = (x + 1) * 2
    seen = [books.allocated(), books.peak()]
    del y
    books = Books()
    x.add_(1).mul_(2)
    return [*seen, books.peak()]


def cache():
    """What is freed stays reserved until the cache is emptied; what is in use stays then."""
    books = Books()
    x, y = (torch.empty(30 * MIB, dtype=torch.uint8, device="cuda") for _ in range(2))
    del x
    seen = [books.reserved() // MIB]
    torch.cuda.empty_cache()
    seen.append(books.reserved() // MIB)
    del y
    seen.append(books.reserved() // MIB)
    torch.cuda.empty_cache()
    return [*seen, books.reserved() // MIB]


def reuse():
    """Freed memory comes again on its stream, and not on another."""
    Books()
    side = torch.cuda.Stream()
    x = torch.empty(3 * MIB, device="cuda")
    address = torch.cuda.memory_snapshot()
    del x
    y = torch.empty(3 * MIB, device="cuda")
    same = [s["address"] for s in torch.cuda.memory_snapshot()] == [s["address"] for s in address]
    del y
    with torch.cuda.stream(side):
        z = torch.empty(3 * MIB, device="cuda")
    more = len(torch.cuda.memory_snapshot()) - len(address)
    del z
    torch.cuda.empty_cache()
    return [same, more]


def recorded():
    """A block that another stream uses waits for it."""
    books = Books()
    side = torch.cuda.Stream()
    x = torch.ones(1000, device="cuda")
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.cuda._sleep(200_000_000)
        x.mul(2)
    x.record_stream(side)
    del x
    stats = torch.cuda.memory_stats()
    waiting = stats["active_bytes.all.current"] - stats["allocated_bytes.all.current"]
    side.synchronize()
    y = torch.empty(1, device="cuda")  # the next request looks
    stats = torch.cuda.memory_stats()
    left = stats["active_bytes.all.current"] - stats["allocated_bytes.all.current"]
    seen = [waiting, left, books.allocated()]
    del y
    return seen


def exhaustion():
    """Out of memory by the allowed fraction: the error, and books that stay right."""
    books = Books()
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 64 * MIB) / total)
    try:
        x = torch.empty(30 * MIB, dtype=torch.uint8, device="cuda")
        ooms = torch.cuda.memory_stats()["num_ooms"]
        error = outcome(lambda: torch.empty(100 * MIB, dtype=torch.uint8, device="cuda"))
        seen = [error, torch.cuda.memory_stats()["num_ooms"] - ooms, books.allocated() // MIB]
        del x
        y = torch.empty(60 * MIB, dtype=torch.uint8, device="cuda")  # the cache goes first
        seen.append(books.reserved() // MIB)
        del y
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    return seen


def pools():
    """A MemPool's memory is its own, and goes with it."""
    books = Books()
    pool = torch.cuda.MemPool()
    with torch.cuda.use_mem_pool(pool):
        x = torch.empty(30 * MIB, dtype=torch.uint8, device="cuda")
    seen = [len(pool.snapshot()), pool.use_count()]
    del x
    torch.cuda.empty_cache()
    seen.append(books.reserved() // MIB)
    del pool
    return [*seen, books.reserved() // MIB]


def snapshot_shape():
    """Keys of a snapshot, and the states of its blocks."""
    Books()
    x = torch.empty(3 * MIB, device="cuda")
    segment = next(s for s in torch.cuda.memory_snapshot() if s["allocated_size"] == 12 * MIB)
    states = [b["state"] for b in segment["blocks"]]
    del x
    return [
        states,
        segment["segment_type"],
        segment["total_size"] // MIB,
        segment["blocks"][0]["requested_size"],
    ]


def statistic_names():
    """Names of the statistics, without those of private pools."""
    names = torch.cuda.memory_stats()
    return sorted({n.split(".")[0] for n in names if not n.startswith("reserved_bytes_by_private_pools")})


def current_streams():
    """Current streams nest, belong to a thread, and a default stream has the handle 0."""
    side = torch.cuda.Stream()
    default = torch.cuda.current_stream()
    box = []
    with torch.cuda.stream(side):
        inside = torch.cuda.current_stream() == side
        thread = threading.Thread(target=lambda: box.append(torch.cuda.current_stream() == default))
        thread.start()
        thread.join()
    restored = torch.cuda.current_stream() == default == torch.cuda.default_stream()
    return [inside, box, restored, default.cuda_stream, side.cuda_stream == 0]


def stream_queries():
    """A stream with work is not done until it has been waited for."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        torch.cuda._sleep(200_000_000)
    busy = side.query()
    other = torch.cuda.default_stream().query()
    side.synchronize()
    return [busy, other, side.query()]


def stream_pool():
    """After 32 streams the first one comes again; a priority out of range becomes the nearest."""
    streams = [torch.cuda.Stream() for _ in range(33)]
    again = [s == streams[32] for s in streams[:32]]
    return [sum(again), torch.cuda.Stream(priority=-100).priority == torch.cuda.Stream.priority_range()[1]]


def waiting():
    """Work behind a wait sees what was written before it."""
    side = torch.cuda.Stream()
    x = torch.zeros(1000, device="cuda")
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.cuda._sleep(20_000_000)
        x.add_(1)
    torch.cuda.current_stream().wait_stream(side)
    x.add_(1)
    return x.sum().item()


def events():
    """Queries and times of events."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    seen = [begin.query(), outcome(lambda: begin.elapsed_time(end))]
    begin.record()
    torch.cuda._sleep(200_000_000)
    end.record()
    seen += [end.query(), outcome(lambda: begin.elapsed_time(end))]
    end.synchronize()
    untimed = torch.cuda.Event()
    untimed.record()
    untimed.synchronize()
    elapsed = begin.elapsed_time(end)
    return [*seen, end.query(), 10 < elapsed < 2000, outcome(lambda: untimed.elapsed_time(end))]


def copies():
    """Pinned and pageable, both ways."""
    x = torch.arange(1000.0)
    pinned = x.pin_memory()
    on_device = pinned.to("cuda", non_blocking=True)
    back = on_device.to("cpu", non_blocking=True)
    torch.cuda.synchronize()
    return [
        pinned.is_pinned(),
        x.is_pinned(),
        back.is_pinned(),
        on_device.cpu().is_pinned(),
        torch.equal(back, x),
        on_device.to("cuda") is on_device,
        x.to("cpu") is x,
    ]


def errors():
    """What goes wrong goes wrong in PyTorch's own words."""
    x, host = torch.ones(3, device="cuda"), torch.ones(3)
    return [
        outcome(lambda: x + host),
        outcome(lambda: x.numpy()),
        outcome(lambda: torch.ones(1, device="cuda:99")),
        outcome(lambda: torch.cuda.stream()),
        outcome(lambda: torch.cuda.memory_allocated("cpu")),
        outcome(lambda: torch.cuda.set_per_process_memory_fraction(2.0)),
        outcome(lambda: x.pin_memory()),
        (x + torch.tensor(1.0)).tolist(),
    ]


FACTS = {
    rounding: [0, 512, 512, 1024, 1024, MIB, MIB + 512],
    segments: [2, 20, 20, 10, 12, 24],
    lifetime: [2 * MIB, 2 * MIB, 2 * MIB, MIB],
    temporaries: [MIB, 2 * MIB, 0],
    cache: [60, 30, 30, 0],
    reuse: [True, 1],
    recorded: [4096, 0, 512],
    exhaustion: [
        ("OutOfMemoryError", "CUDA out of memory. Tried to allocate 100.00 MiB. GPU 0 has "),
        1,
        30,
        60,
    ],
    pools: [1, 1, 30, 0],
    snapshot_shape: [["active_allocated"], "large", 12, 12 * MIB],
    statistic_names: [
        "active",
        "active_bytes",
        "allocated_bytes",
        "allocation",
        "inactive_split",
        "inactive_split_bytes",
        "max_split_size",
        "num_alloc_retries",
        "num_device_alloc",
        "num_device_free",
        "num_oom_rejections",
        "num_ooms",
        "num_sync_all_streams",
        "oversize_allocations",
        "oversize_segments",
        "requested_bytes",
        "reserved_bytes",
        "segment",
    ],
    current_streams: [True, [True], True, 0, False],
    stream_queries: [False, True, True],
    stream_pool: [1, True],
    waiting: 2000.0,
    events: [
        True,
        ("ValueError", "Both events must be recorded before calculating elapsed time"),
        False,
        ("RuntimeError", "Both events must be completed before calculating elapsed tim"),
        True,
        True,
        ("ValueError", "Both events must be created with argument 'enable_timing=Tru"),
    ],
    copies: [True, False, True, False, True, True, True],
    errors: [
        ("RuntimeError", "Expected all tensors to be on the same device, but found at "),
        ("TypeError", "can't convert cuda:0 device type tensor to numpy. Use Tensor"),
        ("AcceleratorError", "CUDA error: invalid device ordinal"),
        ("TypeError", "stream() missing 1 required positional argument: 'stream'"),
        ("ValueError", "Expected a cuda device, but got: cpu"),
        ("ValueError", "Invalid fraction value: 2.0. Allowed range: 0~1"),
        ("RuntimeError", "cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors c"),
        [2.0, 2.0, 2.0],
    ],
}

scenarios = pytest.mark.parametrize("scenario", FACTS, ids=lambda scenario: scenario.__name__)


@scenarios
def test_the_simulated_device(scenario):
    """The simulated device gives the facts of the table."""
    with simulated_cuda(memory="1GiB"):
        assert scenario() == FACTS[scenario]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@scenarios
def test_a_real_device(scenario):
    """A real device gives the same facts."""
    torch.ones(1, device="cuda").sum().item()  # the context is there before anything is counted
    assert scenario() == FACTS[scenario]
