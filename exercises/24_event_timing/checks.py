"""Hidden checks of exercise 24."""

import time

import torch

from ptquiz.worker import claims

CALL = "time_gpu(fn, warmup, iters)"


def _callers():
    """The default stream, and one of its own: callers are not always on the default stream."""
    return (torch.cuda.default_stream(), torch.cuda.Stream())


def _times(value, iters):
    claims.instance(value, list, CALL)
    claims.same(len(value), iters, f"len({CALL})")
    for i, item in enumerate(value):
        claims.instance(item, float, f"{CALL}[{i}]")
    return value


def _near(gpu, times, expected, what, look=""):
    """Each time within 2 % and a tenth of a millisecond: launches cost a few microseconds.

    A real device keeps busy for about the time that it was asked for: there, within a third.
    """
    share, more = (0.02, 0.1) if gpu.simulated else (0.33, 0.3)
    for i, (came, wanted) in enumerate(zip(times, expected, strict=True)):
        claims.that(
            abs(came - wanted) <= more + share * wanted,
            (f"{what[0]}: call {i} takes {wanted:.2f} ms", f"{what[1]}：第 {i} 次调用耗时 {wanted:.2f} ms"),
            (f"{came:.3f} ms; all times: {_shown(times)}", f"{came:.3f} ms；全部时间：{_shown(times)}"),
            look,
        )


def _shown(times):
    return ", ".join(f"{value:.2f}" for value in times[:8]) + (", …" if len(times) > 8 else "")


def _jobs(gpu, durations, each=None):
    """A function whose i-th call keeps the current stream busy for the i-th duration."""
    waiting = iter(enumerate(durations))

    def fn():
        i, milliseconds = next(waiting, (None, 0.0))
        if i is None:
            return
        gpu.busy(milliseconds, f"call {i}")
        if each is not None:
            each(i)

    return fn


def test_list_of_floats(submission, draw, gpu):
    """Calls fn warmup + iters times and returns iters floats."""
    for warmup, iters in ((0, 1), (3, 5), (draw.integer(1, 4), draw.integer(6, 12))):
        calls = []

        def fn(calls=calls):
            gpu.busy(1, "call")
            calls.append(torch.cuda.current_stream())

        got = submission.time_gpu(fn, warmup, iters)
        gpu.settle()
        _times(got, iters)
        claims.that(
            len(calls) == warmup + iters,
            (
                f"warmup={warmup}, iters={iters}: fn is called {warmup + iters} times",
                f"warmup={warmup}，iters={iters}：fn 被调用 {warmup + iters} 次",
            ),
            (f"called {len(calls)} times", f"被调用了 {len(calls)} 次"),
        )


def test_time_of_each_call(submission, draw, gpu):
    """Each time is that of one call."""
    for iters in (1, 2, draw.integer(5, 9)):
        durations = [draw.rng.uniform(2, 9) for _ in range(iters)]
        got = submission.time_gpu(_jobs(gpu, durations), 0, iters)
        gpu.settle()
        _near(
            gpu,
            _times(got, iters),
            durations,
            (f"warmup=0, iters={iters}", f"warmup=0，iters={iters}"),
            ("what was recorded around the call, and on what", "这次调用的前后记录了什么、记录在哪里"),
        )
    parts = [draw.rng.uniform(1, 4) for _ in range(3)]

    def fn():
        for part in parts:
            gpu.busy(part, "part of a call")

    got = submission.time_gpu(fn, 0, 3)
    gpu.settle()
    _near(gpu, _times(got, 3), [sum(parts)] * 3, ("fn launches three kernels", "fn 发起三个核函数"))


def test_warmup_is_left_out(submission, draw, gpu):
    """The warm-up is left out."""
    for warmup, iters in ((1, 3), (4, 2)):
        slow = [draw.rng.uniform(80, 150) for _ in range(warmup)]
        fast = [draw.rng.uniform(2, 5) for _ in range(iters)]
        got = submission.time_gpu(_jobs(gpu, slow + fast), warmup, iters)
        gpu.settle()
        _near(
            gpu,
            _times(got, iters),
            fast,
            (f"warmup={warmup}, warm-up calls of about 100 ms", f"warmup={warmup}，预热调用每次约 100 ms"),
            ("which calls lie between the events", "两个事件之间夹着哪些调用"),
        )


def test_current_stream(submission, draw, gpu):
    """The current stream is timed."""
    for caller in _callers():
        durations = [draw.rng.uniform(2, 9) for _ in range(5)]
        used = []
        fn = _jobs(gpu, durations, lambda i, used=used: used.append(torch.cuda.current_stream()))
        with torch.cuda.stream(caller):
            got = submission.time_gpu(fn, 1, 4)
            now = torch.cuda.current_stream()
        gpu.settle()
        which = (
            ("the default stream is current", "当前流是默认流")
            if caller == torch.cuda.default_stream()
            else ("a stream of the caller's own is current", "当前流是调用者自己的流")
        )
        claims.that(
            all(stream == caller for stream in used) and now == caller,
            (f"{which[0]}, also within fn and afterwards", f"{which[1]}，在 fn 里和返回之后也是如此"),
            ("another stream has become current", "当前流变成了另一条"),
        )
        _near(
            gpu,
            _times(got, 4),
            durations[1:],
            which,
            ("on which stream the events are recorded", "事件记录在哪条流上"),
        )


def test_other_work_is_left_out(submission, draw, gpu):
    """Other work is left out."""
    for caller in _callers():
        other = torch.cuda.Stream()
        durations = [draw.rng.uniform(2, 6) for _ in range(4)]
        with torch.cuda.stream(caller):
            with torch.cuda.stream(other):
                gpu.busy(500, "a long job on another stream")
            gpu.busy(70, "earlier work of the current stream")
            got = submission.time_gpu(_jobs(gpu, durations), 0, 4)
        gpu.settle()
        _near(
            gpu,
            _times(got, 4),
            durations,
            (
                "the current stream has 70 ms of earlier work, another stream is busy for 500 ms",
                "当前流之前还有 70 ms 的任务，另一条流要忙 500 ms",
            ),
            (
                "where the first event stands in the current stream's queue",
                "第一个事件在当前流的队列里处于什么位置",
            ),
        )


def test_no_wait_between_calls(submission, draw, gpu):
    """The host does not wait between the timed calls."""
    warmup, iters, idle = 2, 6, torch.cuda.Stream()
    durations = [draw.rng.uniform(4, 8) for _ in range(warmup + iters)]

    def each(i):
        with torch.cuda.stream(idle):
            gpu.busy(0.001, f"the host is in call {i}")

    gpu.settle()
    with gpu.record() as seen:
        submission.time_gpu(_jobs(gpu, durations, each), warmup, iters)
    gpu.settle()
    for i in range(warmup + 1, warmup + iters):
        before, host = seen.named(f"call {i - 1}")[0], seen.named(f"the host is in call {i}")[0]
        claims.that(
            host.begin_ms < before.end_ms,
            (
                f"timed call {i - warmup} is launched while the GPU still works on call {i - warmup - 1}",
                f"GPU 还在执行第 {i - warmup - 1} 次计时调用时，主机就发起第 {i - warmup} 次",
            ),
            (
                f"it does so {host.begin_ms - before.end_ms:.3f} ms after that call has ended",
                f"等那次调用结束 {host.begin_ms - before.end_ms:.3f} ms 之后才发起",
            ),
            ("what waits inside the loop", "循环里有什么在等"),
        )


def test_host_time_does_not_count(submission, draw, gpu):
    """The host's time does not count."""
    for warmup in (0, 2):
        durations = [draw.rng.uniform(6, 12) for _ in range(warmup + 5)]
        fn = _jobs(gpu, durations, lambda i: time.sleep(0.004))
        got = submission.time_gpu(fn, warmup, 5)
        gpu.settle()
        _near(
            gpu,
            _times(got, 5),
            durations[warmup:],
            ("the host dawdles for 4 ms after each launch", "每次发起任务之后主机磨蹭 4 ms"),
            ("whose clock is read", "读的是谁的时钟"),
        )
