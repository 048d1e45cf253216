"""Hidden checks of exercise 12."""

import contextlib
import gc

import torch

from ptquiz.worker import claims

MIB = 1 << 20
KEYS = ["free", "total", "allocated", "reserved", "cached"]


def _bytes(n, device=0):
    return torch.empty(n, dtype=torch.uint8, device=f"cuda:{device}")


def _report(submission, *device):
    what = f"memory_report({', '.join(map(repr, device))})"
    report = claims.instance(submission.memory_report(*device), dict, what)
    claims.that(
        sorted(report) == sorted(KEYS),
        (f"{what} has the keys {KEYS}", f"{what} 的键是 {KEYS}"),
        f"{sorted(report, key=str)}",
    )
    for key in KEYS:
        claims.instance(
            report[key], int, f"{what}[{key!r}]", ("whole numbers of bytes", "以字节为单位的整数")
        )
    return report


def _equal(came, expected, case, keys, look=""):
    for key in keys:
        claims.that(
            came[key] == expected[key],
            (f"{case[0]}, {key} == {expected[key]}", f"{case[1]}，{key} == {expected[key]}"),
            f"{came[key]}",
            look,
        )


def _truth(device=0):
    free, total = torch.cuda.mem_get_info(device)
    allocated, reserved = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
    return dict(zip(KEYS, [free, total, allocated, reserved, reserved - allocated], strict=True))


@contextlib.contextmanager
def _another_process(nbytes):
    """As if another process held so much of every device: the driver says less is free."""
    runtime, accelerator = torch.cuda.cudart, torch._C._accelerator_getMemoryInfo

    class _Runtime:
        def __getattr__(self, name):
            return getattr(runtime(), name)

        def cudaMemGetInfo(self, device):  # noqa: N802  (the name in the CUDA runtime)
            free, total = runtime().cudaMemGetInfo(device)
            return free - nbytes, total

    def less(device):
        free, total = accelerator(device)
        return free - nbytes, total

    torch.cuda.cudart, torch._C._accelerator_getMemoryInfo = _Runtime, less
    try:
        yield
    finally:
        torch.cuda.cudart, torch._C._accelerator_getMemoryInfo = runtime, accelerator


def _mixed(draw, device=0):
    """Live tensors, and a cache of split blocks and of whole segments."""
    small = [_bytes(draw.integer(1, 3000), device) for _ in range(9)]
    large = [_bytes(draw.integer(2, 8) * MIB + draw.integer(1, 99), device) for _ in range(3)]
    whole = _bytes(draw.integer(24, 40) * MIB, device)
    del whole, small[2:6], large[1]
    return small, large


def test_keys(submission, draw, gpu):
    """Five whole numbers, in bytes."""
    held = _bytes(draw.integer(1, 5000))
    for device in [(), (None,), (0,), ("cuda",), ("cuda:0",), (torch.device("cuda", 0),)]:
        _report(submission, *device)
    del held


def test_asking_changes_nothing(submission, draw, gpu):
    """Asking changes nothing."""
    held = _mixed(draw)
    _bytes(3 * MIB)
    gc.collect()
    watched = [
        "allocation.all.allocated",
        "allocated_bytes.all.peak",
        "reserved_bytes.all.current",
        "reserved_bytes.all.peak",
    ]

    def picture():
        stats = torch.cuda.memory_stats(0)
        return {**{name: stats[name] for name in watched}, "current device": torch.cuda.current_device()}

    before = picture()
    for device in [None, 0, gpu.count - 1]:
        submission.memory_report(device)
        after = picture()
        for name, value in before.items():
            claims.that(
                after[name] == value,
                (
                    f"after memory_report({device}), {name} is still {value}",
                    f"memory_report({device}) 之后，{name} 仍是 {value}",
                ),
                f"{after[name]}",
            )
    del held


def test_allocator(submission, draw, gpu):
    """allocated, reserved and cached are the allocator's."""
    keys = ["allocated", "reserved", "cached"]
    look = (
        "allocated: held by tensors now; reserved: all that the allocator has; cached: the rest",
        "allocated 是张量现在占的，reserved 是分配器手里的全部，cached 是两者之差",
    )
    for _ in range(3):
        held = _mixed(draw)
        case = ("with live tensors and a cache", "既有活着的张量又有缓存时")
        with _another_process(7 * MIB):
            _equal(_report(submission), _truth(), case, keys, look)
        gone = _bytes(draw.integer(2, 8) * MIB)
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            gpu.busy(50)
        gone.record_stream(side)
        del gone
        case = (
            "with a tensor gone whose stream is still at work",
            "有张量已释放、但用它的流还没执行完时",
        )
        _equal(_report(submission), _truth(), case, keys, look)
        del held
        gpu.settle()


def test_driver(submission, draw, gpu):
    """free and total are the driver's."""
    held = _mixed(draw)
    look = ("the driver knows of all processes: mem_get_info", "驱动知道所有进程的占用：mem_get_info")
    for other in [0, draw.integer(3, 30) * MIB]:
        case = (
            f"while another process holds {other // MIB} MiB",
            f"另一进程占着 {other // MIB} MiB 时",
        )
        with _another_process(other):
            _equal(_report(submission), _truth(), case, ["total", "free"], look)
    torch.cuda.set_per_process_memory_fraction(0.75, 0)
    case = ("under a cap of three quarters", "上限为四分之三时")
    _equal(_report(submission), _truth(), case, ["total", "free"], look)
    torch.cuda.set_per_process_memory_fraction(1.0, 0)
    del held


def test_life_of_a_tensor(submission, draw, gpu):
    """After del, after empty_cache."""
    torch.cuda.empty_cache()
    empty = _report(submission)
    _equal(empty, _truth(), ("at the beginning", "一开始"), KEYS)
    n = draw.integer(10, 30) * 2 * MIB  # the granule of large segments, so that nothing is rounded
    tensor = _bytes(n)
    full = _report(submission)
    _equal(full, _truth(), ("with one large tensor", "有一个大张量时"), KEYS)
    del tensor
    cached = _report(submission)
    case = ("after del: allocated falls and free does not rise", "del 之后：allocated 下降，free 不升")
    _equal(cached, {**full, "allocated": full["allocated"] - n, "cached": full["cached"] + n}, case, KEYS)
    torch.cuda.empty_cache()
    case = ("after empty_cache: free rises again", "empty_cache 之后：free 回升")
    _equal(_report(submission), empty, case, KEYS)


def test_each_device(submission, draw, gpu):
    """Each device its own."""
    gpu.device(1)
    # 44 MiB fit into nothing that `_mixed` leaves, and two of those differ by less: no number is the same.
    held = [_mixed(draw, 0), _mixed(draw, 1), _bytes(44 * MIB, 1)]
    for current in [0, 1]:
        torch.cuda.set_device(current)
        asked = [
            (0, 0),
            (1, 1),
            ("cuda:1", 1),
            (torch.device("cuda", 0), 0),
            (None, current),
            ("cuda", current),
        ]
        for device, meant in asked:
            case = (
                f"memory_report({device!r}) while cuda:{current} is current",
                f"当前设备为 cuda:{current} 时，memory_report({device!r})",
            )
            look = (f"every number is that of cuda:{meant}", f"每个数都应是 cuda:{meant} 的")
            _equal(_report(submission, device), _truth(meant), case, KEYS, look)
    torch.cuda.set_device(0)
    del held
