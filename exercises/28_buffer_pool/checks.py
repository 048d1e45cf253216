"""Checks of exercise 28: a pool of buffers, its capacity and its streams."""

import gc
import math
from itertools import pairwise

import torch

from ptquiz.worker import claims

DTYPES = [torch.float32, torch.float64, torch.float16, torch.int64, torch.int32, torch.uint8, torch.bool]


def _nbytes(shape, dtype):
    return math.prod(shape) * torch.empty(0, dtype=dtype).element_size()


def _allocations():
    return torch.cuda.memory_stats()["allocation.all.allocated"]


def _allocates(before, count, what):
    """Claim how many allocations there have been since `before`."""
    made = _allocations() - before
    wanted = ("no allocation", "不做新的分配") if count == 0 else ("one allocation", "恰好一次分配")
    claims.that(
        made == count,
        (f"{what[0]}: {wanted[0]}", f"{what[1]}：{wanted[1]}"),
        (f"allocations: {made}", f"分配次数：{made}"),
    )


def _acquire(pool, shape, dtype=torch.uint8, device="cuda"):
    what = f"acquire({shape}, {dtype})"
    tensor = claims.tensor(pool.acquire(shape, dtype), what, shape=shape, dtype=dtype, device=device)
    claims.that(tensor.is_contiguous(), (f"{what} is contiguous", f"{what} 是连续的"), f"{tensor.stride()}")
    return tensor


def _root(tensor):
    """The address of the memory that a tensor lies in."""
    return tensor.untyped_storage().data_ptr()


def _reused(pool, shape, dtype, memory, why):
    """Acquire, and claim that it is that memory, without an allocation."""
    before = _allocations()
    tensor = _acquire(pool, shape, dtype)
    case = (f"acquire({shape}, {dtype}), {why[0]}", f"acquire({shape}, {dtype})，{why[1]}")
    _allocates(before, 0, case)
    claims.that(
        _root(tensor) == memory,
        (f"{case[0]}: this buffer is lent", f"{case[1]}：借出的是它"),
        ("another buffer", "另一个缓冲区"),
    )
    return tensor


def test_acquire(submission, draw, gpu):
    """acquire returns what was asked for."""
    for device in ("cuda", "cuda:0", torch.device("cuda", 0)):
        pool = submission.BufferPool(1 << 20, device)
        shapes = ((1,), (), (3, 5), (draw.integer(2, 99), 7), (2, 1, 3))
        held = [_acquire(pool, shape, draw.choice(DTYPES)) for shape in shapes]
        del held
    with torch.cuda.device(1):
        pool = submission.BufferPool(capacity=1 << 20, device="cuda:1")
        _acquire(pool, (3, 3), torch.float32, "cuda:1")


def test_allocates_just_enough(submission, draw, gpu):
    """A new buffer has just the bytes needed."""
    pool = submission.BufferPool(1 << 20, "cuda")
    held = []
    for shape, dtype in (
        ((1000,), torch.uint8),
        ((33, 3), torch.float64),
        ((draw.integer(100, 900),), torch.int16),
    ):
        before = torch.cuda.memory_stats()
        held.append(_acquire(pool, shape, dtype))
        after = torch.cuda.memory_stats()
        what = (
            f"acquire({shape}, {dtype}) without a free buffer",
            f"没有空闲缓冲区时的 acquire({shape}, {dtype})",
        )
        for key, expected in (
            ("allocation.all.allocated", 1),
            ("requested_bytes.all.allocated", _nbytes(shape, dtype)),
        ):
            grown = after[key] - before[key]
            claims.that(
                grown == expected,
                (f"{what[0]}: {key} grows by {expected}", f"{what[1]}：{key} 增加 {expected}"),
                f"{grown}",
            )
    before = _allocations()
    pool.release(held.pop())
    _allocates(before, 0, ("release()", "release()"))


def test_held_at_once(submission, draw, gpu):
    """Tensors lent at the same time do not overlap."""
    pool = submission.BufferPool(1 << 20, "cuda")
    shapes = [(draw.integer(1, 50), draw.integer(1, 9)) for _ in range(6)]
    held = []
    dtypes = [torch.float32, torch.int64, torch.uint8]
    specs = [(shape, draw.choice(dtypes)) for shape in shapes * 2]
    specs[6:6] = [((1,), torch.uint8)] * 2  # both fit into each buffer that is free then
    for number, (shape, dtype) in enumerate(specs):
        tensor = _acquire(pool, shape, dtype)
        tensor.fill_(number)
        held.append(tensor)
        if number == 5:
            for tensor in held[1::2]:
                pool.release(tensor)
            held = held[::2]
    spans = sorted((tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes) for tensor in held)
    for (_, end), (begin, _) in pairwise(spans):
        claims.that(
            end <= begin,
            ("tensors lent at the same time lie apart", "同时借出的张量彼此分开"),
            (f"two of them share {end - begin} bytes", f"其中两个共用 {end - begin} 字节"),
        )


def test_reuse(submission, draw, gpu):
    """A released buffer is lent again without an allocation."""
    pool = submission.BufferPool(1 << 20, "cuda")
    tensor = _acquire(pool, (draw.integer(10, 40), 8), torch.float32)
    memory, nbytes = _root(tensor), tensor.nbytes
    for shape, dtype in (
        (tuple(tensor.shape), torch.float32),
        ((nbytes,), torch.uint8),
        ((nbytes // 8,), torch.float64),
        ((3, 7), torch.int16),
        ((), torch.bool),
        ((nbytes // 4,), torch.int32),
    ):
        pool.release(tensor)
        tensor = _reused(
            pool, shape, dtype, memory, ("the released buffer being large enough", "归还的缓冲区够大")
        )
        tensor.fill_(1)


def test_best_fit(submission, draw, gpu):
    """The smallest buffer that is large enough is lent."""
    for _ in range(3):
        pool = submission.BufferPool(1 << 20, "cuda")
        sizes = [100, 1000, 350, 5000, 2000]
        draw.rng.shuffle(sizes)
        held = {size: _acquire(pool, (size,)) for size in sizes}
        memory = {size: _root(tensor) for size, tensor in held.items()}
        order = list(sizes)
        draw.rng.shuffle(order)
        for size in order:
            pool.release(held.pop(size))
        for wanted, best in (
            (((30, 8), torch.int32), 1000),
            (((351,), torch.uint8), 2000),
            (((1,), torch.float64), 100),
        ):
            why = (f"the best fit being the buffer of {best} bytes", f"最合适的是 {best} 字节的缓冲区")
            held[best] = _reused(pool, *wanted, memory[best], why)
        why = ("the best fit among those still free having 350 bytes", "仍空闲的里面最合适的是 350 字节的")
        held[350] = _reused(pool, (43,), torch.float64, memory[350], why)


def _full(pool, shape, dtype=torch.uint8):
    what = (f"acquire({shape}, {dtype}) beyond the capacity", f"超出容量的 acquire({shape}, {dtype})")
    claims.raises(MemoryError, lambda: pool.acquire(shape, dtype), what)


def test_capacity(submission, draw, gpu):
    """Over capacity acquire raises MemoryError."""
    capacity = draw.integer(3000, 9000)
    pool = submission.BufferPool(capacity, "cuda")
    _full(pool, (capacity + 1,))
    _full(pool, (capacity // 2 + 1,), torch.int16)
    a, b = _acquire(pool, (1000,)), _acquire(pool, (capacity - 1001,))
    c = _acquire(pool, (1,))
    _full(pool, (1,))
    for tensor in (a, c):
        pool.release(tensor)
    _full(pool, (1001,))  # what is free counts too, and is not thrown away
    why = ("the free buffer of 1000 bytes being large enough", "1000 字节的空闲缓冲区正好够")
    a = _reused(pool, (125,), torch.float64, _root(a), why)
    pool.release(b)
    before = _allocations()
    held = [pool.acquire((capacity // 2,), torch.uint8)]
    for _ in range(20):
        pool.release(held.pop())
        held.append(pool.acquire((draw.integer(1, 500),), torch.uint8))
    _allocates(before, 0, ("while free buffers suffice", "空闲缓冲区够用时"))
    _small_in_large(submission, draw)


def _small_in_large(submission, draw):
    """What counts is the buffer, not what the present holder asked for."""
    large, small, left = draw.integer(700, 900), draw.integer(20, 90), draw.integer(100, 300)
    look = (
        "a buffer counts with its own size, however little is asked of it",
        "缓冲区按自身大小计入，不管借用者要了多少",
    )
    pool = submission.BufferPool(large + left, "cuda")
    pool.release(_acquire(pool, (large,)))
    held = _acquire(pool, (small,))
    code = f"acquire(({left + 1},), torch.uint8)"
    what = (
        f"a buffer of {large} bytes lent for {small}, capacity {large + left}: {code}",
        f"{large} 字节的缓冲区借给了 {small} 字节的请求，容量 {large + left}：{code}",
    )
    claims.raises(MemoryError, lambda: pool.acquire((left + 1,), torch.uint8), what, look)
    pool.release(held)
    what = (
        f"the same after its release: acquire(({large + 1},), torch.uint8)",
        f"归还之后：acquire(({large + 1},), torch.uint8)",
    )
    claims.raises(MemoryError, lambda: pool.acquire((large + 1,), torch.uint8), what, look)


def test_nothing_is_lost(submission, draw, gpu):
    """A failed acquire loses nothing."""
    pool = submission.BufferPool(2000, "cuda")
    a, b = _acquire(pool, (600,)), _acquire(pool, (400,))
    memory = _root(a)
    pool.release(a)
    for _ in range(3):
        _full(pool, (1001,))
    b.fill_(5)
    a = _reused(pool, (600,), torch.uint8, memory, ("a failed acquire having left the free buffer",
                                                    "此前失败的 acquire 应留下这个空闲缓冲区"))  # fmt: skip
    c = _acquire(pool, (1000,))
    _full(pool, (1,))
    for tensor in (b, c, a):
        pool.release(tensor)


def test_device_is_full(submission, draw, gpu):
    """The device's own error comes out and changes nothing."""
    total = torch.cuda.mem_get_info()[1]
    spare = draw.integer(3000, 9000)
    pool = submission.BufferPool(total + spare, "cuda")
    lent, free = _acquire(pool, (draw.integer(100, 400),)), _acquire(pool, (draw.integer(500, 900),))
    nbytes, memory, beyond = free.nbytes, _root(free), total + 1 + spare // 2
    lent.fill_(7)
    pool.release(free)
    what = (
        f"acquire(({beyond},), torch.uint8), within the capacity, on a device of {total} bytes",
        f"设备共 {total} 字节，acquire(({beyond},), torch.uint8) 没有超出容量",
    )
    look = ("what the device has refused does not count", "设备没有给出的字节不计入")
    for _ in range(2):
        claims.raises(torch.OutOfMemoryError, lambda: pool.acquire((beyond,), torch.uint8), what, look)
    claims.that(
        bool((lent == 7).all()),
        ("after it a lent tensor is as it was", "此后借出的张量保持原样"),
        ("its values have changed", "值变了"),
    )
    why = ("OutOfMemoryError having left the free buffer", "此前的 OutOfMemoryError 应留下这个空闲缓冲区")
    free = _reused(pool, (nbytes,), torch.uint8, memory, why)
    before = _allocations()
    fresh = _acquire_with_room(pool, spare // 3)
    _allocates(before, 1, ("a new buffer", "新缓冲区"))
    del fresh


def _acquire_with_room(pool, nbytes):
    try:
        return _acquire(pool, (nbytes,))
    except MemoryError as error:
        try:
            claims.fail(
                (
                    f"after OutOfMemoryError there is still room for acquire(({nbytes},), torch.uint8)",
                    f"OutOfMemoryError 之后，容量仍够 acquire(({nbytes},), torch.uint8)",
                ),
                f"MemoryError: {error}",
                ("what the device has refused does not count", "设备没有给出的字节不计入"),
            )
        except claims.Unmet as unmet:
            raise unmet from error  # the learner's line is found in the cause


ADDRESS = (
    "address, shape and dtype do not tell which tensor it is",
    "地址、形状和 dtype 说明不了是哪个张量",
)


def _refused(pool, tensor, what, look=""):
    claims.raises(ValueError, lambda: pool.release(tensor), what, look)


def test_double_release(submission, draw, gpu):
    """A second release raises ValueError."""
    pool = submission.BufferPool(10_000, "cuda")
    a = _acquire(pool, (100,), torch.float32)
    pool.release(a)
    _refused(pool, a, ("release() for the second time", "第二次 release()"))
    b, c = _acquire(pool, (100,), torch.uint8), _acquire(pool, (100,), torch.uint8)
    claims.that(
        _root(b) != _root(c),
        ("after a refused release the buffer is lent only once", "被拒绝的归还之后，缓冲区仍只借出一次"),
        ("lent twice at once", "同时借出了两次"),
    )


def test_stale_tensor(submission, draw, gpu):
    """An old tensor cannot give back what another holds."""
    pool = submission.BufferPool(10_000, "cuda")
    old = _acquire(pool, (100,), torch.float32)
    pool.release(old)
    why = ("the released buffer being large enough", "归还的缓冲区够大")
    for shape, dtype in (((40,), torch.float64), ((100,), torch.int32), ((100,), torch.float32)):
        new = _reused(pool, shape, dtype, _root(old), why)
        if new is not old:  # the same object may be lent again, and then it is no old one
            _stays_lent(pool, old, new)
        pool.release(new)


def _stays_lent(pool, old, new):
    """The old tensor is refused, and the new one keeps the buffer."""
    what = (
        f"release() of an old tensor whose memory is lent as {tuple(new.shape)}, {new.dtype} now",
        f"旧张量（内存现在已作为 {tuple(new.shape)}、{new.dtype} 借出）的 release()",
    )
    _refused(pool, old, what, ADDRESS)
    other = _acquire(pool, tuple(new.shape), new.dtype)
    claims.that(
        _root(other) != _root(new),
        ("the buffer stays with its new holder", "缓冲区仍属于新的借用者"),
        ("it was lent once more", "又被借出了一次"),
        ADDRESS,
    )


def test_foreign_tensor(submission, draw, gpu):
    """A foreign tensor raises ValueError."""
    pool, other = submission.BufferPool(10_000, "cuda"), submission.BufferPool(10_000, "cuda")
    mine, theirs = _acquire(pool, (10,), torch.float32), _acquire(other, (10,), torch.float32)
    mine.fill_(1)
    for tensor, what in (
        (torch.ones(10, device="cuda"), ("a tensor made elsewhere", "别处创建的张量")),
        (mine.clone(), ("a clone of a lent tensor", "借出张量的克隆")),
        (theirs, ("a tensor of another pool", "另一个池的张量")),
        (torch.ones(10), ("a tensor on the host", "主机上的张量")),
    ):
        _refused(pool, tensor, (f"release() of {what[0]}", f"对{what[1]}调用 release()"))
    for alias in (mine[:], mine.view_as(mine), mine.detach(), mine[1:]):
        what = ("release() of a view of a lent tensor", "对借出张量的视图调用 release()")
        _refused(pool, alias, what, ADDRESS)
    pool.release(mine)
    other.release(theirs)
    _dropped(submission, draw)


def _dropped(submission, draw):
    """A lent tensor that is simply dropped makes no other one releasable."""
    n = 64 * draw.integer(3, 9)
    for _ in range(16):
        pool = submission.BufferPool(1 << 20, "cuda")
        lost = _acquire(pool, (n,), torch.float32)
        identity = id(lost)
        del lost
        gc.collect()
        what = (
            "a lent tensor was dropped without release(): release() of one made elsewhere",
            "有个借出的张量未归还就被丢弃：此时对别处创建的张量调用 release()",
        )
        _refused(pool, torch.ones(n, device="cuda"), what)
        other = _with_id(identity)
        if other is not None:
            _refused(pool, other, what)
            return


def _with_id(identity):
    """Another tensor with that id, unless something else has got it."""
    kept = []
    for _ in range(500):
        kept.append(torch.ones(1))
        if id(kept[-1]) == identity:
            return kept[-1]
    return None


LOOK = (
    "the next user's stream must wait for the work before release(), on the stream that was current there",
    "下一个使用者的流要等 release() 之前、当时的当前流上的工作",
)


# What the timeline and the report of a race call the two kernels.
LAST, NEXT = ("last user", "上一个使用者"), ("next user", "下一个使用者")


def test_across_streams(submission, draw, gpu):
    """Reuse on another stream is ordered."""
    main, one, two = torch.cuda.default_stream(), torch.cuda.Stream(), torch.cuda.Stream()
    for first, second in ((main, one), (one, main), (one, two), (two, two)):
        for smaller in (0, draw.integer(1, 90)):
            case = (
                f"released on {_name(first)[0]}, acquired on {_name(second)[0]}",
                f"在{_name(first)[1]}上归还，在{_name(second)[1]}上借出",
            )
            _handed_on(submission, draw, gpu, (first, first, second), smaller, case)


def test_across_three_streams(submission, draw, gpu):
    """What counts is the stream that releases, for each buffer."""
    one, two, three = (torch.cuda.Stream() for _ in range(3))
    case = (
        "acquired on one stream, used and released on a second, acquired again on the first",
        "在第一个流上借出，在第二个流上使用并归还，又在第一个流上借出",
    )
    _handed_on(submission, draw, gpu, (one, two, one), 0, case)
    case = (
        "acquired on one stream, used and released on a second, acquired on a third",
        "在第一个流上借出，在第二个流上使用并归还，在第三个流上借出",
    )
    _handed_on(submission, draw, gpu, (one, two, three), 5, case)
    for order in ((0, 1), (1, 0)):
        _two_releases(submission, draw, gpu, (one, two, three), order)
    _passed_through(submission, draw, gpu, (one, two, three))


def _name(stream):
    if stream == torch.cuda.default_stream():
        return ("the default stream", "默认流")
    return ("a stream of its own", "自建的流")


def _ordered(seen, earlier, later, case):
    """The kernel `later` begins after `earlier` has ended."""
    one, two = seen.named(earlier)[0], seen.named(later)[0]
    claims.that(
        two.begin_ms >= one.end_ms,
        (f"{case[0]}: one user after the other", f"{case[1]}：前一个用完，后一个才开始"),
        (
            f"the next one begins {one.end_ms - two.begin_ms:.2f} ms too early",
            f"后一个早开始了 {one.end_ms - two.begin_ms:.2f} ms",
        ),
        LOOK,
    )


def _again(pool, n, memory):
    """Acquire n bytes, claimed to be that buffer."""
    tensor = _acquire(pool, (n,))
    claims.that(
        _root(tensor) == memory,
        (
            f"acquire(({n},), torch.uint8) gets the free buffer",
            f"acquire(({n},), torch.uint8) 借到空闲缓冲区",
        ),
        ("another buffer", "另一个缓冲区"),
    )
    return tensor


def _handed_on(submission, draw, gpu, streams, smaller, case):
    """Acquired on one stream, used and released on another, acquired on a third."""
    first, user, last = streams
    n = draw.integer(100, 900)
    pool = submission.BufferPool(1 << 20, "cuda")
    with torch.cuda.stream(first):
        tensor = _acquire(pool, (n,))
    memory = _root(tensor)
    gpu.settle()
    with gpu.record() as seen:
        with torch.cuda.stream(user):
            gpu.busy(draw.integer(5, 12))
            gpu.write(tensor, claims.say(LAST))
            pool.release(tensor)
        with torch.cuda.stream(last):
            gpu.write(_again(pool, n - smaller, memory), claims.say(NEXT))
    gpu.settle()
    _ordered(seen, claims.say(LAST), claims.say(NEXT), case)
    seen.no_race(LOOK)


def _two_releases(submission, draw, gpu, streams, order):
    """Two buffers, released on two streams: each next user waits for its own last one."""
    one, two, three = streams
    sizes = (draw.integer(100, 400), draw.integer(500, 900))
    pool = submission.BufferPool(1 << 20, "cuda")
    lent = [_acquire(pool, (n,)) for n in sizes]
    gpu.settle()
    with gpu.record() as seen:
        for number, stream in enumerate((one, two)):
            with torch.cuda.stream(stream):
                gpu.busy((9, 4)[number ^ order[0]])
                gpu.write(lent[number], f"{claims.say(LAST)} {number}")
        for number in order:
            with torch.cuda.stream((one, two)[number]):
                pool.release(lent[number])
        with torch.cuda.stream(three):
            for number in order:
                again = _again(pool, sizes[number], _root(lent[number]))
                gpu.write(again, f"{claims.say(NEXT)} {number}")
    gpu.settle()
    case = ("two buffers, released on two streams", "两个缓冲区在两个流上归还")
    for number in order:
        _ordered(seen, f"{claims.say(LAST)} {number}", f"{claims.say(NEXT)} {number}", case)
    seen.no_race(LOOK)


def _passed_through(submission, draw, gpu, streams):
    """A user in between that gives the GPU nothing to do."""
    one, two, three = streams
    n = draw.integer(100, 900)
    pool = submission.BufferPool(1 << 20, "cuda")
    tensor = _acquire(pool, (n,))
    memory = _root(tensor)
    gpu.settle()
    with gpu.record() as seen:
        with torch.cuda.stream(one):
            gpu.busy(8)
            gpu.write(tensor, claims.say(LAST))
            pool.release(tensor)
        with torch.cuda.stream(two):
            pool.release(_again(pool, n, memory))
        with torch.cuda.stream(three):
            gpu.write(_again(pool, n, memory), claims.say(NEXT))
    gpu.settle()
    case = (
        "released on one stream, acquired and released at once on a second, acquired on a third",
        "在第一个流上归还，在第二个流上借出后立即归还，在第三个流上借出",
    )
    _ordered(seen, claims.say(LAST), claims.say(NEXT), case)
    seen.no_race(LOOK)


def test_host_does_not_wait(submission, draw, gpu):
    """The host does not wait, and stream and device stay."""
    side = torch.cuda.Stream()
    pool = submission.BufferPool(1 << 20, "cuda")
    with gpu.record() as seen:
        for stream in (torch.cuda.current_stream(), side, torch.cuda.current_stream()):
            with torch.cuda.stream(stream):
                tensor = pool.acquire((100,), torch.float32)
                gpu.busy(5.0)
                gpu.write(tensor, "use")
                pool.release(tensor)
                claims.that(
                    torch.cuda.current_stream() == stream,
                    (
                        "the current stream is the same after acquire and release",
                        "acquire 和 release 之后当前流不变",
                    ),
                    ("another one", "变了"),
                )
    look = ("let the streams wait for one another", "让流去等流")
    seen.no_wait(look)
    claims.same(torch.cuda.current_device(), 0, ("the current device", "当前设备"))
    gpu.settle()
    for last in (side, torch.cuda.default_stream()):
        _host_is_back(submission, gpu, last, look)


def _host_is_back(submission, gpu, last, look):
    """Asking the GPU again and again is waiting, too."""
    idle = torch.cuda.Stream()
    pool = submission.BufferPool(1 << 20, "cuda")
    tensor = _acquire(pool, (999,))
    gpu.settle()
    with gpu.record() as seen:
        gpu.busy(20.0, "before release")
        pool.release(tensor)
        with torch.cuda.stream(last):
            tensor = pool.acquire((800,), torch.uint8)
        with torch.cuda.stream(idle):
            gpu.busy(0.01, "the host is back")
    gpu.settle()
    begun, back = seen.named("before release")[0], seen.named("the host is back")[0]
    claims.that(
        back.begin_ms < begun.end_ms,
        (
            "release and acquire return while the GPU is still at work",
            "GPU 还在忙时，release 和 acquire 就已返回",
        ),
        (
            f"they return {back.begin_ms - begun.begin_ms:.2f} ms after that work began",
            f"该工作开始 {back.begin_ms - begun.begin_ms:.2f} ms 之后才返回",
        ),
        look,
    )


def test_only_what_is_needed(submission, draw, gpu):
    """Reuse waits for that buffer's work only."""
    side = torch.cuda.Stream()
    pool = submission.BufferPool(1 << 20, "cuda")
    with gpu.record() as seen:
        tensor = pool.acquire((100,), torch.float32)
        gpu.write(tensor, "before")
        pool.release(tensor)
        gpu.busy(30.0, "unrelated")  # enqueued after release: the next user need not wait for it
        with torch.cuda.stream(side):
            tensor = pool.acquire((100,), torch.float32)
            gpu.write(tensor, "after")
    claims.that(
        seen.named("after")[0].begin_ms < seen.named("unrelated")[0].end_ms,
        ("work enqueued after release() is not waited for", "不等待 release() 之后入队的工作"),
        ("the next user waits for all work of the first stream", "下一个使用者等了前一个流的全部工作"),
        ("record at release, not at acquire", "要在 release 时记录，而不是 acquire 时"),
    )
    gpu.settle()
    _other_buffer(submission, gpu, side)


def _other_buffer(submission, gpu, side):
    """Another buffer, or a new one, has nothing to do with work that still runs."""
    pool = submission.BufferPool(1 << 20, "cuda")
    small, large = _acquire(pool, (100,)), _acquire(pool, (900,))
    gpu.settle()
    with gpu.record() as seen:
        pool.release(small)
        gpu.busy(30.0)
        gpu.write(large, "last user of the large one")
        pool.release(large)
        with torch.cuda.stream(side):
            gpu.write(pool.acquire((100,), torch.uint8), "user of the small one")
            gpu.write(pool.acquire((1000,), torch.uint8), "user of a new one")
    gpu.settle()
    begun = seen.named("last user of the large one")[0]
    for name, what in (
        ("user of the small one", ("a buffer released before", "在此之前归还的缓冲区")),
        ("user of a new one", ("a new buffer", "新缓冲区")),
    ):
        claims.that(
            seen.named(name)[0].begin_ms < begun.end_ms,
            (
                f"the user of {what[0]} waits for no other buffer's work",
                f"{what[1]}的使用者不等别的缓冲区的工作",
            ),
            ("it waits for the last user of another buffer", "它等了另一个缓冲区的上一个使用者"),
            ("one event for each buffer", "每个缓冲区各有各的事件"),
        )


def test_random_program(submission, draw, gpu):
    """Many requests on many streams, against a model of the pool."""
    for _ in range(3):
        _random_program(submission, draw, gpu)


def _random_program(submission, draw, gpu):
    capacity = draw.integer(2500, 4000)
    pool = submission.BufferPool(capacity, "cuda")
    streams = [torch.cuda.default_stream(), *(torch.cuda.Stream() for _ in range(3))]
    sizes, free, lent = {}, set(), []
    for number in range(50):
        stream = draw.choice(streams)
        if lent and draw.integer(0, 9) < 4:
            tensor, used_on, value = lent.pop(draw.integer(0, len(lent) - 1))
            with torch.cuda.stream(stream):
                stream.wait_stream(used_on)
                gpu.busy(draw.integer(1, 3))
                gpu.write(tensor, claims.say(LAST))
                _holds(tensor, value)
                pool.release(tensor)
            free.add(_root(tensor))
            continue
        with torch.cuda.stream(stream):
            tensor = _step(pool, draw, capacity, sizes, free)
            if tensor is not None:
                gpu.write(tensor, claims.say(NEXT))
                tensor.fill_(number)
                lent.append((tensor, stream, number))
    gpu.settle()


def _holds(tensor, value):
    claims.same(
        tensor.cpu(),
        torch.full(tuple(tensor.shape), value, dtype=tensor.dtype),
        ("a lent tensor after others came and went", "别的张量借还之后，一直借着的张量"),
        ("does another one share its memory?", "是不是有别的张量与它共用内存？"),
    )


def _step(pool, draw, capacity, sizes, free):
    """One acquire, with what the model says of it; the tensor, or None where the pool is full."""
    dtype = draw.choice(DTYPES)
    shape = (draw.integer(1, 900 // dtype.itemsize),)
    need, total = _nbytes(shape, dtype), sum(sizes.values())
    there = sorted(sizes[memory] for memory in free)
    fitting = [size for size in there if size >= need]
    code = f"acquire({shape}, {dtype})"
    case = (
        f"capacity {capacity}, {len(sizes)} buffers of {total} bytes, free are {there}: {code}",
        f"容量 {capacity}，{len(sizes)} 个缓冲区共 {total} 字节，空闲的是 {there}：{code}",
    )
    if not fitting and total + need > capacity:
        claims.raises(MemoryError, lambda: pool.acquire(shape, dtype), case)
        return None
    before = _allocations()
    tensor = _acquire(pool, shape, dtype)
    memory, made = _root(tensor), _allocations() - before
    if fitting:
        right = made == 0 and memory in free and sizes[memory] == min(fitting)
        claims.that(
            right,
            (f"{case[0]} lends the one of {min(fitting)} bytes", f"{case[1]} 借出 {min(fitting)} 字节的那个"),
            ("a new one", "新的") if made else (f"one of {sizes.get(memory)}", f"{sizes.get(memory)} 字节的"),
        )
        free.discard(memory)
    else:
        _allocates(before, 1, case)
        sizes[memory] = need
    return tensor
