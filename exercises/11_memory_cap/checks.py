"""Hidden checks of exercise 11."""

import gc

import torch

from ptquiz.worker import claims

MIB = 1 << 20
SCRATCH = 9 * MIB  # what a call of `_Worker` needs beside its result


class BlockError(Exception):
    """What the checks' own blocks raise."""


def _total(device=0):
    return torch.cuda.get_device_properties(device).total_memory


def _fraction(mib, device=0):
    return mib * MIB / _total(device)


def _block(mib, device=0):
    torch.cuda.empty_cache()  # what is cached already would be handed out whatever the cap
    return torch.empty(mib * MIB, dtype=torch.uint8, device=f"cuda:{device}")


def _fits(mib, device, expected, case, look=""):
    """Claim that an allocation of `mib` MiB succeeds, or that it does not."""
    try:
        _block(mib, device)
        came = True
    except torch.OutOfMemoryError:
        came = False
    words = {True: ("succeeds", "成功"), False: ("raises OutOfMemoryError", "抛 OutOfMemoryError")}
    claims.that(
        came is expected,
        (
            f"{case[0]}, allocating {mib} MiB on cuda:{device} {words[expected][0]}",
            f"{case[1]}，在 cuda:{device} 上分配 {mib} MiB 应{words[expected][1]}",
        ),
        (f"it {words[came][0]}", words[came][1]),
        look,
    )


def _under(cap):
    return (f"under a cap of {cap} MiB", f"上限为 {cap} MiB 时")


def test_cap_limits(submission, draw, gpu):
    """Over the cap raises, under it does not."""
    look = (
        "which function sets a cap? an assignment to a name of torch sets none",
        "哪个函数能设上限？给 torch 的某个名字赋值是设不了的",
    )
    # No request is below 10 MiB: for such a one the allocator takes a segment of 20 MiB from the driver.
    for cap in [128, draw.integer(72, 100), draw.integer(160, 200)]:
        with submission.memory_cap(_fraction(cap)):
            _fits(cap + 12, 0, False, _under(cap), look)
            _fits(cap - 12, 0, True, _under(cap), look)
            held = _block(48)
            case = (f"{_under(cap)[0]} of which 48 are in use", f"{_under(cap)[1]}，其中 48 已占用")
            _fits(cap - 36, 0, False, case, look)
            _fits(cap - 60, 0, True, case, look)
            del held
    held = _block(64)
    with submission.memory_cap(_fraction(160)):
        case = ("under a cap of 160 MiB set while 64 are in use", "已占用 64 MiB 时设上限 160 MiB")
        _fits(84, 0, True, case, ("the fraction is one of the total memory", "比例是相对总显存的"))
        _fits(108, 0, False, case)
    del held


def test_cap_returns(submission, draw, gpu):
    """The cap from before returns."""
    look = ("read the cap before you set one, and set that again", "设上限之前先读出原来的，结束时再设回去")
    with submission.memory_cap(_fraction(64)):
        pass
    _fits(130, 0, True, ("after the block", "代码块结束之后"), look)
    for error in [BlockError("raised by the check"), torch.OutOfMemoryError("raised by the check")]:
        passed = False
        try:
            with submission.memory_cap(_fraction(64)):
                raise error
        except (BlockError, torch.OutOfMemoryError):
            passed = True
        claims.that(
            passed,
            ("an exception of the block passes through", "代码块里的异常照常向外传播"),
            ("it was swallowed", "被吞掉了"),
        )
        _fits(130, 0, True, ("after a block that ended by an exception", "代码块因异常结束之后"), look)
    torch.cuda.set_per_process_memory_fraction(_fraction(150), 0)
    with submission.memory_cap(_fraction(64)):
        with submission.memory_cap(_fraction(100)):
            _fits(80, 0, True, ("in an inner block with 100 MiB", "内层上限 100 MiB"), look)
        _fits(80, 0, False, ("back in an outer block with 64 MiB", "回到上限 64 MiB 的外层"), look)
    case = (
        "after the block, where the caller's cap of 150 MiB holds",
        "代码块结束，调用者的上限 150 MiB 恢复之后",
    )
    _fits(140, 0, True, case, look)
    _fits(160, 0, False, case, look)
    torch.cuda.set_per_process_memory_fraction(1.0, 0)


def test_cap_device(submission, draw, gpu):
    """The device that was asked for is capped."""
    gpu.device(1)
    for asked, current, capped in [
        (1, 0, 1),
        ("cuda:0", 1, 0),
        (torch.device("cuda", 1), 0, 1),
        (None, 1, 1),
        ("cuda", 1, 1),
    ]:
        torch.cuda.set_device(current)
        case = (
            f"in memory_cap(…, {asked!r}) of 64 MiB while cuda:{current} is current",
            f"当前设备为 cuda:{current}，memory_cap(…, {asked!r}) 上限 64 MiB",
        )
        with submission.memory_cap(_fraction(64, capped), asked):
            claims.that(
                torch.cuda.current_device() == current,
                ("the current device is not changed", "当前设备不变"),
                f"cuda:{torch.cuda.current_device()}",
            )
            _fits(80, capped, False, case)
            _fits(80, 1 - capped, True, case)
            torch.cuda.set_device(1 - capped)
        for device in [0, 1]:
            _fits(80, device, True, (f"after {case[0][3:]}", f"之后：{case[1]}"))
    torch.cuda.set_device(0)


class _Worker:
    """A function on rows that runs out of memory above `most` rows, and notes every call."""

    def __init__(self, draw, width=4, most=None, scratch=0):
        self.weight = draw.randn(width, 3).to("cuda")
        self.most, self.scratch = most, scratch
        self.rows, self.results, self.extra = [], [], []
        self.base = None

    def plain(self, x):
        return (x @ self.weight).tanh()

    def __call__(self, x):
        self.rows.append(len(x))
        if self.base is not None:
            self.extra.append((torch.cuda.memory_allocated() - self.base, sum(self.results)))
        scratch = torch.empty(self.scratch, dtype=torch.uint8, device="cuda")
        if self.most is not None and len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. (raised by the check)")
        del scratch
        out = self.plain(x)
        self.results.append((out.numel() * out.element_size() + 511) // 512 * 512)
        return out


def _rows(n):
    return f"{n} row{'' if n == 1 else 's'}"


def _case(n, most, min_chunk):
    return (
        f"with {_rows(n)}, no more than {most} at once, min_chunk {min_chunk}",
        f"共 {n} 行，一次最多放得下 {most} 行，min_chunk 为 {min_chunk}",
    )


def _plans(draw):
    """(rows, rows that fit, min_chunk), where a solution exists."""
    plans = [
        (8, 8, 1),
        (7, 4, 1),
        (1, 1, 1),
        (11, 4, 3),
        (5, 1, 1),
        (6, 3, 3),
        (0, 1, 1),
        (13, 7, 5),
        (3, 2, 8),
    ]
    for _ in range(8):
        n = draw.integer(2, 40)
        min_chunk = draw.integer(1, n)
        plans.append((n, draw.integer(min_chunk, n), min_chunk))
    return [(n, max(most, 1), min_chunk) for n, most, min_chunk in plans if most >= min(n, min_chunk)]


def _run(submission, worker, batch, min_chunk, case):
    try:
        return submission.run_with_oom_fallback(worker, batch, min_chunk)
    except torch.OutOfMemoryError:
        claims.fail(
            (f"{case[0]}: a result", f"{case[1]}：得到结果"),
            (
                f"OutOfMemoryError after pieces of {worker.rows} rows",
                f"尝试了 {worker.rows} 行的块之后抛 OutOfMemoryError",
            ),
            ("pieces of more than min_chunk rows are split further", "多于 min_chunk 行的块要继续分"),
        )


def _late_failure(submission, draw, n, heavy):
    """The last `heavy` rows need so much that no more than two rows with one of them fit at once."""
    batch = draw.randn(n, 4)
    batch[n - heavy :, 0] = 50
    batch, worker = batch.to("cuda"), _Worker(draw)

    def fn(x):
        if len(x) > 2 and bool((x[:, 0] == 50).any()):
            worker.rows.append(len(x))
            raise torch.OutOfMemoryError("CUDA out of memory. (raised by the check)")
        return worker(x)

    case = ("when a piece runs out after others succeeded", "有的块已成功、后面的块才放不下时")
    try:
        came = submission.run_with_oom_fallback(fn, batch, 1)
    except torch.OutOfMemoryError:
        claims.fail(
            (f"{case[0]}: a result", f"{case[1]}：得到结果"),
            (
                f"OutOfMemoryError after pieces of {worker.rows} rows",
                f"尝试了 {worker.rows} 行的块之后抛 OutOfMemoryError",
            ),
        )
    expected, what = worker.plain(batch), (f"{case[0]}, the result", f"{case[1]}，结果")
    claims.tensor(came, what, shape=expected.shape, dtype=expected.dtype, device="cuda:0")
    claims.close(came.cpu(), expected.cpu(), what)


def test_result(submission, draw, gpu):
    """The same result as unsplit, odd sizes too."""
    for n, most, min_chunk in _plans(draw):
        case = _case(n, most, min_chunk)
        batch, worker = draw.randn(n, 4).to("cuda"), _Worker(draw, most=most)
        came = _run(submission, worker, batch, min_chunk, case)
        expected = worker.plain(batch)
        what = (f"{case[0]}: the result", f"{case[1]}：结果")
        claims.tensor(came, what, shape=expected.shape, dtype=expected.dtype, device="cuda:0")
        claims.close(came.cpu(), expected.cpu(), what)
    for n, heavy in [(12, 2), (9, 1), (10, 3), (15, 14)]:
        _late_failure(submission, draw, n, heavy)
    batch = draw.randn(9, 5, dtype=torch.float32).to("cuda")

    def best(x):
        if len(x) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. (raised by the check)")
        return x.argmax(1)

    came = submission.run_with_oom_fallback(best, batch, 1)
    claims.same(
        claims.tensor(came, "result", device="cuda:0").cpu(),
        batch.argmax(1).cpu(),
        ("the result of a function with one whole number for each row", "每行返回一个整数的函数，其结果"),
    )


def test_halves(submission, draw, gpu):
    """Whole first, then halves."""
    for n, most, calls in [(16, 16, 1), (16, 8, 4), (15, 8, 4), (16, 4, 9), (32, 8, 9), (17, 9, 4)]:
        worker = _Worker(draw, most=most)
        case = _case(n, most, 1)
        _run(submission, worker, draw.randn(n, 4).to("cuda"), 1, case)
        claims.that(
            worker.rows[0] == n,
            (f"{case[0]}: the first try is the whole", f"{case[1]}：先试整块"),
            (_rows(worker.rows[0]), f"{worker.rows[0]} 行"),
        )
        claims.that(
            len(worker.rows) <= calls,
            (
                f"{case[0]}: at most {calls} calls of fn, by halving",
                f"{case[1]}：对半分的话，fn 最多调用 {calls} 次",
            ),
            (
                f"{len(worker.rows)} calls with {worker.rows} rows",
                f"调用了 {len(worker.rows)} 次，行数 {worker.rows}",
            ),
        )


def test_gradients(submission, draw, gpu):
    """Gradients pass through the pieces."""
    for n, most in [(7, 2), (5, 5), (12, 6)]:
        worker = _Worker(draw, most=most)
        worker.weight.requires_grad_()
        batch = draw.randn(n, 4).to("cuda").requires_grad_()
        factor = draw.randn(n, 3).to("cuda")
        out = submission.run_with_oom_fallback(worker, batch, 1)
        claims.that(
            out.requires_grad,
            ("a result that is connected to the graph", "结果在计算图中"),
            ("a result without a graph", "结果没有计算图"),
            "detach / no_grad",
        )
        came = torch.autograd.grad((out * factor).sum(), [batch, worker.weight], allow_unused=True)
        wanted = torch.autograd.grad((worker.plain(batch) * factor).sum(), [batch, worker.weight])
        for name, c, w in zip(["batch", "weight"], came, wanted, strict=True):
            what = (f"the gradient of {name}", f"{name} 的梯度")
            claims.close(claims.tensor(c, what).cpu(), w.cpu(), what)


def test_other_errors(submission, draw, gpu):
    """Other errors pass through at once."""
    errors = [
        BlockError("raised by the check"),
        ValueError("no"),
        RuntimeError("shapes do not fit"),
        KeyError(3),
    ]
    errors += [RuntimeError("out of memory, says somebody else"), MemoryError("on the host")]
    for error in errors:
        calls = []

        def fn(x, error=error, calls=calls):
            calls.append(len(x))
            raise error

        name = type(error).__name__
        what = (f"when fn raises {name}, run_with_oom_fallback", f"fn 抛 {name} 时，run_with_oom_fallback")
        came = claims.raises(
            type(error),
            lambda fn=fn: submission.run_with_oom_fallback(fn, draw.randn(8, 2).to("cuda"), 1),
            what,
        )
        claims.that(
            came is error and len(calls) == 1,
            (f"{name} passes through after one call of fn", f"fn 调用一次后 {name} 就向外传播"),
            (
                f"{len(calls)} calls, then {type(came).__name__}: {came}",
                f"调用了 {len(calls)} 次，然后是 {type(came).__name__}: {came}",
            ),
            ("except torch.OutOfMemoryError, and nothing else", "只捕获 torch.OutOfMemoryError"),
        )


def test_gives_up(submission, draw, gpu):
    """Gives up at min_chunk."""
    for n, min_chunk in [(16, 4), (1, 1), (9, 2), (5, 5), (3, 7), (draw.integer(20, 40), draw.integer(3, 9))]:
        worker = _Worker(draw, most=0)
        claims.raises(
            torch.OutOfMemoryError,
            lambda n=n, m=min_chunk, worker=worker: submission.run_with_oom_fallback(
                worker, draw.randn(n, 4).to("cuda"), m
            ),
            (
                f"with {_rows(n)}, min_chunk {min_chunk} and a fn that never fits: it",
                f"{n} 行、min_chunk 为 {min_chunk}、fn 总是放不下时，",
            ),
        )
        small = [i for i, rows in enumerate(worker.rows) if rows <= min_chunk]
        claims.that(
            bool(small) and small[0] == len(worker.rows) - 1,
            (
                f"min_chunk {min_chunk}: fn is called no more after a piece of at most {_rows(min_chunk)}",
                f"min_chunk 为 {min_chunk}：第一个不超过 {min_chunk} 行的块失败后，不再调用 fn",
            ),
            (f"calls with {worker.rows} rows", f"各次调用的行数为 {worker.rows}"),
        )


def _surplus(nbytes):
    """What to look at when so many bytes are too many."""
    if nbytes >= SCRATCH:
        return (
            "what keeps the failed call's local variables alive?",
            "是什么让失败那次调用的局部变量还活着？",
        )
    return (
        "results that exist twice (pieces beside their concatenation), or copies of rows of the batch",
        "同一份结果存了两份（拼接之后各块还留着），或是复制了 batch 的行",
    )


def test_nothing_stays(submission, draw, gpu):
    """Nothing stays allocated by a failed try."""
    for n, most, min_chunk in [(12, 3, 1), (33, 4, 2), (7, 4, 1), (20, 0, 4)]:
        worker = _Worker(draw, width=64, most=most, scratch=SCRATCH)
        batch = draw.randn(n, 64).to("cuda")
        gc.collect()
        worker.base = torch.cuda.memory_allocated()
        try:
            submission.run_with_oom_fallback(worker, batch, min_chunk)
        except torch.OutOfMemoryError:
            claims.that(most == 0, _case(n, most, min_chunk), "OutOfMemoryError")
        for i, (extra, allowed) in enumerate(worker.extra):
            claims.that(
                extra <= allowed,
                (
                    f"call {i + 1} of fn ({_rows(worker.rows[i])}): at most {allowed} bytes more than before",
                    f"第 {i + 1} 次调用 fn（{worker.rows[i]} 行）时，最多比开始时多 {allowed} 字节",
                ),
                (f"{extra} bytes more", f"多了 {extra} 字节"),
                _surplus(extra - allowed),
            )
        gc.collect()
        left = torch.cuda.memory_allocated() - worker.base
        claims.that(
            left <= 0,
            ("nothing stays allocated afterwards", "结束之后不留占用"),
            (f"{left} bytes", f"还占着 {left} 字节"),
        )


def test_together(submission, draw, gpu):
    """Under a real cap."""
    n = draw.integer(70, 90)
    batch, weight = draw.randn(n, 4).to("cuda"), draw.randn(4, 2).to("cuda")
    rows = []

    def hungry(x):
        rows.append(len(x))
        scratch = torch.empty(len(x), MIB, dtype=torch.uint8, device="cuda")
        out = x @ weight
        del scratch
        return out

    with submission.memory_cap(_fraction(64)):
        came = submission.run_with_oom_fallback(hungry, batch, 2)
    claims.that(
        rows[0] == n and len(rows) > 1,
        (
            "the whole batch runs out of memory under the cap, and pieces of it do not",
            "整个 batch 在上限之下放不下，分块后放得下",
        ),
        (f"calls with {rows} rows", f"各次调用的行数为 {rows}"),
    )
    claims.close(
        came.cpu(), (batch @ weight).cpu(), ("the result under a cap of 64 MiB", "上限 64 MiB 时的结果")
    )
