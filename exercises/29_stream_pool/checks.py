"""Hidden checks of exercise 29."""

import gc
import threading

import torch

from ptquiz.worker import claims


class TaskError(Exception):
    """What the checks' own tasks raise."""


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


def _busy(gpu, milliseconds, name, value=None):
    """A task that keeps its stream busy and returns a value that was ready long before."""

    def task(*_):
        gpu.busy(milliseconds, name)
        return value

    return task


def _op(seen, name):
    ops = seen.named(name)
    claims.that(
        len(ops) == 1,
        (f"the work of task {name!r} is launched once", f"任务 {name!r} 的工作只发起一次"),
        (f"launched {len(ops)} times", f"发起了 {len(ops)} 次"),
    )
    return ops[0]


def _begins_after(seen, later, earlier, who, look):
    claims.that(
        later.begin_ms >= earlier.end_ms,
        (
            f"{who[0]} begins after {_at(seen, earlier.end_ms)}",
            f"{who[1]}在 {_at(seen, earlier.end_ms)} 之后开始",
        ),
        (f"it begins at {_at(seen, later.begin_ms)}", f"它在 {_at(seen, later.begin_ms)} 就开始了"),
        look,
    )


def test_results(submission, draw, gpu):
    """fn is called at once, and result() returns its value."""
    pool = submission.StreamPool(draw.integer(2, 3))
    x = draw.randn(draw.integer(1, 20)).to("cuda")
    number = draw.integer(10, 99)
    gpu.settle()
    calls = []

    def scaled(t, factor):
        calls.append(threading.current_thread())
        return t * factor

    handles = []
    for i in range(7):
        handles.append(pool.apply_async(scaled, x, i + 1))
        _called_at_once(calls, i + 1)
    plain = pool.apply_async(lambda: {"n": number})
    nothing = pool.apply_async(lambda: None)
    got = [handle.result() for handle in handles]
    rest = plain.result(), nothing.result()
    again = handles[2].result(), plain.result()
    gpu.settle()
    gpu.forgive()  # order has checks of its own
    for i, value in enumerate(got):
        what = (f"result() of task {i}", f"第 {i} 个任务的 result()")
        claims.tensor(value, what)
        claims.close(value.cpu(), (x * (i + 1)).cpu(), what)
    what = ("what a second result() of the same handle returns", "同一句柄第二次 result() 的返回值")
    claims.tensor(again[0], what)
    claims.close(again[0].cpu(), (x * 3).cpu(), what)
    claims.same(again[1], {"n": number}, what)
    claims.same(
        rest[0], {"n": number}, ("result() of a task that returns a dict", "返回 dict 的任务的 result()")
    )
    claims.same(rest[1], None, ("result() of a task that returns None", "返回 None 的任务的 result()"))
    claims.that(
        len(calls) == 7,
        ("each fn is called once", "每个 fn 只调用一次"),
        (f"{len(calls)} calls of 7 tasks", f"7 个任务调用了 {len(calls)} 次"),
    )


def _called_at_once(calls, tasks):
    claims.that(
        len(calls) == tasks,
        ("fn is called once, before apply_async returns", "apply_async 返回之前，fn 被调用一次"),
        (f"{len(calls)} calls after {tasks} tasks", f"提交 {tasks} 个任务之后，调用了 {len(calls)} 次"),
        ("is fn called at once, or only in wait()?", "fn 是立即调用，还是到 wait() 才调用？"),
    )
    claims.that(
        set(calls) == {threading.current_thread()},
        ("fn is called in the calling thread", "fn 在调用 apply_async 的线程里被调用"),
        ("in another thread", "在另一个线程里被调用"),
    )


def test_round_robin(submission, draw, gpu):
    """The tasks take the streams in turn."""
    for caller in _callers():
        for n_streams in (1, 3, draw.integer(4, 6)):
            count, used = 2 * n_streams + 1, []
            with torch.cuda.stream(caller), gpu.record() as seen:
                pool = submission.StreamPool(n_streams)
                for i in range(count):

                    def task(i=i, used=used):
                        gpu.busy(0.1, f"task {i}")
                        used.append(torch.cuda.current_stream())

                    pool.apply_async(task)
            gpu.settle()
            streams = [_op(seen, f"task {i}").stream for i in range(count)]
            claims.that(
                streams == [stream.cuda_stream for stream in used] and caller.cuda_stream not in streams,
                ("within fn, a stream of the pool is the current one", "在 fn 里，当前流是池中的一条流"),
                ("the work ran on another stream", "工作跑在了别的流上"),
            )
            _in_turn(streams, n_streams, (f"n_streams={n_streams}", f"n_streams={n_streams}"))
    _two_pools(submission, draw)


def _in_turn(streams, n_streams, what):
    claims.that(
        _ranks(streams) == [i % n_streams for i in range(len(streams))],
        (
            f"{what[0]}: task i runs on stream i mod {n_streams}",
            f"{what[1]}：第 i 个任务跑在第 i mod {n_streams} 条流上",
        ),
        (
            f"the streams of tasks 0, 1, …, numbered as they first appear: {_ranks(streams)}",
            f"任务 0、1、… 的流（按首次出现编号）：{_ranks(streams)}",
        ),
        ("what decides whose turn it is", "轮到哪条流由什么决定"),
    )


def _ranks(streams):
    seen = list(dict.fromkeys(streams))
    return [seen.index(stream) for stream in streams]


def _two_pools(submission, draw):
    """Each pool counts its own tasks."""
    n = draw.integer(3, 5)
    pools, used = [submission.StreamPool(n), submission.StreamPool(n)], ([], [])
    for k in (0, 1, *[0] * n, *[1] * n):
        pools[k].apply_async(lambda k=k: used[k].append(torch.cuda.current_stream().cuda_stream))
    for k in range(2):
        _in_turn(used[k], n, (f"two pools of {n} streams, pool {k}", f"两个各有 {n} 条流的池，池 {k}"))


def test_errors(submission, draw, gpu):
    """An error is kept for result() and disturbs nothing else."""
    pool, value = submission.StreamPool(2), _ready(draw, gpu)
    errors = [TaskError(f"task {i}") for i in range(3)]

    def failing(error):
        gpu.busy(0.1, "before the error")
        raise error

    handles = [pool.apply_async(failing, error) for error in errors]
    good = pool.apply_async(lambda: value)
    _without_task_errors(pool.wait, "wait()")
    for i in (2, 0, 1, 0):
        what = (f"result() of task {i} (its fn raised)", f"第 {i} 个任务（fn 抛了异常）的 result()")
        came = claims.raises(TaskError, handles[i].result, what)
        _itself(came, errors[i], (f"{what[0]}: the exception of fn", f"{what[1]}：fn 抛出的异常"))
    got = good.result()
    gpu.settle()
    gpu.forgive()
    claims.close(
        got.cpu(), value.cpu(), ("result() of a task after failing ones", "失败任务之后的任务的 result()")
    )


def _without_task_errors(call, name):
    try:
        call()
    except TaskError as error:
        claims.fail(
            (f"{name} raises no error of a task", f"{name} 不抛出任务的异常"),
            (f"{name} raised TaskError({error})", f"{name} 抛出了 TaskError({error})"),
            ("the errors of tasks come out of result() alone", "任务的异常只从 result() 抛出"),
        )


def _itself(came, error, what):
    words = f"{type(came).__name__}({came})"
    twin = type(came) is type(error) and str(came) == str(error)
    claims.that(
        came is error,
        (f"{what[0]}, the very object", f"{what[1]}，就是同一个对象"),
        (
            f"{'a new object of the same type and text' if twin else 'another one'}: {words}",
            f"{'类型和文字相同的新对象' if twin else '另一个异常'}：{words}",
        ),
        ("raise the exception object that was caught", "把捕获到的那个异常对象原样抛出"),
    )


def test_current_stream_restored(submission, draw, gpu):
    """The caller's stream is current again."""
    for caller in _callers():
        with torch.cuda.stream(caller):
            pool = submission.StreamPool(2)
            for fails in (False, True, False):

                def task(fails=fails):
                    gpu.busy(0.1, "task")
                    if fails:
                        raise TaskError

                pool.apply_async(task)
                now = torch.cuda.current_stream()
                claims.that(
                    now == caller,
                    (
                        f"after apply_async{' (fn raised)' if fails else ''} the caller's stream is current",
                        f"apply_async {'（fn 抛异常）' if fails else ''}返回之后，当前流恢复为调用者的流",
                    ),
                    ("another stream is current", "当前流是另一条流"),
                )
            pool.wait()
            pool.close()
            claims.that(
                torch.cuda.current_stream() == caller,
                (
                    "after wait() and close(), the caller's stream is current",
                    "wait()、close() 之后，当前流不变",
                ),
                ("another stream is current", "当前流是另一条流"),
            )
    gpu.settle()
    gpu.forgive()


def test_host_does_not_wait(submission, draw, gpu):
    """The host does not wait for the GPU."""
    look = ("streams wait for events; the host need not wait", "让流去等事件，主机不必等")
    for caller in _callers():
        value, idle = _ready(draw, gpu), torch.cuda.Stream()
        steps = {
            "apply_async": lambda pool, handles: None,
            "result()": lambda pool, handles: [handle.result() for handle in handles],
            "wait()": lambda pool, handles: pool.wait(),
            "close()": lambda pool, handles: pool.close(),
        }
        for name, step in steps.items():
            gpu.settle()
            with torch.cuda.stream(caller):
                pool = submission.StreamPool(2)
                with gpu.record() as seen:
                    gpu.busy(6, "before")
                    handles = [pool.apply_async(_busy(gpu, 9, f"task {i}", value)) for i in range(4)]
                    step(pool, handles)
                    with torch.cuda.stream(idle):
                        gpu.busy(0.01, "the host is back")
            gpu.settle()
            seen.no_wait(look)
            before, back = seen.named("before")[0], seen.named("the host is back")[0]
            if back.stream in {op.stream for op in seen.ops if op.name.startswith("task")}:
                continue  # the streams come from a pool of 32; this one was taken
            claims.that(
                back.begin_ms < before.end_ms,
                (f"{name} returns while the GPU is still at work", f"GPU 还在忙时 {name} 就已返回"),
                (f"it returns at {_at(seen, back.begin_ms)}", f"它在 {_at(seen, back.begin_ms)} 才返回"),
                look,
            )


def test_after_the_callers_work(submission, draw, gpu):
    """A task starts after the caller's work so far."""
    look = ("what the task's stream waits for, at every apply_async", "每次 apply_async 时，任务的流等了谁")
    for caller in _callers():
        with torch.cuda.stream(caller):
            pool = submission.StreamPool(2)
            shared = [_ready(draw, gpu) for _ in range(5)]
            with gpu.record() as seen:
                for i, tensor in enumerate(shared):
                    gpu.busy(draw.integer(2, 6), "the caller is busy")
                    gpu.write(tensor, f"the caller writes {i}")
                    pool.apply_async(lambda t, i=i: gpu.read(t, f"task {i}"), tensor)
        gpu.settle()
        for i in range(5):
            before = seen.named(f"the caller writes {i}")[0]
            _begins_after(seen, _op(seen, f"task {i}"), before, (f"task {i}", f"第 {i} 个任务"), look)
        seen.no_race(look)


def test_tasks_overlap(submission, draw, gpu):
    """Tasks on different streams overlap."""
    for n_streams, rounds in ((3, 1), (4, 2)):
        each = draw.integer(8, 15)
        pool, value = submission.StreamPool(n_streams), _ready(draw, gpu)
        with gpu.record() as seen:
            for i in range(rounds * n_streams):
                pool.apply_async(_busy(gpu, each, f"task {i}", value))
        gpu.settle()
        ops = [_op(seen, f"task {i}") for i in range(rounds * n_streams)]
        makespan = max(op.end_ms for op in ops) - min(op.begin_ms for op in ops)
        claims.that(
            makespan <= 1.1 * rounds * each,
            (
                f"{len(ops)} tasks of {each} ms on {n_streams} streams take about {rounds * each} ms",
                f"{len(ops)} 个 {each} ms 的任务分到 {n_streams} 条流上，约需 {rounds * each} ms",
            ),
            (f"they take {makespan:.2f} ms", f"用了 {makespan:.2f} ms"),
            ("what a task's stream waits for besides the caller's", "任务的流除了调用者的流还等了谁"),
        )


def test_result_waits_for_its_task(submission, draw, gpu):
    """After result() the current stream has waited for the task."""
    look = ("which stream waits in result(), and for what", "result() 里是哪条流在等，等的是什么")
    other = torch.cuda.Stream()
    for caller in _callers():
        for reader in (caller, other):
            with torch.cuda.stream(caller):
                pool = submission.StreamPool(3)
            for i in (1, 0, 2):
                buffers = [_ready(draw, gpu) for _ in range(3)]

                def task(k, buffers=buffers, i=i):
                    gpu.busy(12 if k == i else 1, "busy")
                    gpu.write(buffers[k], f"task {k}")
                    return buffers[k]

                with gpu.record() as seen:
                    with torch.cuda.stream(caller):
                        handles = [pool.apply_async(task, k) for k in range(3)]
                    with torch.cuda.stream(reader):
                        value = handles[i].result()
                        gpu.read(value, "next")
                    with torch.cuda.stream(caller if reader is other else other):
                        value = handles[i].result()
                        gpu.read(value, "next after a second result()")
                gpu.settle()
                where = (
                    ("the stream that called apply_async", "调用 apply_async 的流")
                    if reader == caller
                    else ("another stream, current when result() is called", "调用 result() 时的另一条当前流")
                )
                who = (f"what comes next on {where[0]}", f"{where[1]}上的后续任务")
                _begins_after(seen, seen.named("next")[0], _op(seen, f"task {i}"), who, look)
                who = (
                    "result() is called again on a second stream; what comes next there",
                    "在第二条流上再次调用 result()；那条流上的后续任务",
                )
                again = seen.named("next after a second result()")[0]
                _begins_after(seen, again, _op(seen, f"task {i}"), who, look)
                seen.no_race(look)


def test_result_waits_for_nothing_else(submission, draw, gpu):
    """result() waits for no other task."""
    for caller in _callers():
        for n_streams in (1, 3):
            value = _ready(draw, gpu)
            with torch.cuda.stream(caller), gpu.record() as seen:
                pool = submission.StreamPool(n_streams)
                first = pool.apply_async(_busy(gpu, 2, "first", value))
                for i in range(1, n_streams + 1):  # the last of these is on the first one's stream
                    pool.apply_async(_busy(gpu, 50, f"later {i}", value))
                first.result()
                gpu.busy(0.1, "next")
            gpu.settle()
            after = seen.named("next")[0]
            ends = min(_op(seen, f"later {i}").end_ms for i in range(1, n_streams + 1))
            claims.that(
                after.begin_ms < ends,
                (
                    f"n_streams={n_streams}: after result() of a task of 2 ms, later tasks of 50 ms"
                    " are not waited for",
                    f"n_streams={n_streams}：取得 2 ms 任务的结果之后，不等后来的 50 ms 任务",
                ),
                (f"it goes on at {_at(seen, after.begin_ms)}", f"它到 {_at(seen, after.begin_ms)} 才继续"),
                ("when the event that result() waits for is recorded", "result() 所等的事件是什么时候记录的"),
            )


def _next_waits_for_all(seen, count, what, look, name="next"):
    last = max((_op(seen, f"task {i}") for i in range(count)), key=lambda op: op.end_ms)
    who = (f"what comes next after {what[0]}", f"{what[1]} 之后的任务")
    _begins_after(seen, seen.named(name)[0], last, who, look)


def _tasks(draw, gpu, pool, count, longest):
    """Tasks 0 to count - 1, one of them long; returns their buffers."""
    buffers = [_ready(draw, gpu) for _ in range(count)]

    def task(k):
        gpu.busy(20 if k == longest else 1, "busy")
        gpu.write(buffers[k], f"task {k}")
        return buffers[k]

    return buffers, lambda: [pool.apply_async(task, k) for k in range(count)]


def test_wait(submission, draw, gpu):
    """After wait() the current stream has waited for all tasks."""
    look = (
        "which of the pool's streams are waited for, and by which stream",
        "等了池中的哪些流，又是哪条流在等",
    )
    other = torch.cuda.Stream()
    for caller in _callers():
        for reader in (caller, other):
            for n_streams, longest in ((3, 0), (3, 4), (1, 2), (6, 1)):
                with torch.cuda.stream(caller):
                    pool = submission.StreamPool(n_streams)
                buffers, launch = _tasks(draw, gpu, pool, 5, longest)
                with gpu.record() as seen:
                    with torch.cuda.stream(caller):
                        launch()
                    with torch.cuda.stream(reader):
                        pool.wait()
                        gpu.busy(0.1, "next")
                        for buffer in buffers:
                            gpu.read(buffer, "reads")
                gpu.settle()
                _next_waits_for_all(seen, 5, ("wait()", "wait()"), look)
                seen.no_race(look)


def test_pool_goes_on_after_wait(submission, draw, gpu):
    """The pool goes on after wait()."""
    look = ("whether wait() leaves the pool as usable as it was", "wait() 之后池是否和之前一样可用")
    pool, x = submission.StreamPool(2), _ready(draw, gpu)
    pool.wait()  # nothing to wait for
    old = [pool.apply_async(lambda t, k=k: t + k, x) for k in range(3)]
    pool.wait()
    buffers, launch = _tasks(draw, gpu, pool, 4, 1)
    with gpu.record() as seen:
        new = launch()
        pool.wait()
        gpu.busy(0.1, "next")
        for buffer in buffers:
            gpu.read(buffer, "reads")
        with torch.cuda.stream(torch.cuda.Stream()):
            pool.wait()
            gpu.busy(0.1, "next on another stream")
    values = [handle.result() for handle in old + new]
    gpu.settle()
    _next_waits_for_all(seen, 4, ("the second wait()", "第二次 wait()"), look)
    what = ("one more wait(), on another stream", "在另一条流上再次调用 wait()")
    _next_waits_for_all(seen, 4, what, look, "next on another stream")
    seen.no_race(look)
    for k, value in enumerate(values[:3]):
        claims.close(
            value.cpu(),
            (x + k).cpu(),
            ("result() of a task from before wait()", "wait() 之前的任务的 result()"),
        )
    for value, buffer in zip(values[3:], buffers, strict=True):
        claims.close(
            value.cpu(),
            buffer.cpu(),
            ("result() of a task from after wait()", "wait() 之后的任务的 result()"),
        )


def test_close(submission, draw, gpu):
    """A closed pool takes no tasks; its results stay."""
    look = ("what close() waits for", "close() 等了谁")
    for caller in _callers():
        with torch.cuda.stream(caller):
            pool = submission.StreamPool(2)
            buffers, launch = _tasks(draw, gpu, pool, 3, 0)
            with gpu.record() as seen:
                handles = launch()
                pool.close()
                gpu.busy(0.1, "next")
                for buffer in buffers:
                    gpu.read(buffer, "reads")
        gpu.settle()
        _next_waits_for_all(seen, 3, ("close()", "close()"), look)
        seen.no_race(look)
        calls = []
        claims.raises(
            RuntimeError,
            lambda pool=pool, calls=calls: pool.apply_async(lambda: calls.append(1)),
            ("apply_async after close()", "close() 之后的 apply_async"),
        )
        claims.same(len(calls), 0, ("calls of fn after close()", "close() 之后 fn 的调用次数"))
        pool.close()
        values = [handle.result() for handle in handles]
        gpu.settle()
        for value, buffer in zip(values, buffers, strict=True):
            claims.close(value.cpu(), buffer.cpu(), ("result() after close()", "close() 之后的 result()"))


def test_failed_tasks_count(submission, draw, gpu):
    """A failed task is waited for, and takes its turn."""
    look = (
        "what the task launched before it raised: it is still work on its stream",
        "任务抛异常之前发起的工作：它照样在流上执行",
    )
    steps = {
        "result()": lambda pool, handle: claims.raises(
            TaskError, handle.result, ("result() of a failed task", "失败任务的 result()")
        ),
        "wait()": lambda pool, handle: _without_task_errors(pool.wait, "wait()"),
        "close()": lambda pool, handle: _without_task_errors(pool.close, "close()"),
    }

    def failing():
        gpu.busy(20, "task 0")
        raise TaskError("task 0")

    for reader in _callers():
        for name, step in steps.items():
            pool = submission.StreamPool(2)
            gpu.settle()
            with gpu.record() as seen:
                handle = pool.apply_async(failing)
                with torch.cuda.stream(reader):
                    step(pool, handle)
                    gpu.busy(0.1, "next")
            gpu.settle()
            what = (
                f"{name} (a task has launched 20 ms of work and then raised)",
                f"{name}（有任务发起 20 ms 的工作之后抛了异常）",
            )
            _next_waits_for_all(seen, 1, what, look)
    _failing_tasks_in_turn(submission, gpu)


def _failing_tasks_in_turn(submission, gpu):
    pool, used = submission.StreamPool(2), []
    for fails in (True, False, True, False, False):

        def task(fails=fails):
            used.append(torch.cuda.current_stream().cuda_stream)
            if fails:
                raise TaskError

        pool.apply_async(task)
    _in_turn(used, 2, ("n_streams=2, tasks 0 and 2 raise", "n_streams=2，任务 0 和 2 抛异常"))
    gpu.settle()


def test_with_block(submission, draw, gpu):
    """A with block closes the pool and hides no error."""
    look = ("what __exit__ does, and what it returns", "__exit__ 做了什么，返回了什么")
    for fails in (False, True):
        error, kept, made = TaskError("raised in the block"), {}, submission.StreamPool(2)

        def block(made=made, kept=kept, fails=fails, error=error):
            with made as pool:
                _given_by_enter(pool, made)
                kept["buffers"], launch = _tasks(draw, gpu, pool, 3, 1)
                launch()
                if fails:
                    raise error

        with gpu.record() as seen:
            if fails:
                came = claims.raises(
                    TaskError, block, ("a with block with an error in it", "里面出错的 with 代码块"), look
                )
                _itself(came, error, ("the exception of the block", "代码块自己的异常"))
            else:
                block()
            gpu.busy(0.1, "next")
            for buffer in kept["buffers"]:
                gpu.read(buffer, "reads")
        gpu.settle()
        _next_waits_for_all(seen, 3, ("the with block", "with 代码块"), look)
        seen.no_race(look)
        claims.raises(
            RuntimeError,
            lambda made=made: made.apply_async(lambda: None),
            ("apply_async after the with block", "with 代码块之后的 apply_async"),
            look,
        )


def _given_by_enter(pool, made):
    came = claims.summary(pool)
    claims.that(
        pool is made,
        (
            "`with StreamPool(n) as pool` gives the pool: __enter__ returns it",
            "`with StreamPool(n) as pool` 得到的就是这个池：由 __enter__ 返回",
        ),
        (f"__enter__ returned {came}", f"__enter__ 返回了 {came}"),
    )


def _others(n, *streams):
    """Tensors that others allocate and write on these streams."""
    fresh = []
    for stream in streams:
        with torch.cuda.stream(stream):
            fresh += [torch.ones(n, device="cuda") for _ in range(4)]
    return fresh


def test_memory_of_arguments(submission, draw, gpu):
    """Arguments may be dropped at once."""
    n = 256 * draw.integer(20, 60) + 1
    for caller in _callers():
        gpu.settle()
        torch.cuda.empty_cache()

        def task(t, number, u):
            gpu.busy(9, "the task is busy")
            gpu.read(t, "the task reads its argument")
            gpu.read(u, "the task reads its argument")

        with torch.cuda.stream(caller):
            pool = submission.StreamPool(2)
            with gpu.record() as seen:
                for _ in range(2):
                    pool.apply_async(task, torch.zeros(n, device="cuda"), 3, torch.zeros(n, device="cuda"))
                fresh = _others(n, caller)
        gpu.settle()
        seen.no_race(
            (
                "they were dropped before the task had read them: does the allocator know?",
                "任务还没读完参数，调用者就已丢弃；分配器知道任务的流在用吗？",
            )
        )
        del fresh, pool


def test_memory_of_results(submission, draw, gpu):
    """Results may be dropped while still in use."""
    n = 256 * draw.integer(20, 60) + 1
    other = torch.cuda.Stream()
    for caller in _callers():
        for readers in ((caller,), (other,), (caller, other)):
            gpu.settle()
            torch.cuda.empty_cache()
            streams = []

            def task(streams=streams):
                streams.append(torch.cuda.current_stream())
                return torch.zeros(n, device="cuda")

            with torch.cuda.stream(caller):
                pool = submission.StreamPool(2)
                with gpu.record() as seen:
                    handles = [pool.apply_async(task) for _ in range(2)]
                    pool.wait()
                    for first in readers[:-1]:
                        with torch.cuda.stream(first):
                            [handle.result() for handle in handles]
                        gpu.settle()
                    with torch.cuda.stream(readers[-1]):
                        values = [handle.result() for handle in handles]
                        gpu.busy(9, "the reader is busy")
                        for value in values:
                            gpu.read(value, "the reader reads a result")
                    del handles, values, value
                    fresh = _others(n, *streams)
            gpu.settle()
            seen.no_race(
                (
                    "a result was dropped while a stream that had called result() still read it;"
                    " does the allocator know of that stream, at every call of result()?",
                    "调用过 result() 的流还在读，结果就已被丢弃；"
                    "分配器知道有这条流在用吗？每次调用 result() 都告诉它了吗？",
                )
            )
            del fresh, pool


def test_nothing_stays_alive(submission, draw, gpu):
    """The pool keeps nothing alive after the tasks have ended."""
    n = 256 * draw.integer(200, 600)
    for what, task in (
        (("arguments", "参数"), lambda t: None),
        (("results", "结果"), lambda t: torch.zeros(n, device="cuda")),
    ):
        pool = submission.StreamPool(2)
        gpu.settle()
        gc.collect()
        before = torch.cuda.memory_allocated()
        for _ in range(4):
            pool.apply_async(task, torch.zeros(n, device="cuda") if what[0] == "arguments" else None).result()
        gpu.settle()
        pool.apply_async(lambda: None)  # a pool may look here, or in wait(), what has ended
        pool.wait()
        gc.collect()
        now = torch.cuda.memory_allocated() - before
        claims.that(
            now == 0,
            (
                f"4 tasks have ended, nobody holds their {what[0]}: after one more apply_async and wait()"
                " none of this memory is allocated",
                f"4 个任务已结束，{what[1]}也没有人留着：再 apply_async 一次并 wait() 之后，这些显存都已归还",
            ),
            (f"{now / (4 * n):.1f} of the 4 are still there", f"4 份中还有 {now / (4 * n):.1f} 份"),
            ("what the pool still refers to", "池还引用着什么"),
        )
