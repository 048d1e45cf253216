"""Checks of exercise 28: a pool of buffers, its capacity and its streams."""

import math
from itertools import pairwise

import torch

from ptquiz.worker import claims

DTYPES = [torch.float32, torch.float64, torch.float16, torch.int64, torch.int32, torch.uint8, torch.bool]


def _nbytes(shape, dtype):
    return math.prod(shape) * torch.empty(0, dtype=dtype).element_size()


def _allocations():
    return torch.cuda.memory_stats()["allocation.all.allocated"]


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
    claims.same(
        _allocations() - before,
        0,
        (
            f"allocations by acquire({shape}, {dtype}): {why[0]}",
            f"acquire({shape}, {dtype}) 的分配次数：{why[1]}",
        ),
    )
    claims.that(
        _root(tensor) == memory,
        (f"acquire({shape}, {dtype}): {why[0]}", f"acquire({shape}, {dtype})：{why[1]}"),
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


def test_held_at_once(submission, draw, gpu):
    """Tensors lent at the same time do not overlap."""
    pool = submission.BufferPool(1 << 20, "cuda")
    shapes = [(draw.integer(1, 50), draw.integer(1, 9)) for _ in range(6)]
    held = []
    for number, shape in enumerate(shapes * 2):
        tensor = _acquire(pool, shape, draw.choice([torch.float32, torch.int64, torch.uint8]))
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
            pool, shape, dtype, memory, ("the released buffer is large enough", "归还的缓冲区够大")
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
            why = (f"the best fit is the buffer of {best} bytes", f"最合适的是 {best} 字节的缓冲区")
            held[best] = _reused(pool, *wanted, memory[best], why)
        why = ("the best fit among those still free has 350 bytes", "仍空闲的里面最合适的是 350 字节的")
        held[350] = _reused(pool, (43,), torch.float64, memory[350], why)


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
            claims.same(after[key] - before[key], expected, (f"{what[0]}: {key}", f"{what[1]}：{key}"))
    before = _allocations()
    pool.release(held.pop())
    claims.same(_allocations() - before, 0, ("allocations by release()", "release() 的分配次数"))


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
    why = ("the free buffer of 1000 bytes fits", "1000 字节的空闲缓冲区正好够")
    a = _reused(pool, (125,), torch.float64, _root(a), why)
    pool.release(b)
    before = _allocations()
    held = [pool.acquire((capacity // 2,), torch.uint8)]
    for _ in range(20):
        pool.release(held.pop())
        held.append(pool.acquire((draw.integer(1, 500),), torch.uint8))
    claims.same(
        _allocations() - before, 0, ("allocations while free buffers suffice", "空闲缓冲区够用时的分配次数")
    )


def test_nothing_is_lost(submission, draw, gpu):
    """A failed acquire loses nothing."""
    pool = submission.BufferPool(2000, "cuda")
    a, b = _acquire(pool, (600,)), _acquire(pool, (400,))
    memory = _root(a)
    pool.release(a)
    for _ in range(3):
        _full(pool, (1001,))
    b.fill_(5)
    a = _reused(pool, (600,), torch.uint8, memory, ("after a failed acquire the free buffer is still there",
                                                    "acquire 失败之后，空闲缓冲区仍在"))  # fmt: skip
    c = _acquire(pool, (1000,))
    _full(pool, (1,))
    for tensor in (b, c, a):
        pool.release(tensor)


def _refused(pool, tensor, what):
    claims.raises(ValueError, lambda: pool.release(tensor), what)


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
    new = _reused(
        pool, (40,), torch.float64, _root(old), ("the released buffer is large enough", "归还的缓冲区够大")
    )
    what = ("release() of a tensor whose memory another one holds now", "内存已借给别人的旧张量的 release()")
    _refused(pool, old, what)
    other = _acquire(pool, (40,), torch.float64)
    claims.that(
        _root(other) != _root(new),
        ("the buffer stays with its new holder", "缓冲区仍属于新的借用者"),
        ("it was lent once more", "又被借出了一次"),
        ("an address does not tell who holds it", "地址说明不了是谁在借用"),
    )
    pool.release(new)


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
        _refused(pool, tensor, (f"release() of {what[0]}", f"归还{what[1]}"))
    pool.release(mine)
    other.release(theirs)


def test_across_streams(submission, draw, gpu):
    """Reuse on another stream is ordered."""
    look = (
        "the next user's stream must wait for the work before release()",
        "下一个使用者的流要等 release() 之前的工作",
    )
    for first, second in (("main", "side"), ("side", "main"), ("side", "other")):
        streams = {
            "main": torch.cuda.current_stream(),
            "side": torch.cuda.Stream(),
            "other": torch.cuda.Stream(),
        }
        pool = submission.BufferPool(1 << 20, "cuda")
        with gpu.record() as seen:
            with torch.cuda.stream(streams[first]):
                tensor = pool.acquire((100,), torch.float32)
                gpu.busy(5.0)
                gpu.write(tensor, "first")
                pool.release(tensor)
            with torch.cuda.stream(streams[second]):
                tensor = pool.acquire((100,), torch.float32)
                gpu.write(tensor, "second")
                pool.release(tensor)
            with torch.cuda.stream(streams[first]):
                tensor = pool.acquire((50,), torch.float32)
                gpu.write(tensor, "third")
        seen.no_race(look)
        one, two, three = (seen.named(name)[0] for name in ("first", "second", "third"))
        claims.that(
            one.end_ms <= two.begin_ms and two.end_ms <= three.begin_ms,
            (
                f"reuse from stream {first} to {second}: one after the other",
                f"从流 {first} 到 {second} 的复用：一个接一个",
            ),
            ", ".join(f"{op.name}: {op.begin_ms:.2f} to {op.end_ms:.2f} ms" for op in (one, two, three)),
            look,
        )
        gpu.settle()


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
    seen.no_wait(("let the streams wait for one another", "让流去等流"))
    claims.same(torch.cuda.current_device(), 0, ("the current device", "当前设备"))
