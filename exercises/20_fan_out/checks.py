"""Hidden checks of exercise 20."""

import contextlib

import torch

from ptquiz.worker import claims

CALL = "run_parallel(fns, n_streams)"


class FnError(Exception):
    """What the checks' own functions raise."""


def _at(seen, milliseconds):
    """A moment, counted from the first thing that the record saw."""
    return f"{milliseconds - min(op.begin_ms for op in seen.ops):.2f} ms"


def _callers():
    """The default stream, and one of its own: callers are not always on the default stream."""
    return (torch.cuda.default_stream(), torch.cuda.Stream())


def _ready(draw, gpu):
    value = draw.randn(draw.integer(1, 9)).to("cuda")
    gpu.settle()
    return value


def _busy(gpu, count, milliseconds, value):
    """Functions f0, f1, … that keep their stream busy and return a tensor that was ready before."""

    def make(i):
        def fn():
            gpu.busy(milliseconds, f"f{i}")
            return value

        return fn

    return [make(i) for i in range(count)]


def _ops(seen, count):
    """The operation of each function, launched once each."""
    found = [seen.named(f"f{i}") for i in range(count)]
    for i, ops in enumerate(found):
        claims.that(
            len(ops) == 1,
            (f"the work of fns[{i}] is launched once", f"fns[{i}] 的任务只发起一次"),
            (f"launched {len(ops)} times", f"发起了 {len(ops)} 次"),
        )
    return [ops[0] for ops in found]


def _as_they_were(now, before):
    """The caller's list of functions has not been changed."""
    claims.that(
        len(now) == len(before) and all(a is b for a, b in zip(now, before, strict=True)),
        ("`fns` is left as it was", "`fns` 保持原样"),
        (
            f"it had {len(before)} functions, now there are {len(now)}, or others",
            f"原有 {len(before)} 个函数，现在有 {len(now)} 个，或者换了内容",
        ),
    )


def test_results(submission, draw, gpu):
    """Calls each function once and returns the results in order."""
    for count, n_streams in ((1, 1), (3, 8), (draw.integer(5, 8), 3), (draw.integer(4, 7), 1)):
        inputs = [draw.randn(draw.integer(1, 30)).to("cuda") for _ in range(count)]
        gpu.settle()
        calls = [0] * count

        def make(i, inputs=inputs, calls=calls):
            def fn():
                calls[i] += 1
                return inputs[i] * (i + 2)

            return fn

        fns = [make(i) for i in range(count)]
        passed = list(fns)
        got = submission.run_parallel(passed, n_streams)
        gpu.settle()
        gpu.forgive()  # order has checks of its own
        claims.instance(got, list, CALL)
        claims.same(len(got), count, f"len({CALL})")
        claims.that(
            calls == [1] * count,
            ("each function is called once", "每个函数调用一次"),
            (f"numbers of calls: {calls}", f"各函数的调用次数：{calls}"),
        )
        for i, (value, given) in enumerate(zip(got, inputs, strict=True)):
            claims.tensor(value, f"{CALL}[{i}]")
            claims.close(
                value.cpu(),
                (given * (i + 2)).cpu(),
                (
                    f"{CALL}[{i}], {count} functions, n_streams={n_streams}",
                    f"{CALL}[{i}]，{count} 个函数，n_streams={n_streams}",
                ),
            )
        _as_they_were(passed, fns)


def test_empty(submission, draw, gpu):
    """No functions give an empty list."""
    for n_streams in (1, 4):
        claims.same(submission.run_parallel([], n_streams), [], f"run_parallel([], {n_streams})")
    gpu.settle()


def test_number_of_streams(submission, draw, gpu):
    """At most n_streams streams are used."""
    for count, n_streams in ((7, 3), (5, 1), (9, 2), (3, 5)):
        value = _ready(draw, gpu)
        with gpu.record() as seen:
            submission.run_parallel(_busy(gpu, count, 1, value), n_streams)
        gpu.settle()
        used = {op.stream for op in _ops(seen, count)}
        claims.that(
            len(used) <= n_streams,
            (f"{count} functions on at most {n_streams} streams", f"{count} 个函数至多用 {n_streams} 条流"),
            (f"on {len(used)} streams", f"用了 {len(used)} 条流"),
            (
                "where the streams are made: once, or once for each function?",
                "流是在哪里创建的：一次，还是每个函数一次？",
            ),
        )


def test_host_does_not_wait(submission, draw, gpu):
    """The host does not wait for the GPU."""
    look = ("a stream can wait for another stream; the host need not", "让流去等流即可，主机不必等")
    for caller in _callers():
        value, idle = _ready(draw, gpu), torch.cuda.Stream()
        with torch.cuda.stream(caller), gpu.record() as seen:
            gpu.busy(8, "before")
            submission.run_parallel(_busy(gpu, 5, 9, value), 2)
            with torch.cuda.stream(idle):
                gpu.busy(0.01, "the host is back")
        gpu.settle()
        seen.no_wait(look)
        before, back = seen.named("before")[0], seen.named("the host is back")[0]
        if back.stream in {op.stream for op in _ops(seen, 5)}:
            continue  # the streams come from a pool; this one was taken
        claims.that(
            back.begin_ms < before.end_ms,
            ("run_parallel returns while the GPU is still at work", "GPU 还在忙时 run_parallel 就已返回"),
            (f"it returns at {_at(seen, back.begin_ms)}", f"它在 {_at(seen, back.begin_ms)} 才返回"),
            look,
        )


def test_work_overlaps(submission, draw, gpu):
    """The work overlaps and is spread evenly."""
    for count, n_streams in ((4, 4), (9, 3), (10, 5), (2, 2), (7, 4), (draw.integer(9, 12), 8)):
        value, each, rounds = _ready(draw, gpu), draw.integer(8, 15), -(-count // n_streams)
        with gpu.record() as seen:
            submission.run_parallel(_busy(gpu, count, each, value), n_streams)
        gpu.settle()
        ops = _ops(seen, count)
        makespan = max(op.end_ms for op in ops) - min(op.begin_ms for op in ops)
        claims.that(
            makespan <= 1.2 * rounds * each,
            (
                f"{count} functions of {each} ms on {n_streams} streams, at most {rounds} on each, take about"
                f" {rounds * each} ms",
                f"{count} 个函数各 {each} ms，{n_streams} 条流，每条至多 {rounds} 个，约 {rounds * each} ms",
            ),
            (f"they take {makespan:.2f} ms", f"用了 {makespan:.2f} ms"),
            (
                "on how many streams they run, and what a stream waits for before its function",
                "它们跑在几条流上；每条流在执行自己的函数之前等了谁",
            ),
        )


def test_inputs_are_waited_for(submission, draw, gpu):
    """Every function starts after the caller's work so far."""
    look = (
        "what each of the streams waits for before its first function",
        "每条流在执行第一个函数之前等了谁",
    )
    for caller in _callers():
        for count, n_streams in ((5, 3), (2, 1)):
            shared = _ready(draw, gpu)

            def make(i, shared=shared):
                def fn():
                    gpu.read(shared, f"f{i}")
                    return shared

                return fn

            with torch.cuda.stream(caller), gpu.record() as seen:
                gpu.busy(draw.integer(5, 12), "before")
                gpu.write(shared, "the caller's writer")
                submission.run_parallel([make(i) for i in range(count)], n_streams)
            gpu.settle()
            before = seen.named("the caller's writer")[0]
            for i, op in enumerate(_ops(seen, count)):
                claims.that(
                    op.begin_ms >= before.end_ms,
                    (
                        f"the caller's work ends at {_at(seen, before.end_ms)}; fns[{i}] begins after that",
                        f"调用者已有的任务在 {_at(seen, before.end_ms)} 结束，fns[{i}] 在此之后开始",
                    ),
                    (
                        f"fns[{i}] begins at {_at(seen, op.begin_ms)}",
                        f"它在 {_at(seen, op.begin_ms)} 就开始了",
                    ),
                    look,
                )
            seen.no_race(look)


def test_joined(submission, draw, gpu):
    """The caller's next work starts after every function."""
    look = ("which streams the caller's stream waits for, and when", "调用者的流等了哪些流，什么时候等的")
    for caller in _callers():
        for count, n_streams, longest in ((4, 4, 0), (4, 4, 3), (5, 2, 3), (3, 1, 1), (2, 6, 0)):
            buffers = [_ready(draw, gpu) for _ in range(count)]

            def make(i, buffers=buffers, longest=longest):
                def fn():
                    gpu.busy(20 if i == longest else 2, "long" if i == longest else "short")
                    gpu.write(buffers[i], f"f{i}")
                    return buffers[i]

                return fn

            with torch.cuda.stream(caller), gpu.record() as seen:
                got = submission.run_parallel([make(i) for i in range(count)], n_streams)
                gpu.busy(1, "next")
                for value in got:
                    gpu.read(value, "the caller's reader")
            gpu.settle()
            after, last = seen.named("next")[0], max(_ops(seen, count), key=lambda op: op.end_ms)
            claims.that(
                after.begin_ms >= last.end_ms,
                (
                    f"{count} functions, n_streams={n_streams}: all have ended at {_at(seen, last.end_ms)};"
                    " what the caller launches next begins after that",
                    f"{count} 个函数，n_streams={n_streams}：全部在 {_at(seen, last.end_ms)} 结束，"
                    "调用者后续的任务在此之后开始",
                ),
                (
                    f"it begins at {_at(seen, after.begin_ms)}",
                    f"后续任务在 {_at(seen, after.begin_ms)} 就开始了",
                ),
                look,
            )
            seen.no_race(look)


def test_current_stream_restored(submission, draw, gpu):
    """The caller's stream is current again."""
    value = _ready(draw, gpu)

    def fails():
        raise FnError

    for caller in _callers():
        for last in ([], [fails]):
            with torch.cuda.stream(caller):
                with contextlib.suppress(FnError if last else ()):
                    submission.run_parallel(_busy(gpu, 3, 1, value) + last, 2)
                now = torch.cuda.current_stream()
            when = (
                ("after a function has raised", "函数抛异常之后") if last else ("after the call", "返回之后")
            )
            claims.that(
                now == caller,
                (f"{when[0]}, the caller's stream is current again", f"{when[1]}，当前流恢复为调用者的流"),
                ("another stream is current", "当前流是另一条流"),
            )
    gpu.settle()


def test_memory(submission, draw, gpu):
    """Results may be dropped while still in use."""
    n = 256 * draw.integer(20, 60) + 1
    for caller in _callers():
        gpu.settle()
        torch.cuda.empty_cache()
        streams = []

        def fn(streams=streams):
            streams.append(torch.cuda.current_stream())
            return torch.zeros(n, device="cuda")

        with torch.cuda.stream(caller), gpu.record() as seen:
            got = submission.run_parallel([fn] * 4, 2)
            gpu.busy(9, "the caller is busy")
            for value in got:
                gpu.read(value, "the caller's reader")
            del got, value
            fresh = []
            for stream in streams:
                if stream != caller:
                    with torch.cuda.stream(stream):
                        fresh += [torch.ones(n, device="cuda") for _ in range(3)]
        gpu.settle()
        seen.no_race(
            (
                "the caller dropped the results before its stream had read them, and the next tensors on your"
                " streams got that memory. Does the allocator know of the caller's stream?",
                "调用者的流还没读完结果，引用就已丢弃，你的流上的下一批张量拿到了同一块显存。"
                "分配器知道调用者的流在用它吗？",
            )
        )
        del fresh


def test_nothing_kept(submission, draw, gpu):
    """What the caller drops is freed."""
    n, before = 1024 * draw.integer(200, 300), gpu.held()
    got = submission.run_parallel([lambda: torch.zeros(n, device="cuda")] * 4, 2)
    del got
    gpu.freed(
        before,
        4 * n,
        (
            "once the caller has dropped the results, their memory is free",
            "调用者丢弃结果之后，它们的显存随即释放",
        ),
    )
