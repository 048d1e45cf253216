"""Hidden checks of exercise 21."""

import contextlib
import threading

import torch

from ptquiz.worker import claims

CALL = "parallel_map(fn, items, n_threads)"
PATIENCE = 5  # seconds that one thread waits for another before it gives up; only wrong answers use them up


class FnError(Exception):
    """What the checks' own fn raises."""


def _at(seen, milliseconds):
    """A moment, counted from the first thing that the record saw."""
    return f"{milliseconds - min(op.begin_ms for op in seen.ops):.2f} ms"


def _callers(gpu):
    """A default stream and a stream of its own, on device 0 and on another device."""
    for index in range(gpu.count):
        with torch.cuda.device(index):
            yield index, torch.cuda.default_stream()
            yield index, torch.cuda.Stream()


def _ready(draw, gpu, index):
    value = draw.randn(draw.integer(1, 9)).to(gpu.device(index))
    gpu.settle()
    return value


def _meet(barrier):
    """Wait until all calls of fn are under way, so that every worker has an item."""
    with contextlib.suppress(threading.BrokenBarrierError):
        barrier.wait(PATIENCE / 4)


def _ops(seen, names, what="fn(items[{}])"):
    found = []
    for i, name in enumerate(names):
        ops = seen.named(name)
        claims.that(
            len(ops) == 1,
            (f"the work of {what.format(i)} is launched once", f"{what.format(i)} 的任务只发起一次"),
            (f"launched {len(ops)} times", f"发起了 {len(ops)} 次"),
        )
        found.append(ops[0])
    return found


def test_results(submission, draw, gpu):
    """Calls fn once for each item and keeps the order."""
    for count, n_threads in ((1, 1), (3, 8), (draw.integer(5, 8), 2), (draw.integer(4, 7), 1)):
        items = [(i, draw.randn(draw.integer(1, 30)).to("cuda")) for i in range(count)]
        gpu.settle()
        calls = []

        def fn(item, calls=calls):
            calls.append(item[0])
            return item[1] * 2 - item[0]

        passed = list(items)
        got = submission.parallel_map(fn, passed, n_threads)
        gpu.settle()
        gpu.forgive()  # order on the device has checks of its own
        claims.instance(got, list, CALL)
        claims.same(len(got), count, f"len({CALL})")
        claims.that(
            sorted(calls) == list(range(count)),
            ("fn is called once for each item", "每一项恰好调用一次 fn"),
            (f"calls for the items {sorted(calls)}", f"被调用的项：{sorted(calls)}"),
        )
        for i, (value, item) in enumerate(zip(got, items, strict=True)):
            claims.tensor(value, f"{CALL}[{i}]")
            claims.close(value.cpu(), (item[1] * 2 - i).cpu(), f"{CALL}[{i}]")
        claims.that(
            len(passed) == count and all(a is b for a, b in zip(passed, items, strict=True)),
            ("`items` is left as it was", "`items` 保持原样"),
            (
                f"it had {count} items, now there are {len(passed)}, or others",
                f"原有 {count} 项，现在有 {len(passed)} 项，或者换了内容",
            ),
        )
    _later_items_end_first(submission, gpu)


def _later_items_end_first(submission, gpu):
    """The order of the results is that of the items even when the first item takes longest."""
    count = 3
    ended = [threading.Event() for _ in range(count + 1)]
    ended[count].set()

    def fn(i):
        ended[i + 1].wait(PATIENCE / 4)
        threading.Event().wait(0.03)  # time for the later thread to leave fn and report
        value = torch.full((2,), float(i), device="cuda")
        ended[i].set()
        return value

    got = submission.parallel_map(fn, list(range(count)), count)
    gpu.settle()
    gpu.forgive()
    came = [value.cpu()[0].item() for value in got]
    claims.that(
        came == [0.0, 1.0, 2.0],
        (
            "results in the order of items, also when later items end first",
            "即使后面的项先结束，结果仍按 items 的顺序",
        ),
        (f"order of the items: {[int(v) for v in came]}", f"结果对应的项：{[int(v) for v in came]}"),
    )


def test_empty(submission, draw, gpu):
    """No items give an empty list."""
    for n_threads in (1, 4):
        claims.same(
            submission.parallel_map(lambda item: item, [], n_threads),
            [],
            f"parallel_map(fn, [], {n_threads})",
        )
    gpu.settle()


class _UnderWay:
    """Which threads call fn, and how many calls are under way at once at most."""

    def __init__(self, limit):
        self.limit, self.now, self.most, self.closed = limit, 0, 0, False
        self.threads, self._changed = [], threading.Condition()

    def call(self):
        """A call of fn: the first calls stay for a moment, in which one thread too many would come in."""
        with self._changed:
            self.threads.append(threading.current_thread())
            self.now += 1
            self.most = max(self.most, self.now)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.closed or self.most > self.limit, 0.08)
            self.closed = True
            self._changed.notify_all()
            self.now -= 1


def test_threads(submission, draw, gpu):
    """fn runs in at most n_threads worker threads."""
    value = _ready(draw, gpu, 0)
    for count, n_threads in ((7, 3), (4, 1), (2, 5)):
        seen = _UnderWay(n_threads)

        def fn(item, seen=seen, value=value):
            seen.call()
            return value

        submission.parallel_map(fn, list(range(count)), n_threads)
        gpu.settle()
        claims.that(
            threading.current_thread() not in seen.threads,
            ("fn runs in worker threads", "fn 在工作线程里执行"),
            ("fn ran in the caller's thread", "fn 在调用者的线程里执行了"),
        )
        used = max(len(set(seen.threads)), seen.most)
        claims.that(
            used <= n_threads,
            (
                f"{count} items, at most {n_threads} worker threads",
                f"{count} 项，至多 {n_threads} 个工作线程",
            ),
            (f"at least {used} threads called fn", f"至少有 {used} 个线程调用了 fn"),
        )


def test_at_the_same_time(submission, draw, gpu):
    """The worker threads work at the same time."""
    value = _ready(draw, gpu, 0)
    for n_threads in (2, draw.integer(3, 6)):
        barrier, met = threading.Barrier(n_threads), []

        def fn(item, barrier=barrier, met=met, value=value):
            try:
                barrier.wait(PATIENCE)
                met.append(item)
            except threading.BrokenBarrierError:
                pass
            return value

        submission.parallel_map(fn, list(range(n_threads)), n_threads)
        gpu.settle()
        claims.that(
            len(met) == n_threads,
            (
                f"{n_threads} items on {n_threads} threads: all calls of fn under way at once",
                f"{n_threads} 项、{n_threads} 个线程：所有 fn 调用同时处于进行之中",
            ),
            ("a call of fn had to end before another one began", "要等一个 fn 调用结束，另一个才开始"),
            ("where the threads are started, and where they are joined", "线程在哪里启动，又在哪里 join"),
        )


def test_device(submission, draw, gpu):
    """Workers use the caller's device."""
    for index in range(gpu.count):
        seen_devices = []

        def fn(item, seen_devices=seen_devices):
            made = torch.ones(2, device="cuda")
            seen_devices.append((torch.cuda.current_device(), made.device.index))
            return made

        with torch.cuda.device(index):
            submission.parallel_map(fn, list(range(4)), 2)
        gpu.settle()
        claims.that(
            set(seen_devices) == {(index, index)},
            (
                f"the caller's device is cuda:{index}; in the workers it is the current one too",
                f"调用者的当前设备是 cuda:{index}，工作线程里也应如此",
            ),
            (
                f"current devices in the workers: {sorted({device for device, _ in seen_devices})}",
                f"工作线程里的当前设备：{sorted({device for device, _ in seen_devices})}",
            ),
            ("on which device a new thread starts", "新线程一开始在哪个设备上"),
        )


def test_own_stream(submission, draw, gpu):
    """Each worker has a stream of its own."""
    for index, caller in _callers(gpu):
        for count, together in ((3, True), (7, False)):
            _own_streams(submission, draw, gpu, index, caller, count, together)


def _own_streams(submission, draw, gpu, index, caller, count, together):
    value, used, barrier = _ready(draw, gpu, index), [], threading.Barrier(3)

    def fn(item):
        if together:  # as many items as threads
            _meet(barrier)
        gpu.busy(1, f"f{item}")
        used.append((threading.current_thread(), torch.cuda.current_stream(), item))
        return value

    with torch.cuda.device(index), torch.cuda.stream(caller), gpu.record() as seen:
        submission.parallel_map(fn, list(range(count)), 3)
    gpu.settle()
    ops = _ops(seen, [f"f{i}" for i in range(count)])
    default = torch.cuda.default_stream(index)
    look = ("in which thread the stream is made current", "是在哪个线程里把流设为当前流的")
    for thread, stream, item in used:
        claims.that(
            stream != default and ops[item].stream != default.cuda_stream,
            (
                f"fn(items[{item}]) runs on a stream of its worker's own",
                f"fn(items[{item}]) 跑在其工作线程自己的流上",
            ),
            ("it runs on the default stream", "它跑在默认流上"),
            look,
        )
        claims.that(
            ops[item].stream == stream.cuda_stream and ops[item].device == index,
            (
                f"the work on the worker's stream, on cuda:{index}",
                f"任务跑在工作线程的流上，位于 cuda:{index}",
            ),
            (f"on another stream, on cuda:{ops[item].device}", f"在另一条流上，位于 cuda:{ops[item].device}"),
            look,
        )
        same_thread = {s.cuda_stream for t, s, _ in used if t is thread}
        claims.that(
            len(same_thread) == 1,
            ("one stream for all items of a worker", "同一个工作线程处理各项时用同一条流"),
            (f"{len(same_thread)} streams in one worker", f"一个工作线程用了 {len(same_thread)} 条流"),
        )
        sharing = {t for t, s, _ in used if s == stream}
        claims.that(
            len(sharing) == 1,
            ("no two workers share a stream", "任意两个工作线程都不共用一条流"),
            (f"{len(sharing)} workers use the same stream", f"有 {len(sharing)} 个工作线程用同一条流"),
            look,
        )


def test_host_does_not_wait(submission, draw, gpu):
    """The host does not wait for the GPU."""
    look = (
        "threads are joined by the host; streams are joined by streams",
        "线程由主机来 join；流与流的汇合交给流自己",
    )
    for index, caller in _callers(gpu):
        value = _ready(draw, gpu, index)

        def fn(item, value=value):
            gpu.busy(9, f"f{item}")
            return value

        with torch.cuda.device(index), torch.cuda.stream(caller):
            idle = torch.cuda.Stream()
            with gpu.record() as seen:
                gpu.busy(8, "before")
                submission.parallel_map(fn, list(range(5)), 2)
                with torch.cuda.stream(idle):
                    gpu.busy(0.01, "the host is back")
        gpu.settle()
        seen.no_wait(look)
        before, back = seen.named("before")[0], seen.named("the host is back")[0]
        if back.stream in {op.stream for op in _ops(seen, [f"f{i}" for i in range(5)])}:
            continue  # the streams come from a pool; this one was taken
        claims.that(
            back.begin_ms < before.end_ms,
            ("parallel_map returns while the GPU is still at work", "GPU 还在忙时 parallel_map 就已返回"),
            (f"it returns at {_at(seen, back.begin_ms)}", f"它在 {_at(seen, back.begin_ms)} 才返回"),
            look,
        )


def test_items_are_waited_for(submission, draw, gpu):
    """The work of fn starts after the caller's work so far."""
    look = (
        "what each worker's stream waits for; in which thread the caller's stream was asked for",
        "每个工作线程的流在处理第一项之前等了谁；调用者的流又是在哪个线程里取的",
    )
    for index, caller in _callers(gpu):
        items, all_in = [(i, _ready(draw, gpu, index)) for i in range(3)], threading.Barrier(3)

        def fn(item, all_in=all_in):
            _meet(all_in)
            gpu.read(item[1], f"f{item[0]}")
            return item[1]

        with torch.cuda.device(index), torch.cuda.stream(caller), gpu.record() as seen:
            gpu.busy(draw.integer(5, 12), "before")
            for _, tensor in items:
                gpu.write(tensor, "the caller's writer")
            submission.parallel_map(fn, items, 3)
        gpu.settle()
        before = max(seen.named("the caller's writer"), key=lambda op: op.end_ms)
        for i, op in enumerate(_ops(seen, [f"f{i}" for i in range(3)])):
            claims.that(
                op.begin_ms >= before.end_ms,
                (
                    f"3 items, 3 threads: fn(items[{i}]) begins its work after {_at(seen, before.end_ms)}",
                    f"3 项、3 个线程：fn(items[{i}]) 的任务在 {_at(seen, before.end_ms)} 之后开始",
                ),
                (f"it begins at {_at(seen, op.begin_ms)}", f"它在 {_at(seen, op.begin_ms)} 就开始了"),
                look,
            )
        seen.no_race(look)


def test_results_are_joined(submission, draw, gpu):
    """The caller's next work starts after all the work of fn."""
    for index, caller in _callers(gpu):
        for longest in range(3):
            _joined(submission, draw, gpu, index, caller, longest, failing=())


def _joined(submission, draw, gpu, index, caller, longest, failing):
    buffers, all_in = [_ready(draw, gpu, index) for _ in range(3)], threading.Barrier(3)

    def fn(i):
        _meet(all_in)
        gpu.busy(20 if i == longest else 2, "busy")
        gpu.write(buffers[i], f"f{i}")
        if i in failing:
            raise FnError(f"item {i}")
        return buffers[i]

    with torch.cuda.device(index), torch.cuda.stream(caller), gpu.record() as seen:
        with contextlib.suppress(FnError if failing else ()):  # what comes out has a check of its own
            submission.parallel_map(fn, list(range(3)), 3)
        with torch.cuda.stream(caller):
            gpu.busy(1, "next")
            for value in buffers:
                gpu.read(value, "the caller's reader")
    gpu.settle()
    after = seen.named("next")[0]
    last = max(_ops(seen, [f"f{i}" for i in range(3)]), key=lambda op: op.end_ms)
    which = (
        "which streams the caller's stream waits for once the threads have ended",
        "线程结束之后，调用者的流等了哪些流",
    )
    claims.that(
        after.begin_ms >= last.end_ms,
        (
            f"{_whose(failing)[0]} ends at {_at(seen, last.end_ms)}; the caller's next begins after that",
            f"{_whose(failing)[1]}在 {_at(seen, last.end_ms)} 结束，调用者后续的任务在此之后开始",
        ),
        (f"it begins at {_at(seen, after.begin_ms)}", f"后续任务在 {_at(seen, after.begin_ms)} 就开始了"),
        which,
    )
    seen.no_race(which)


def _whose(failing):
    if not failing:
        return ("the work of fn", "所有 fn 的任务")
    items = list(failing)
    return (f"fn fails for the items {items}, the work of all items", f"第 {items} 项抛异常，所有项的任务")


def test_caller_is_left_alone(submission, draw, gpu):
    """The caller's device and stream stay current."""
    for index, caller in _callers(gpu):
        value = _ready(draw, gpu, index)
        with torch.cuda.device(index), torch.cuda.stream(caller):
            submission.parallel_map(lambda item, value=value: value, list(range(3)), 2)
            now = torch.cuda.current_device(), torch.cuda.current_stream()
        claims.that(
            now == (index, caller),
            ("the caller's device and stream are still the current ones", "调用者的当前设备与当前流保持不变"),
            (
                "the current stream has changed"
                if now[0] == index
                else f"the current device is cuda:{now[0]}",
                "当前流变了" if now[0] == index else f"当前设备变成了 cuda:{now[0]}",
            ),
        )
    gpu.settle()


def test_errors(submission, draw, gpu):
    """All items run; the error of the lowest index is raised."""
    value = _ready(draw, gpu, 0)
    for count, n_threads, failing in (
        (4, 4, (1, 3)),
        (7, 2, (2, 4)),
        (9, 3, (0, 8)),
        (3, 1, (0,)),
        (2, 5, (0, 1)),
    ):
        errors = {i: FnError(f"item {i}") for i in failing}
        ran, last_failed = [], threading.Event()

        def fn(
            i,
            ran=ran,
            errors=errors,
            last_failed=last_failed,
            failing=failing,
            together=n_threads >= count,
        ):
            ran.append(i)
            if i == failing[-1]:
                last_failed.set()
            elif i in failing and together:
                last_failed.wait(PATIENCE / 4)  # the higher index fails first
                threading.Event().wait(0.03)
            if i in errors:
                raise errors[i]
            return value

        came = claims.raises(
            FnError,
            lambda fn=fn, count=count, n_threads=n_threads: submission.parallel_map(
                fn, list(range(count)), n_threads
            ),
            (
                f"{CALL} with an fn that fails for the items {list(failing)}",
                f"第 {list(failing)} 项失败时，{CALL}",
            ),
        )
        ran = sorted(ran)
        gpu.settle()
        claims.that(
            ran == list(range(count)),
            (f"all {count} items are run before the error is raised", f"{count} 项全部执行完之后才抛异常"),
            (f"items run: {ran}", f"执行过的项：{ran}"),
            ("what happens to the other items when one fails", "有一项失败时，其余各项会怎样"),
        )
        _is_the_first(came, errors)


def _is_the_first(came, errors):
    """The error that was raised is the very one of the lowest index."""
    failing = list(errors)
    wanted, shown = errors[failing[0]], f"{type(came).__name__}({came})"
    like = type(came) is type(wanted) and str(came) == str(wanted)
    claims.that(
        came is wanted,
        (
            f"of the errors at {failing}, the one of item {failing[0]} itself",
            f"第 {failing} 项出错，抛出的是第 {failing[0]} 项的那个异常对象",
        ),
        (
            f"another object of the same type and text, {shown}" if like else shown,
            f"另一个类型和文字都相同的对象 {shown}" if like else shown,
        ),
    )


def test_joined_after_an_error(submission, draw, gpu):
    """The caller's next work waits for all of it after an error too."""
    for index, caller in _callers(gpu):
        for longest, failing in ((0, (2,)), (2, (0, 1)), (1, (1,))):
            _joined(submission, draw, gpu, index, caller, longest, failing)


def test_threads_end(submission, draw, gpu):
    """No thread is left behind."""
    value = _ready(draw, gpu, 0)
    before = set(threading.enumerate())
    for fails in (False, True):
        workers = []

        def fn(item, fails=fails, workers=workers):
            workers.append(threading.current_thread())
            if fails and item == 1:
                raise FnError("item 1")
            return value

        def call(fn=fn):
            return submission.parallel_map(fn, list(range(5)), 3)

        if fails:
            claims.raises(FnError, call, (f"{CALL} with an fn that fails", f"fn 失败时，{CALL}"))
        else:
            call()
        alive = {t for t in workers if t.is_alive()} | (set(threading.enumerate()) - before)
        gpu.settle()
        claims.that(
            not alive,
            (
                "all worker threads have ended when an error is raised"
                if fails
                else "all worker threads have ended",
                "抛异常时所有工作线程都已结束" if fails else "返回时所有工作线程都已结束",
            ),
            (f"{len(alive)} still alive", f"还有 {len(alive)} 个活着"),
            ("who joins the threads", "由谁来 join 这些线程"),
        )


def test_memory(submission, draw, gpu):
    """Results may be dropped while still in use."""
    n = 256 * draw.integer(20, 60) + 1
    for index, caller in _callers(gpu):
        gpu.settle()
        torch.cuda.empty_cache()
        streams = []

        def fn(item, streams=streams):
            streams.append(torch.cuda.current_stream())
            return torch.zeros(n, device="cuda")

        with torch.cuda.device(index), torch.cuda.stream(caller), gpu.record() as seen:
            got = submission.parallel_map(fn, list(range(4)), 2)
            gpu.busy(9, "the caller is busy")
            for value in got:
                gpu.read(value, "the caller's reader")
            del got, value
            fresh = []
            for stream in streams:
                with torch.cuda.stream(stream):
                    fresh += [torch.ones(n, device="cuda") for _ in range(3)]
        gpu.settle()
        seen.no_race(
            (
                "the caller dropped the results before its stream had read them, and the next tensors on the"
                " workers' streams got that memory. Does the allocator know of the caller's stream?",
                "调用者的流还没读完结果，引用就已丢弃，工作线程的流上的下一批张量拿到了同一块显存。"
                "分配器知道调用者的流在用它吗？",
            )
        )
        del fresh


def test_nothing_kept(submission, draw, gpu):
    """What the caller drops is freed."""
    n, before = 1024 * draw.integer(200, 300), gpu.held()
    items = [torch.zeros(n, device="cuda") for _ in range(4)]
    got = submission.parallel_map(lambda t: t + 1, items, 2)
    del got, items
    gpu.freed(
        before,
        4 * n,
        (
            "once the caller has dropped items and results, their memory is free",
            "调用者丢弃 items 和结果之后，它们的显存随即释放",
        ),
    )
