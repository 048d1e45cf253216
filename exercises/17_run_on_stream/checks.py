"""Hidden checks of exercise 17."""

import contextlib
import itertools

import torch

from ptquiz.worker import claims


class FnError(Exception):
    """What the checks' own fn raises."""


class FnInterrupt(BaseException):
    """What the checks' own fn raises, and `except Exception` does not catch."""


def _one(seen, name):
    ops = seen.named(name)
    claims.that(
        len(ops) == 1,
        ("the work of fn is launched exactly once", "fn 的任务恰好被发起一次"),
        (f"launched {len(ops)} times", f"发起了 {len(ops)} 次"),
    )
    return ops[0]


def _at(seen, milliseconds):
    """A moment, counted from the first thing that the record saw."""
    return f"{milliseconds - min(op.begin_ms for op in seen.ops):.2f} ms"


def _callers():
    """The default stream, and one of its own: callers are not always on the default stream."""
    return (torch.cuda.default_stream(), torch.cuda.Stream())


def _which(caller):
    if caller == torch.cuda.default_stream():
        return ("the caller is on the default stream", "调用者在默认流上")
    return ("the caller is on a stream of its own", "调用者在自己的流上")


def _same_values(actual, expected, what):
    """Compare nested results leaf by leaf, tensors on the host."""
    if isinstance(expected, torch.Tensor):
        claims.tensor(actual, what, shape=expected.shape, dtype=expected.dtype)
        claims.that(
            actual.device == expected.device,
            (f"{what} on {expected.device}", f"{what} 位于 {expected.device}"),
            (f"on {actual.device}", f"位于 {actual.device}"),
        )
        claims.close(actual.detach().cpu(), expected.cpu(), what)
    elif isinstance(expected, dict):
        claims.instance(actual, dict, what)
        claims.same(list(actual), list(expected), f"list({what})")
        for key in expected:
            _same_values(actual[key], expected[key], f"{what}[{key!r}]")
    elif isinstance(expected, (list, tuple)):
        claims.instance(actual, type(expected), what)
        claims.same(len(actual), len(expected), f"len({what})")
        for i, value in enumerate(expected):
            _same_values(actual[i], value, f"{what}[{i}]")
    else:
        claims.same(actual, expected, what)


def test_result(submission, draw, gpu):
    """Calls fn once and returns what it returned."""
    n = draw.choice([1, 3, 257])
    x = draw.randn(n, 5).to("cuda")
    y = draw.randn(5).to("cuda")
    on_cpu = draw.randn(3)
    number = draw.integer(10, 99)

    def results(a, b):
        return [
            a * 2 + b,
            {"sum": a.sum(), "rest": [(a - b, number, None), "text"], "host": on_cpu},
            (a + 1, [b * 3]),
            number,
            None,
        ]

    gpu.settle()
    expected = results(x, y)
    for i, value in enumerate(expected):
        calls = []

        def fn(a, b, i=i, calls=calls):
            calls.append((a, b))
            return results(a, b)[i]

        got = submission.run_on_stream(fn, torch.cuda.Stream(), x, y)
        gpu.settle()
        claims.that(
            len(calls) == 1,
            ("fn is called exactly once", "fn 恰好被调用一次"),
            (f"called {len(calls)} times", f"被调用了 {len(calls)} 次"),
        )
        for actual, given in zip(calls[0], (x, y), strict=True):
            _same_values(actual, given, "args")
        _same_values(got, value, "run_on_stream(fn, stream, x, y)")
    gpu.settle()


def test_on_the_stream(submission, draw, gpu):
    """The work of fn runs on the given stream."""
    for caller in _callers():
        side = torch.cuda.Stream()
        inside = []

        def fn(inside=inside):
            gpu.busy(1, "fn")
            inside.append(torch.cuda.current_stream())

        with torch.cuda.stream(caller), gpu.record() as seen:
            submission.run_on_stream(fn, side)
        gpu.settle()
        work = _one(seen, "fn")
        claims.that(
            work.stream == side.cuda_stream and inside[0] == side,
            ("the work of fn on the stream that was passed", "fn 的任务跑在传入的流上"),
            (
                "on the caller's stream" if work.stream == caller.cuda_stream else "on another stream",
                "跑在调用者的流上" if work.stream == caller.cuda_stream else "跑在另一条流上",
            ),
            ("what makes a stream the current one", "怎样才能让一条流成为当前流"),
        )


def test_none_and_same_stream(submission, draw, gpu):
    """None and the current stream itself work."""
    for caller in _callers():
        for stream in (None, caller):
            x = draw.randn(draw.integer(1, 9)).to("cuda")
            gpu.settle()

            def fn(t):
                gpu.busy(3, "fn")
                return t + 1

            with torch.cuda.stream(caller), gpu.record() as seen:
                got = submission.run_on_stream(fn, stream, x)
            gpu.settle()
            passed = "None" if stream is None else "torch.cuda.current_stream()"
            claims.that(
                _one(seen, "fn").stream == caller.cuda_stream,
                (
                    f"stream={passed}, {_which(caller)[0]}: the work of fn on the caller's current stream",
                    f"stream={passed}，{_which(caller)[1]}：fn 的任务跑在调用者的当前流上",
                ),
                ("on another stream", "跑在另一条流上"),
            )
            _same_values(got, x + 1, f"run_on_stream(fn, {passed}, x)")
    gpu.settle()


def test_current_stream_restored(submission, draw, gpu):
    """The caller's stream is current again."""
    for caller in _callers():
        for stream in (torch.cuda.Stream(), None, caller):
            with torch.cuda.stream(caller):
                submission.run_on_stream(lambda: gpu.busy(1, "fn"), stream)
                now = torch.cuda.current_stream()
            claims.that(
                now == caller,
                (
                    f"{_which(caller)[0]}: after the call it is so again",
                    f"{_which(caller)[1]}：返回之后依然如此",
                ),
                (
                    "another stream is current" if now != stream else "`stream` has stayed current",
                    "当前流变成了另一条" if now != stream else "当前流停留在 `stream` 上",
                ),
                ("who puts the caller's stream back", "由谁把当前流换回去"),
            )
    gpu.settle()


def test_host_does_not_wait(submission, draw, gpu):
    """The host does not wait for the GPU."""
    for caller in _callers():
        for fails in (False, True):
            _host_does_not_wait(submission, gpu, caller, fails)


def _host_does_not_wait(submission, gpu, caller, fails):
    side, idle = torch.cuda.Stream(), torch.cuda.Stream()
    look = ("a stream can wait for another stream; the host need not", "让流去等流即可，主机不必等")
    gpu.settle()

    def fn():
        gpu.busy(7, "fn")
        if fails:
            raise FnError

    with torch.cuda.stream(caller), gpu.record() as seen:
        gpu.busy(9, "before")
        with contextlib.suppress(Exception if fails else ()):  # what comes out has a check of its own
            submission.run_on_stream(fn, side)
        with torch.cuda.stream(idle):
            gpu.busy(0.01, "the host is back")
    gpu.settle()
    seen.no_wait(look)
    before, back = seen.named("before")[0], seen.named("the host is back")[0]
    claims.that(
        back.begin_ms < before.end_ms,
        ("run_on_stream returns while the GPU is still at work", "GPU 还在忙时 run_on_stream 就已返回"),
        (f"it returns at {_at(seen, back.begin_ms)}", f"它在 {_at(seen, back.begin_ms)} 才返回"),
        look,
    )


def test_after_the_callers_work(submission, draw, gpu):
    """The work of fn starts after the caller's work so far."""
    for caller in _callers():
        side = torch.cuda.Stream()
        gpu.settle()
        with torch.cuda.stream(caller):
            x = draw.randn(draw.integer(3, 40)).to("cuda")
            gpu.settle()
            with gpu.record() as seen:
                gpu.busy(draw.integer(5, 12), "before")
                gpu.write(x, "the caller's writer")
                submission.run_on_stream(lambda: gpu.busy(1, "fn"), side)
                submission.run_on_stream(lambda t: gpu.read(t, "fn's reader"), side, x)
        gpu.settle()
        before, work = seen.named("before")[0], _one(seen, "fn")
        claims.that(
            work.begin_ms >= before.end_ms,
            (
                f"{_which(caller)[0]}: fn's work begins after {_at(seen, before.end_ms)}",
                f"{_which(caller)[1]}：fn 的任务在 {_at(seen, before.end_ms)} 之后开始",
            ),
            (f"it begins at {_at(seen, work.begin_ms)}", f"它在 {_at(seen, work.begin_ms)} 就开始了"),
            (
                "which stream waits for which one, and which one was the caller's when the call came",
                "是哪条流在等哪条流；进入函数时，调用者的当前流是哪一条",
            ),
        )
        seen.no_race(("what `stream` waits for before fn runs", "fn 运行之前，`stream` 等了谁"))


def test_before_the_callers_next(submission, draw, gpu):
    """The caller's next work starts after the work of fn."""
    for caller in _callers():
        side = torch.cuda.Stream()
        with torch.cuda.stream(caller):
            x = draw.randn(draw.integer(3, 40)).to("cuda")
            gpu.settle()

            def fn(t):
                gpu.busy(draw.integer(5, 12), "fn")
                gpu.write(t, "fn's writer")

            with gpu.record() as seen:
                submission.run_on_stream(fn, side, x)
                with torch.cuda.stream(caller):
                    gpu.busy(1, "next")
                    gpu.read(x, "the next reader")
        gpu.settle()
        work, after = _one(seen, "fn's writer"), seen.named("next")[0]
        claims.that(
            after.begin_ms >= work.end_ms,
            (
                f"{_which(caller)[0]}: the next work begins after {_at(seen, work.end_ms)}",
                f"{_which(caller)[1]}：后续的任务在 {_at(seen, work.end_ms)} 之后开始",
            ),
            (f"it begins at {_at(seen, after.begin_ms)}", f"它在 {_at(seen, after.begin_ms)} 就开始了"),
            ("what the caller's stream waits for after fn", "fn 之后，调用者的流等了谁"),
        )
        seen.no_race(("what the caller's stream waits for after fn", "fn 之后，调用者的流等了谁"))


def test_nested_calls(submission, draw, gpu):
    """fn may call run_on_stream itself."""
    for caller in _callers():
        outer, inner = torch.cuda.Stream(), torch.cuda.Stream()
        gpu.settle()

        def fn(inner=inner):
            gpu.busy(3, "fn")
            submission.run_on_stream(lambda: gpu.busy(4, "inner"), inner)
            gpu.busy(draw.integer(5, 12), "fn's rest")

        with torch.cuda.stream(caller), gpu.record() as seen:
            submission.run_on_stream(fn, outer)
            with torch.cuda.stream(caller):
                gpu.busy(1, "next")
        gpu.settle()
        order = [_one(seen, name) for name in ("fn", "inner", "fn's rest", "next")]
        for first, second in itertools.pairwise(order):
            claims.that(
                second.begin_ms >= first.end_ms,
                (
                    f"fn calls run_on_stream itself: {second.name!r} begins after {first.name!r} has ended,"
                    f" at {_at(seen, first.end_ms)}",
                    f"fn 自己也调用 run_on_stream：{first.name!r} 在 {_at(seen, first.end_ms)} 结束，"
                    f"{second.name!r} 在此之后开始",
                ),
                (
                    f"it begins at {_at(seen, second.begin_ms)}",
                    f"它在 {_at(seen, second.begin_ms)} 就开始了",
                ),
                ("what each call remembers, and where", "每次调用各自记住了什么，又记在哪里"),
            )


def test_exception(submission, draw, gpu):
    """An exception changes neither order nor current stream."""
    for caller in _callers():
        for error in (FnError("raised by fn"), FnInterrupt("raised by fn")):
            _exception(submission, draw, gpu, caller, error)


def _exception(submission, draw, gpu, caller, error):
    side, kind = torch.cuda.Stream(), type(error)
    with torch.cuda.stream(caller):
        x = draw.randn(draw.integer(3, 40)).to("cuda")
        gpu.settle()

        def fn(t):
            gpu.busy(8, "fn")
            gpu.write(t, "fn's writer")
            raise error

        with gpu.record() as seen:
            came = claims.raises(
                kind,
                lambda: submission.run_on_stream(fn, side, x),
                (
                    "run_on_stream(fn, stream, x) with an fn that fails",
                    "fn 失败时，run_on_stream(fn, stream, x)",
                ),
            )
            now = torch.cuda.current_stream()
            with torch.cuda.stream(caller):
                gpu.busy(1, "next")
                gpu.read(x, "the next reader")
    gpu.settle()
    claims.that(
        came is error,
        ("the exception of fn itself", "fn 抛出的那个异常本身"),
        ("another exception object", "另一个异常对象"),
    )
    _as_before(seen, now, caller, kind)


def _as_before(seen, now, caller, kind):
    """The caller's stream is current, and its next work waits for that of the fn which has raised `kind`."""
    base = kind.__mro__[1].__name__
    look = (f"`finally`; fn raised a subclass of {base}", f"`finally`；fn 抛出的是 {base} 的子类")
    claims.that(
        now == caller,
        (
            "the caller's stream is current again after fn has raised",
            "fn 抛异常之后，当前流恢复为调用者的流",
        ),
        ("another stream is current", "当前流是另一条流"),
        look,
    )
    work, after = _one(seen, "fn's writer"), seen.named("next")[0]
    claims.that(
        after.begin_ms >= work.end_ms,
        (
            f"fn raises, its work ends at {_at(seen, work.end_ms)}; the caller's next work begins after that",
            f"fn 抛异常之前发起的任务在 {_at(seen, work.end_ms)} 结束，调用者后续的任务在此之后开始",
        ),
        (
            f"it begins at {_at(seen, after.begin_ms)}",
            f"后续的任务在 {_at(seen, after.begin_ms)} 就开始了",
        ),
        look,
    )
    seen.no_race(look)


def _leaves(value):
    """All tensors in a result."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)


def test_memory(submission, draw, gpu):
    """Results may be dropped while still in use on the GPU."""
    n = 256 * draw.integer(20, 60) + 1
    shapes = {
        "a tensor": lambda make: make(),
        "a list": lambda make: [make(), None, make()],
        "a dict": lambda make: {"a": make(), "n": 3},
        "a tuple of nested results": lambda make: ({"deep": [(make(), "x")]}, make()),
    }

    for name, build in shapes.items():
        for caller in _callers():
            side = torch.cuda.Stream()
            gpu.settle()
            torch.cuda.empty_cache()

            def fn(build=build):
                return build(lambda: torch.zeros(n, device="cuda"))

            with torch.cuda.stream(caller), gpu.record() as seen:
                out = submission.run_on_stream(fn, side)
                gpu.busy(8, "the caller is busy")
                for tensor in _leaves(out):
                    gpu.read(tensor, "the caller's reader")
                del out, tensor
                with torch.cuda.stream(side):
                    fresh = [torch.ones(n, device="cuda") for _ in range(4)]
            gpu.settle()
            seen.no_race(
                (
                    f"fn returned {name}; the caller dropped it before its stream had read it, and the next"
                    " tensor on `stream` got that memory. Does the allocator know of the caller's stream?",
                    f"fn 返回的是 {name}；调用者的流还没读完结果，引用就已丢弃，"
                    "`stream` 上的下一个张量拿到了同一块显存。分配器知道调用者的流在用它吗？",
                )
            )
            del fresh
    gpu.settle()


def test_nothing_kept(submission, draw, gpu):
    """What the caller drops is freed."""
    n = 1024 * draw.integer(200, 300)
    for name, fn in (("a tensor", lambda x: x + 1), ("a list", lambda x: [x + 1, (x * 2, "x")])):
        side, before = torch.cuda.Stream(), gpu.held()
        out = submission.run_on_stream(fn, side, torch.zeros(n, device="cuda"))
        del out
        gpu.freed(
            before,
            4 * n,
            (
                f"fn returned {name}: once the caller has dropped arguments and result, their memory is free",
                f"fn 返回的是 {name}：调用者丢弃参数和结果之后，它们的显存随即释放",
            ),
        )
