"""Hidden checks of exercise 19."""

import torch

from ptquiz.worker import claims


def _one(seen, name, whose):
    ops = seen.named(name)
    claims.that(
        len(ops) == 1,
        (f"the work of {whose} is launched exactly once", f"{whose} 的任务恰好被发起一次"),
        (f"launched {len(ops)} times", f"发起了 {len(ops)} 次"),
    )
    return ops[0]


def _at(seen, milliseconds):
    """A moment, counted from the first thing that the record saw."""
    return f"{milliseconds - min(op.begin_ms for op in seen.ops):.2f} ms"


def _callers():
    """The default stream, and one of its own: callers are not always on the default stream."""
    return (torch.cuda.default_stream(), torch.cuda.Stream())


def _pair(value):
    claims.instance(value, tuple, "overlap(a, b, consume, side)")
    claims.same(len(value), 2, "len(overlap(a, b, consume, side))")
    return value


def _busy(gpu, milliseconds, name, value):
    """A function that keeps its stream busy and returns a tensor that was ready long before."""

    def run(*_):
        gpu.busy(milliseconds, name)
        return value

    return run


def _ready(draw, gpu):
    value = draw.randn(draw.integer(1, 9)).to("cuda")
    gpu.settle()
    return value


def test_results(submission, draw, gpu):
    """Calls each function once and returns (consumed, b's result)."""
    for _ in range(2):
        x, y = draw.randn(draw.integer(2, 60)).to("cuda"), draw.randn(3, draw.integer(1, 5)).to("cuda")
        gpu.settle()
        calls = []

        def a(x=x, calls=calls):
            calls.append("a")
            return x * 2

        def b(y=y, calls=calls):
            calls.append("b")
            return y - 1

        def consume(t, calls=calls):
            calls.append("consume")
            return t.sum()

        consumed, of_b = _pair(submission.overlap(a, b, consume, torch.cuda.Stream()))
        gpu.settle()
        gpu.forgive()  # order has checks of its own
        claims.that(
            sorted(calls) == ["a", "b", "consume"] and calls.index("a") < calls.index("b"),
            ("a, b and consume are called once each, a before b", "a、b、consume 各调用一次，a 在 b 之前"),
            (f"calls: {', '.join(calls)}", f"调用顺序：{', '.join(calls)}"),
        )
        claims.tensor(consumed, ("overlap(…)[0], the consumer's result", "overlap(…)[0]，即 consume 的结果"))
        claims.tensor(of_b, ("overlap(…)[1], the result of b", "overlap(…)[1]，即 b 的结果"))
        claims.close(consumed.cpu(), (x * 2).sum().cpu(), "overlap(…)[0]")
        claims.close(of_b.cpu(), (y - 1).cpu(), "overlap(…)[1]")


def test_streams(submission, draw, gpu):
    """a and b run on side and consume on the current stream."""
    for caller in _callers():
        side, value = torch.cuda.Stream(), _ready(draw, gpu)
        with torch.cuda.stream(caller), gpu.record() as seen:
            work = [_busy(gpu, 1, name, value) for name in ("a", "b", "consume")]
            submission.overlap(*work, side)
            now = torch.cuda.current_stream()
        gpu.settle()
        for name, stream, where in (
            ("a", side, ("side", "side")),
            ("b", side, ("side", "side")),
            ("consume", caller, ("the caller's current stream", "调用者的当前流")),
        ):
            op = _one(seen, name, name)
            claims.that(
                op.stream == stream.cuda_stream,
                (f"the work of {name} on {where[0]}", f"{name} 的任务跑在{where[1]}上"),
                ("on another stream", "跑在另一条流上"),
            )
        claims.that(
            now == caller,
            ("after the call, the caller's stream is current again", "返回之后，当前流恢复为调用者的流"),
            ("another stream is current", "当前流是另一条流"),
        )


def test_host_does_not_wait(submission, draw, gpu):
    """The host does not wait for the GPU."""
    for caller in _callers():
        side, idle, value = torch.cuda.Stream(), torch.cuda.Stream(), _ready(draw, gpu)
        with torch.cuda.stream(caller), gpu.record() as seen:
            gpu.busy(6, "before")
            work = [_busy(gpu, ms, name, value) for ms, name in ((9, "a"), (11, "b"), (10, "consume"))]
            submission.overlap(*work, side)
            with torch.cuda.stream(idle):
                gpu.busy(0.01, "the host is back")
        gpu.settle()
        look = (
            "streams wait for events; the host need not wait for anything",
            "让流去等事件，主机什么都不必等",
        )
        seen.no_wait(look)
        back, before = seen.named("the host is back")[0], seen.named("before")[0]
        claims.that(
            back.begin_ms < before.end_ms,
            ("overlap returns while the GPU is still at work", "GPU 还在忙时 overlap 就已返回"),
            (f"it returns at {_at(seen, back.begin_ms)}", f"它在 {_at(seen, back.begin_ms)} 才返回"),
            look,
        )


def test_after_the_callers_work(submission, draw, gpu):
    """a starts after the current stream's work so far."""
    for caller in _callers():
        side, value = torch.cuda.Stream(), _ready(draw, gpu)
        with torch.cuda.stream(caller), gpu.record() as seen:
            gpu.busy(draw.integer(5, 12), "before")
            submission.overlap(*[_busy(gpu, 1, name, value) for name in ("a", "b", "consume")], side)
        gpu.settle()
        before, first = seen.named("before")[0], _one(seen, "a", "a")
        claims.that(
            first.begin_ms >= before.end_ms,
            (
                f"the current stream's work so far ends at {_at(seen, before.end_ms)}; a begins after that",
                f"当前流已有的任务在 {_at(seen, before.end_ms)} 结束，a 在此之后开始",
            ),
            (f"a begins at {_at(seen, first.begin_ms)}", f"a 在 {_at(seen, first.begin_ms)} 就开始了"),
            ("what `side` waits for before a", "a 之前，`side` 等了谁"),
        )


def test_consumer_after_a(submission, draw, gpu):
    """The consumer starts after a."""
    for caller in _callers():
        side = torch.cuda.Stream()
        shared, value = _ready(draw, gpu), _ready(draw, gpu)

        def a(shared=shared):
            gpu.busy(draw.integer(5, 12), "a")
            gpu.write(shared, "a's writer")
            return shared

        def consume(t, value=value):
            gpu.read(t, "consume's reader")
            return value

        with torch.cuda.stream(caller), gpu.record() as seen:
            submission.overlap(a, _busy(gpu, 20, "b", value), consume, side)
        gpu.settle()
        first, reader = _one(seen, "a's writer", "a"), _one(seen, "consume's reader", "consume")
        look = (
            "the event: on which stream is it recorded, and is it recorded when the wait for it is issued?",
            "看看那个事件：记录在哪条流上？发出等待时，它已经记录了吗？",
        )
        claims.that(
            reader.begin_ms >= first.end_ms,
            (
                f"a ends at {_at(seen, first.end_ms)}; the consumer begins after that",
                f"a 在 {_at(seen, first.end_ms)} 结束，consume 在此之后开始",
            ),
            (
                f"the consumer begins at {_at(seen, reader.begin_ms)}",
                f"consume 在 {_at(seen, reader.begin_ms)} 就开始了",
            ),
            look,
        )
        seen.no_race(look)


def test_consumer_does_not_wait_for_b(submission, draw, gpu):
    """The consumer starts before b has ended."""
    for caller in _callers():
        side, value = torch.cuda.Stream(), _ready(draw, gpu)
        milliseconds = draw.integer(15, 40)
        with torch.cuda.stream(caller), gpu.record() as seen:
            submission.overlap(
                _busy(gpu, 2, "a", value),
                _busy(gpu, milliseconds, "b", value),
                _busy(gpu, 4, "consume", value),
                side,
            )
        gpu.settle()
        second, consumer = _one(seen, "b", "b"), _one(seen, "consume", "consume")
        claims.that(
            consumer.begin_ms < second.end_ms,
            (
                f"b runs until {_at(seen, second.end_ms)}; the consumer does not need b and begins before",
                f"b 一直执行到 {_at(seen, second.end_ms)}；consume 并不需要 b，应在此之前开始",
            ),
            (
                f"it begins at {_at(seen, consumer.begin_ms)}",
                f"它在 {_at(seen, consumer.begin_ms)} 才开始",
            ),
            (
                "a wait covers what the other stream has been given by then: is b already among it?",
                "等待覆盖的是那一刻对方已接到的任务：b 是不是已经在里面了？",
            ),
        )


def test_b_does_not_wait_for_the_consumer(submission, draw, gpu):
    """b starts before the consumer has ended."""
    for caller in _callers():
        side, value = torch.cuda.Stream(), _ready(draw, gpu)
        milliseconds = draw.integer(15, 40)
        with torch.cuda.stream(caller), gpu.record() as seen:
            submission.overlap(
                _busy(gpu, 2, "a", value),
                _busy(gpu, 4, "b", value),
                _busy(gpu, milliseconds, "consume", value),
                side,
            )
        gpu.settle()
        second, consumer = _one(seen, "b", "b"), _one(seen, "consume", "consume")
        claims.that(
            second.begin_ms < consumer.end_ms,
            (
                f"the consumer runs until {_at(seen, consumer.end_ms)}, while b runs; b begins before",
                f"consume 一直执行到 {_at(seen, consumer.end_ms)}，其间 b 也在执行；b 应在此之前开始",
            ),
            (f"b begins at {_at(seen, second.begin_ms)}", f"b 在 {_at(seen, second.begin_ms)} 才开始"),
            ("what `side` waits for between a and b", "a 与 b 之间，`side` 等了谁"),
        )


def test_b_before_the_callers_next(submission, draw, gpu):
    """What comes next waits for b."""
    for caller in _callers():
        side = torch.cuda.Stream()
        shared, value = _ready(draw, gpu), _ready(draw, gpu)

        def b(shared=shared):
            gpu.busy(draw.integer(15, 40), "b")
            gpu.write(shared, "b's writer")
            return shared

        with torch.cuda.stream(caller), gpu.record() as seen:
            _, of_b = _pair(
                submission.overlap(_busy(gpu, 2, "a", value), b, _busy(gpu, 1, "consume", value), side)
            )
            gpu.busy(1, "next")
            gpu.read(of_b, "the next reader of b's result")
        gpu.settle()
        second, after = _one(seen, "b's writer", "b"), seen.named("next")[0]
        look = ("what the current stream waits for after the consumer", "consume 之后，当前流等了谁")
        claims.that(
            after.begin_ms >= second.end_ms,
            (
                f"b ends at {_at(seen, second.end_ms)}; what the caller launches next begins after that",
                f"b 在 {_at(seen, second.end_ms)} 结束，调用者后续的任务在此之后开始",
            ),
            (f"it begins at {_at(seen, after.begin_ms)}", f"后续任务在 {_at(seen, after.begin_ms)} 就开始了"),
            look,
        )
        seen.no_race(look)


def _reused(side, n):
    """Allocate and write on `side`, as others do who know nothing of the current stream."""
    with torch.cuda.stream(side):
        return [torch.ones(n, device="cuda") for _ in range(4)]


def test_memory_of_a(submission, draw, gpu):
    """The memory of a's result is kept until the consumer has read it."""
    n = 256 * draw.integer(20, 60) + 1
    for caller in _callers():
        side, value = torch.cuda.Stream(), _ready(draw, gpu)
        torch.cuda.empty_cache()

        def consume(t, value=value):
            gpu.busy(9, "consume")
            gpu.read(t, "consume, reader of a's result")
            return value

        with torch.cuda.stream(caller), gpu.record() as seen:
            submission.overlap(
                lambda: torch.zeros(n, device="cuda"), _busy(gpu, 1, "b", value), consume, side
            )
            fresh = _reused(side, n)
        gpu.settle()
        seen.no_race(
            (
                "a's result is dropped when you return; does the allocator know who still reads it?",
                "返回时 a 的结果已无人引用；分配器知道 consume 还在读它吗？",
            )
        )
        del fresh


def test_memory_of_b(submission, draw, gpu):
    """The result of b may be dropped while still in use."""
    n = 256 * draw.integer(20, 60) + 1
    for caller in _callers():
        side, value = torch.cuda.Stream(), _ready(draw, gpu)
        torch.cuda.empty_cache()
        with torch.cuda.stream(caller), gpu.record() as seen:
            consumed, of_b = submission.overlap(
                _busy(gpu, 1, "a", value),
                lambda: torch.zeros(n, device="cuda"),
                lambda t: torch.zeros(n, device="cuda"),
                side,
            )
            gpu.busy(9, "the caller is busy")
            gpu.read(of_b, "the caller, reader of b's result")
            gpu.read(consumed, "the caller, reader of the consumer's result")
            del consumed, of_b
            fresh = _reused(side, n)
        gpu.settle()
        seen.no_race(
            (
                "the caller drops b's result while its stream still reads it; does the allocator know that?",
                "调用者的流还在读，b 的结果就已丢弃；分配器知道有这条流在用吗？",
            )
        )
        del fresh


def test_nothing_kept(submission, draw, gpu):
    """a's result is dropped at the end, the other two with the caller."""
    n, side, before = 1024 * draw.integer(200, 300), torch.cuda.Stream(), gpu.held()
    look = (
        "what still refers to it. The allocator can be told which streams use a tensor;"
        " nobody has to keep it alive",
        "还有谁在引用它。告诉分配器哪些流在用这个张量即可，不必有谁一直留着它",
    )
    pair = submission.overlap(
        lambda: torch.zeros(4 * n, device="cuda"),
        lambda: torch.zeros(n, device="cuda"),
        lambda t: torch.zeros(n, device="cuda"),
        side,
    )
    kept = gpu.held() - before
    claims.that(
        kept < 16 * n,
        (
            "when overlap has returned, the memory of a's result is free",
            "overlap 返回之后，a 的结果的显存随即释放",
        ),
        (
            f"{kept} bytes are in use; the two results of {4 * n} bytes leave that of a, {16 * n} bytes",
            f"还有 {kept} 字节在用；除去两个各 {4 * n} 字节的结果，正是 a 的结果的 {16 * n} 字节",
        ),
        look,
    )
    del pair
    kept = gpu.held() - before
    claims.that(
        kept < 4 * n,
        (
            "once the caller has dropped the two results, their memory is free",
            "调用者丢弃两个结果之后，它们的显存随即释放",
        ),
        (f"{kept} bytes are still in use", f"还有 {kept} 字节在用"),
        look,
    )
