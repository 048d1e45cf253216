"""Hidden checks of exercise 10."""

import contextlib

import torch

from ptquiz.worker import claims

FIELDS = ["before", "after", "delta", "peak", "reserved"]


class BlockError(Exception):
    """What the checks' own blocks raise."""


def _bytes(n, device=0):
    return torch.empty(n, dtype=torch.uint8, device=f"cuda:{device}")


def _granules(n):
    """What the allocator counts for n bytes."""
    return (n + 511) // 512 * 512


def _size(draw, low=2_000, high=900_000):
    """An odd number of bytes; small enough for the pool that splits its blocks exactly."""
    return draw.integer(low, high) | 1


def _field(m, name, expected, case, look=""):
    value = getattr(m, name, None)
    what = (f"{case[0]}, m.{name}", f"{case[1]}，m.{name}")
    claims.instance(value, int, what)
    claims.that(value == expected, (f"{what[0]} == {expected}", f"{what[1]} == {expected}"), f"{value}", look)


def test_fields(submission, draw, gpu):
    """Five integers when the block has ended."""
    for device in [None, 0, "cuda", "cuda:0", torch.device("cuda", 0), torch.device("cuda")]:
        manager = submission.memory_monitor(device)
        with manager as m:
            kept = _bytes(_size(draw))
        for name in FIELDS:
            claims.that(
                hasattr(m, name),
                (f"after the block, m.{name}", f"代码块结束后有 m.{name}"),
                ("there is none", "没有"),
            )
            claims.instance(getattr(m, name), int, f"memory_monitor({device!r}): m.{name}")
        del kept


def test_leaves_memory_alone(submission, draw, gpu):
    """The monitor leaves the memory alone."""
    passing = [_bytes(900_000) for _ in range(5)]
    del passing
    count = torch.cuda.memory_stats(0)["allocation.all.allocated"]
    reserved = torch.cuda.memory_reserved(0)
    with submission.memory_monitor():
        pass
    claims.that(
        torch.cuda.memory_stats(0)["allocation.all.allocated"] == count,
        ("the monitor allocates nothing on the device", "monitor 不在设备上分配"),
        ("it allocated", "它分配了"),
    )
    claims.that(
        torch.cuda.memory_reserved(0) == reserved,
        ("the monitor leaves the cache as it was", "monitor 不动缓存"),
        (
            f"reserved went from {reserved} to {torch.cuda.memory_reserved(0)}",
            f"占用从 {reserved} 变为 {torch.cuda.memory_reserved(0)}",
        ),
        "empty_cache",
    )


def test_before_after_delta(submission, draw, gpu):
    """before, after and delta in granules of 512 bytes."""
    look = (
        "memory_allocated, at the moment of entering and of leaving",
        "进入和离开那一刻的 memory_allocated",
    )
    for n in [1, 512, 513, _size(draw), _size(draw)]:
        manager = submission.memory_monitor()
        old = _bytes(_size(draw))
        start = torch.cuda.memory_allocated(0)
        with manager as m:
            new = _bytes(n)
        case = (f"after a block that allocates {n} bytes", f"代码块分配了 {n} 字节之后")
        _field(m, "before", start, case, look)
        _field(m, "after", start + _granules(n), case, look)
        _field(m, "delta", _granules(n), case, look)
        gone = _granules(old.numel())
        with submission.memory_monitor() as m:
            del old
        case = (f"after a block that frees {gone} bytes", f"代码块释放了 {gone} 字节之后")
        _field(m, "delta", -gone, case, ("after - before", "after - before"))
        del new


def test_reserved(submission, draw, gpu):
    """reserved is what the allocator holds."""
    kept = _bytes(700)
    passing = [_bytes(_size(draw, 600_000, 900_000)) for _ in range(4)]
    del passing
    with submission.memory_monitor() as m:
        more = [_bytes(900_000) for _ in range(draw.integer(6, 9))]
    expected = torch.cuda.memory_reserved(0)
    case = ("with cached memory that no tensor uses", "缓存里有未被张量使用的显存时")
    look = (
        "memory_reserved: all that the allocator holds, used or not",
        "memory_reserved：分配器持有的全部，不论是否在用",
    )
    _field(m, "reserved", expected, case, look)
    del more
    with submission.memory_monitor() as m:
        pass
    _field(m, "reserved", expected, case, look)
    with submission.memory_monitor() as m:
        _bytes(draw.integer(20, 40) << 20)
        torch.cuda.empty_cache()
    case = (
        "after a block that allocates much, frees it and empties the cache",
        "代码块先大量分配、再释放并清空缓存之后",
    )
    look = (
        "what is held when the block ends, not the most that was held",
        "离开时持有的量，不是曾经的最大值",
    )
    _field(m, "reserved", torch.cuda.memory_reserved(0), case, look)
    del kept


def test_peak(submission, draw, gpu):
    """The peak shows temporaries, and only those of this block."""
    kept = _bytes(_size(draw))
    before_it = _bytes(900_000)
    del before_it
    start = torch.cuda.memory_allocated(0)
    sizes = [_size(draw) for _ in range(4)]
    with submission.memory_monitor() as m:
        for n in sizes:
            _bytes(n)
    case = ("with temporaries that are gone again", "代码块里有已释放的临时张量时")
    _field(
        m,
        "peak",
        start + _granules(max(sizes)),
        case,
        (
            "the highest moment inside, counted from 0; is the counter reset on entering?",
            "代码块内最高的那一刻，从 0 算起；进入时计数器重置了吗？",
        ),
    )
    with submission.memory_monitor() as m:
        pass
    case = ("for an empty block after a busier time", "之前用得更多、代码块为空时")
    look = ("the peak before this block does not count", "代码块之前的峰值不算")
    _field(m, "peak", start, case, look)
    with submission.memory_monitor() as m:
        del kept
        _bytes(600)
    case = ("for a block that frees and then allocates little", "先释放、再少量分配的代码块")
    _field(m, "peak", start, case, ("what was there at the beginning counts", "一开始就有的也算"))


def test_device(submission, draw, gpu):
    """The device that was asked for."""
    gpu.device(1)
    held = [_bytes(_size(draw), 0), _bytes(_size(draw), 1), _bytes(24 << 20, 1)]  # reserved differs, too
    for current, asked, measured in [
        (0, 1, 1),
        (0, "cuda:1", 1),
        (1, torch.device("cuda", 0), 0),
        (1, None, 1),
        (1, "cuda", 1),
    ]:
        torch.cuda.set_device(0)
        manager = submission.memory_monitor(asked)
        torch.cuda.set_device(current)
        start = torch.cuda.memory_allocated(measured)
        sizes = [_size(draw), _size(draw)]
        temporary = _size(draw)
        with manager as m:
            inside = torch.cuda.current_device()
            torch.cuda.set_device(1 - measured)
            new = [_bytes(sizes[0], 0), _bytes(sizes[1], 1)]
            _bytes(temporary, measured)
            left = torch.cuda.current_device()
        case = (
            f"memory_monitor({asked!r}), entered while cuda:{current} was current",
            f"memory_monitor({asked!r})，进入时当前设备是 cuda:{current}",
        )
        look = (f"cuda:{measured} is to be measured, to the end", f"自始至终应测量 cuda:{measured}")
        _field(m, "before", start, case, look)
        _field(m, "delta", _granules(sizes[measured]), case, look)
        _field(m, "peak", start + _granules(sizes[measured]) + _granules(temporary), case, look)
        _field(m, "reserved", torch.cuda.memory_reserved(measured), case, look)
        claims.that(
            inside == current and torch.cuda.current_device() == left,
            (f"{case[0]}: the current device stays", f"{case[1]}：当前设备不变"),
            ("another device is current", "当前设备变了"),
        )
        del new
    torch.cuda.set_device(0)
    del held


def _story(submission, draw, case, plan, device=0, inner=0):
    """`plan`: sizes of temporaries before, inside and after an inner block; claims both peaks."""
    outer_start, inner_start = (torch.cuda.memory_allocated(d) for d in (device, inner))
    with submission.memory_monitor(device) as outer:
        _bytes(plan[0], device)
        with submission.memory_monitor(inner) as within:
            _bytes(plan[1], inner)
        _bytes(plan[2], device)
    highest = max(_granules(n) for n in plan)
    look = (
        "one peak counter a device: who resets it must tell the monitors around it first",
        "每块设备只有一个峰值计数器：重置之前要先告诉外层的 monitor",
    )
    _field(
        within,
        "peak",
        inner_start + _granules(plan[1]),
        (f"{case[0]}, inner block", f"{case[1]}，内层"),
        look,
    )
    _field(outer, "peak", outer_start + highest, (f"{case[0]}, outer block", f"{case[1]}，外层"), look)


def test_nesting(submission, draw, gpu):
    """An outer peak includes the inner one."""
    low, mid, high = _size(draw, 2_000, 90_000), _size(draw, 100_000, 400_000), _size(draw, 500_000, 900_000)
    kept = _bytes(_size(draw))
    _story(submission, draw, ("highest before the inner block", "最高点在内层之前"), [high, low, mid])
    _story(submission, draw, ("highest inside the inner block", "最高点在内层之中"), [low, high, mid])
    _story(submission, draw, ("highest after the inner block", "最高点在内层之后"), [mid, low, high])
    for position in range(5):
        _three_deep(submission, draw, position)
    if gpu.count > 1:
        for _ in range(6):
            _random_program(submission, draw)
    del kept


def _three_deep(submission, draw, position):
    """Three monitors, one in the other; the large temporary is at one of five places."""
    start = torch.cuda.memory_allocated(0)
    sizes = [_size(draw, 2_000, 300_000) for _ in range(5)]
    sizes[position] = _size(draw, 500_000, 900_000)
    with submission.memory_monitor(0) as outer:
        _bytes(sizes[0])
        with submission.memory_monitor(0) as middle:
            _bytes(sizes[1])
            with submission.memory_monitor(0) as inner:
                _bytes(sizes[2])
            _bytes(sizes[3])
        _bytes(sizes[4])
    place = ["before the middle block", "before the innermost block", "in the innermost block"]
    place += ["after the innermost block", "after the middle block"]
    ort = ["中层之前", "最内层之前", "最内层之中", "最内层之后", "中层之后"]
    look = (
        "whoever resets the counter must tell all monitors around it first",
        "重置计数器之前要先告诉外面的每一层",
    )
    for m, inside, name, layer in [
        (inner, sizes[2:3], "innermost", "最内层"),
        (middle, sizes[1:4], "middle", "中层"),
        (outer, sizes, "outermost", "最外层"),
    ]:
        case = (
            f"three deep, highest {place[position]}: in the {name} block",
            f"嵌套三层，最高点在{ort[position]}：{layer}",
        )
        _field(m, "peak", start + max(map(_granules, inside)), case, look)


def _random_program(submission, draw):
    """Allocations, frees and nested monitors on two devices, with the right answer kept alongside."""
    now = [torch.cuda.memory_allocated(d) for d in range(2)]
    open_, kept, done = [], [], []

    def allocate(device, n, keep):
        now[device] += _granules(n)
        tensor = _bytes(n, device)
        for _, _, on, peak in open_:
            if on == device:
                peak.append(now[device])
        if keep:
            kept.append(tensor)
        else:
            del tensor
            now[device] -= _granules(n)

    def leave():
        manager, m, _, peak = open_.pop()
        manager.__exit__(None, None, None)
        done.append((m, max(peak), len(open_)))

    for _ in range(30):
        action = draw.choice(["temporary", "keep", "free", "enter", "enter", "leave"])
        device = draw.integer(0, 1)
        if action in ("temporary", "keep"):
            allocate(device, _size(draw, 2_000, 300_000), action == "keep")
        elif action == "free" and kept:
            gone = kept.pop(draw.integer(0, len(kept) - 1))
            now[gone.device.index] -= _granules(gone.numel())
            del gone
        elif action == "enter" and len(open_) < 4:
            manager = submission.memory_monitor(device)
            open_.append((manager, manager.__enter__(), device, [now[device]]))
        elif action == "leave" and open_:
            leave()
    while open_:
        leave()
    for m, peak, depth in done:
        case = (
            f"several monitors on two devices, one at depth {depth + 1}",
            f"两块设备上多个 monitor 嵌套，位于第 {depth + 1} 层的一个",
        )
        _field(
            m,
            "peak",
            peak,
            case,
            ("monitors of one device share its counter", "同一设备的 monitor 共用一个计数器"),
        )


def test_exceptions(submission, draw, gpu):
    """Right after an exception."""
    start = torch.cuda.memory_allocated(0)
    n, temporary, last = _size(draw), _size(draw, 500_000, 900_000), _size(draw, 2_000, 400_000)
    kept, monitors = [], []

    def block():
        with submission.memory_monitor() as m:
            monitors.append(m)
            kept.append(_bytes(n))
            _bytes(temporary)
            raise BlockError("raised by the check")

    passed = False
    try:
        with submission.memory_monitor():
            raise BlockError("raised by the check")
    except BlockError:
        passed = True
    claims.that(
        passed,
        ("an exception of the block passes through the monitor", "代码块里的异常会穿过 monitor 向外传播"),
        ("it was swallowed", "被吞掉了"),
        ("what __exit__ returns", "__exit__ 的返回值"),
    )
    case = ("after a block that ended by an exception", "代码块因异常结束之后")
    with submission.memory_monitor() as outer:
        with contextlib.suppress(BlockError):
            block()
        _bytes(last)
    m = monitors[0]
    _field(m, "before", start, case)
    _field(m, "after", start + _granules(n), case)
    _field(m, "delta", _granules(n), case)
    _field(m, "peak", start + _granules(n) + _granules(temporary), case)
    _field(m, "reserved", torch.cuda.memory_reserved(0), case)
    highest = start + _granules(n) + _granules(temporary)
    _field(
        outer, "peak", highest, ("around a block that ended by an exception", "内层代码块因异常结束时的外层")
    )
    with submission.memory_monitor() as later:
        pass
    _field(later, "peak", start + _granules(n), ("in a later block", "之后的代码块"))
