"""Hidden checks of exercise 25."""

import torch

from ptquiz.worker import claims

CALL = "run_graph(tasks, dependencies, n_streams)"
# Five tasks: two arguments out of order, one of them twice, a shared dependency, a chain.
FIXED = {"t2": ["t1", "t0"], "t3": ["t2", "t0", "t2"], "t4": ["t3", "t1"]}


def _at(seen, milliseconds):
    """A moment, counted from the first thing that the record saw."""
    return f"{milliseconds - min(op.begin_ms for op in seen.ops):.2f} ms"


def _callers():
    """The default stream, and one of its own: callers are not always on the default stream."""
    return (torch.cuda.default_stream(), torch.cuda.Stream())


def _random_graph(draw, count, chance=0.4):
    """Dependencies between t0, t1, …: each only on earlier ones; names that need nothing are left out."""
    needs = {}
    for i in range(count):
        chosen = [f"t{j}" for j in range(i) if draw.rng.random() < chance]
        draw.rng.shuffle(chosen)
        if chosen:
            needs[f"t{i}"] = chosen
    return needs


def _shuffled(draw, mapping):
    """The same dict in another order: a task may stand before what it needs."""
    names = list(mapping)
    draw.rng.shuffle(names)
    return {name: mapping[name] for name in names}


def _busy_tasks(gpu, durations, value):
    """Tasks that keep their stream busy and return a tensor that was ready long before."""

    def make(name, milliseconds):
        def task(*_):
            gpu.busy(milliseconds, name)
            return value

        return task

    return {name: make(name, ms) for name, ms in durations.items()}


def _ready(draw, gpu):
    value = draw.randn(draw.integer(1, 9)).to("cuda")
    gpu.settle()
    return value


def _ops(seen, names):
    found = {}
    for name in names:
        ops = seen.named(name)
        claims.that(
            len(ops) == 1,
            (f"the work of task {name!r} is launched once", f"任务 {name!r} 的工作只发起一次"),
            (f"launched {len(ops)} times", f"发起了 {len(ops)} 次"),
        )
        found[name] = ops[0]
    return found


def _critical(durations, needs):
    """The length of the longest chain, in milliseconds."""
    ends = {}

    def end(name):
        if name not in ends:
            ends[name] = durations[name] + max((end(d) for d in needs.get(name, ())), default=0.0)
        return ends[name]

    return max(end(name) for name in durations)


def _as_it_was(now, before, name):
    """An argument, a dict, has not been changed."""
    changed = [
        key for key in {**before, **now} if key not in now or key not in before or now[key] != before[key]
    ]
    claims.that(
        not changed,
        (f"`{name}` is left as it was", f"`{name}` 保持原样"),
        (
            f"`{name}` was changed at {', '.join(map(repr, changed))}",
            f"`{name}` 的 {', '.join(map(repr, changed))} 被改动",
        ),
    )


def _keys(got, tasks):
    """The result is a dict with a key for each task and no other."""
    claims.instance(got, dict, CALL)
    missing, more = [name for name in tasks if name not in got], [key for key in got if key not in tasks]
    came = [
        f"{claims.say(words)} {', '.join(map(repr, keys))}"
        for words, keys in ((("no", "没有"), missing), (("besides", "多出"), more))
        if keys
    ]
    claims.that(
        not came,
        (f"{CALL} has a result for each of {len(tasks)} tasks", f"{CALL} 包含全部 {len(tasks)} 个任务的结果"),
        (", ".join(came), "，".join(came)),
    )


def _called_once(calls, tasks):
    claims.that(
        sorted(calls) == sorted(tasks),
        ("each task is called once", "每个任务调用一次"),
        (f"calls: {', '.join(sorted(calls))}", f"调用过的任务：{', '.join(sorted(calls))}"),
    )


def test_results(submission, draw, gpu):
    """Calls each task once with the right results."""
    for count, n_streams in ((1, 1), (5, 2), (draw.integer(4, 6), 1), (7, 3), (6, 9), (9, 2)):
        needs = FIXED if count == 5 else _random_graph(draw, count)
        own = {f"t{i}": draw.randn(3).to("cuda") for i in range(count)}
        gpu.settle()
        calls = []

        def make(name, own=own, calls=calls):
            def task(*results):
                calls.append(name)
                total = own[name] * 2
                for k, result in enumerate(results):  # the order of the arguments matters
                    total = total + result * (k + 1)
                return total

            return task

        expected = {}
        for i in range(count):
            name = f"t{i}"
            expected[name] = make(name)(*[expected[d] for d in needs.get(name, ())])
        gpu.settle()
        calls.clear()
        tasks = {f"t{i}": make(f"t{i}") for i in reversed(range(count))}
        tasks = tasks if needs is FIXED else _shuffled(draw, tasks)
        passed = dict(tasks), {name: list(names) for name, names in _shuffled(draw, needs).items()}
        got = submission.run_graph(*passed, n_streams)
        gpu.settle()
        gpu.forgive()  # order has checks of its own
        _as_it_was(passed[0], tasks, "tasks")
        _as_it_was(passed[1], needs, "dependencies")
        _keys(got, tasks)
        _called_once(calls, tasks)
        for name, value in expected.items():
            needed = needs.get(name, [])
            what = (f"result of {name!r}, which needs {needed}", f"{name!r} 的结果（依赖 {needed}）")
            claims.tensor(got[name], what)
            claims.close(got[name].cpu(), value.cpu(), what)


def test_empty(submission, draw, gpu):
    """No tasks give an empty dict."""
    for n_streams in (1, 4):
        claims.same(submission.run_graph({}, {}, n_streams), {}, f"run_graph({{}}, {{}}, {n_streams})")
    gpu.settle()


def _refused(submission, gpu, tasks, needs, what):
    calls = []

    def make(name):
        def task(*_):
            calls.append(name)
            return torch.ones(1, device="cuda")

        return task

    claims.raises(
        ValueError,
        lambda: submission.run_graph({name: make(name) for name in tasks}, needs, 2),
        (f"run_graph with dependencies {needs}", f"run_graph，dependencies 为 {needs}"),
    )
    gpu.settle()
    gpu.forgive()
    claims.that(
        not calls,
        (f"{what[0]}: no task is called", f"{what[1]}：不调用任何任务"),
        (f"called: {', '.join(calls)}", f"调用了：{', '.join(calls)}"),
        (
            "when the graph is examined, and when the first task is called",
            "什么时候检查图，什么时候开始调用任务",
        ),
    )


def test_cycles(submission, draw, gpu):
    """A cycle raises ValueError before anything runs."""
    for needs in (
        {"a": ["a"]},
        {"b": ["c"], "c": ["b"]},
        {"b": ["a"], "c": ["b", "e"], "d": ["c"], "e": ["d"]},
    ):
        _refused(submission, gpu, "abcde", needs, ("a cycle", "有环"))


def test_unknown_names(submission, draw, gpu):
    """An unknown name raises ValueError before anything runs."""
    for needs in (
        {"c": ["nobody"]},
        {"b": ["a"], "e": ["a", "nobody", "d"]},
        {"nobody": ["a"]},
        {"nobody": []},
    ):
        _refused(submission, gpu, "abcde", needs, ("an unknown name", "名字未知"))


def test_number_of_streams(submission, draw, gpu):
    """At most n_streams streams are used."""
    for count, n_streams in ((7, 3), (6, 1), (9, 2), (4, 8)):
        value, needs = _ready(draw, gpu), _random_graph(draw, count, 0.3)
        durations = {f"t{i}": 1 for i in range(count)}
        with gpu.record() as seen:
            submission.run_graph(_shuffled(draw, _busy_tasks(gpu, durations, value)), needs, n_streams)
        gpu.settle()
        used = {op.stream for op in _ops(seen, durations).values()}
        claims.that(
            len(used) <= n_streams,
            (f"{count} tasks on at most {n_streams} streams", f"{count} 个任务至多用 {n_streams} 条流"),
            (f"on {len(used)} streams", f"用了 {len(used)} 条流"),
        )


def test_host_does_not_wait(submission, draw, gpu):
    """The host does not wait for the GPU."""
    look = ("streams wait for events; the host need not wait", "让流去等事件，主机不必等")
    for caller in _callers():
        value, idle, needs = _ready(draw, gpu), torch.cuda.Stream(), _random_graph(draw, 6)
        durations = {f"t{i}": 7 for i in range(6)}
        with torch.cuda.stream(caller), gpu.record() as seen:
            gpu.busy(8, "before")
            submission.run_graph(_busy_tasks(gpu, durations, value), needs, 3)
            with torch.cuda.stream(idle):
                gpu.busy(0.01, "the host is back")
        gpu.settle()
        seen.no_wait(look)
        before, back = seen.named("before")[0], seen.named("the host is back")[0]
        if back.stream in {op.stream for op in _ops(seen, durations).values()}:
            continue  # the streams come from a pool; this one was taken
        claims.that(
            back.begin_ms < before.end_ms,
            ("run_graph returns while the GPU is still at work", "GPU 还在忙时 run_graph 就已返回"),
            (f"it returns at {_at(seen, back.begin_ms)}", f"它在 {_at(seen, back.begin_ms)} 才返回"),
            look,
        )


def test_dependencies_are_kept(submission, draw, gpu):
    """A task's work starts after that of its dependencies."""
    look = (
        "where a task's event is recorded, and which events its dependants' streams wait for",
        "任务的事件记录在哪里；依赖它的任务，其流等了哪些事件",
    )
    for count, n_streams in ((5, 5), (6, 6), (8, 3), (7, 2), (6, 1), (5, 12)):
        needs = FIXED if count == n_streams == 5 else _random_graph(draw, count, 0.5)
        buffers = {f"t{i}": _ready(draw, gpu) for i in range(count)}

        def make(name, buffers=buffers):
            milliseconds = draw.rng.uniform(1, 12)

            def task(*results):
                for result in results:
                    gpu.read(result, f"{name}, reader")
                gpu.busy(milliseconds, name)
                gpu.write(buffers[name], f"{name}, writer")
                return buffers[name]

            return task

        tasks = _shuffled(draw, {name: make(name) for name in buffers})
        with gpu.record() as seen:
            submission.run_graph(tasks, _shuffled(draw, needs), n_streams)
        gpu.settle()
        ops = _ops(seen, buffers)
        for name, names in needs.items():
            first = min(seen.named(f"{name}, reader"), key=lambda op: op.begin_ms)
            for needed in names:
                last = seen.named(f"{needed}, writer")[0]
                claims.that(
                    first.begin_ms >= last.end_ms,
                    (
                        f"{name!r} needs {needed!r} and begins after {_at(seen, last.end_ms)}",
                        f"{name!r} 依赖 {needed!r}，在 {_at(seen, last.end_ms)} 之后开始",
                    ),
                    (
                        f"it begins at {_at(seen, first.begin_ms)}",
                        f"它在 {_at(seen, first.begin_ms)} 就开始了",
                    ),
                    look,
                )
        seen.no_race(look)
        del ops


def _makespan(submission, draw, gpu, durations, needs, n_streams):
    value = _ready(draw, gpu)
    tasks = _shuffled(draw, _busy_tasks(gpu, durations, value))
    with gpu.record() as seen:
        submission.run_graph(tasks, _shuffled(draw, needs), n_streams)
    gpu.settle()
    ops = _ops(seen, durations).values()
    return max(op.end_ms for op in ops) - min(op.begin_ms for op in ops)


def test_critical_path(submission, draw, gpu):
    """With enough streams, nothing else is waited for."""
    graphs = [
        # a barrier after each level would make long_b wait for long_a
        ({"long_a": 30, "short_b": 2, "long_b": 30}, {"long_b": ["short_b"]}),
        # two chains beside each other, long and short tasks in turn
        (
            {"a1": 20, "a2": 2, "a3": 20, "b1": 2, "b2": 20, "b3": 2},
            {"a2": ["a1"], "a3": ["a2"], "b2": ["b1"], "b3": ["b2"]},
        ),
        # one source, many readers
        ({"s": 3, "x": 15, "y": 15, "z": 15}, {"x": ["s"], "y": ["s"], "z": ["s"]}),
        # a diamond beside independent tasks
        (
            {"p": 4, "q": 12, "r": 5, "t": 4, "i": 18, "j": 19},
            {"q": ["p"], "r": ["p"], "t": ["q", "r"]},
        ),
    ]
    for count in (6, 9):
        needs = _random_graph(draw, count, 0.25)
        graphs.append(({f"t{i}": draw.rng.uniform(2, 15) for i in range(count)}, needs))
    for durations, needs in graphs:
        for n_streams in (len(durations), len(durations) + 3):
            makespan = _makespan(submission, draw, gpu, durations, needs, n_streams)
            critical = _critical(durations, needs)
            lengths = ", ".join(f"{name} {ms:.1f} ms" for name, ms in durations.items())
            claims.that(
                makespan <= 1.1 * critical + 0.3,
                (
                    f"the critical path takes {critical:.1f} ms ({lengths}; dependencies {needs})",
                    f"关键路径需要 {critical:.1f} ms（{lengths}；依赖 {needs}）",
                ),
                (f"all takes {makespan:.1f} ms", f"总共用了 {makespan:.1f} ms"),
                (
                    "on which stream each task runs, and what it waits for besides its dependencies",
                    "每个任务在哪条流上，除了依赖之外还等了什么",
                ),
            )


def test_never_above_the_sum(submission, draw, gpu):
    """It never takes longer than one task after another."""
    for count, n_streams in ((8, 1), (7, 2), (9, 3)):
        needs = _random_graph(draw, count, 0.3)
        durations = {f"t{i}": draw.rng.uniform(2, 15) for i in range(count)}
        makespan, total = (
            _makespan(submission, draw, gpu, durations, needs, n_streams),
            sum(durations.values()),
        )
        claims.that(
            makespan <= 1.02 * total + 0.3,
            (
                f"n_streams={n_streams}: at most {total:.1f} ms, the sum of all tasks",
                f"n_streams={n_streams}：不超过所有任务之和 {total:.1f} ms",
            ),
            (f"{makespan:.1f} ms", f"{makespan:.1f} ms"),
        )


def test_after_the_callers_work(submission, draw, gpu):
    """All work starts after the caller's work so far."""
    look = ("what the streams of tasks without dependencies wait for", "没有依赖的任务，其流等了谁")
    for caller in _callers():
        for n_streams in (1, 4):
            shared, needs = _ready(draw, gpu), {"t2": ["t0"], "t4": ["t1", "t2"]}

            def make(name, shared=shared):
                def task(*_):
                    gpu.read(shared, name)
                    return shared

                return task

            with torch.cuda.stream(caller), gpu.record() as seen:
                gpu.busy(draw.integer(5, 12), "before")
                gpu.write(shared, "the caller's writer")
                submission.run_graph({f"t{i}": make(f"t{i}") for i in range(5)}, needs, n_streams)
            gpu.settle()
            before = seen.named("the caller's writer")[0]
            for name, op in _ops(seen, [f"t{i}" for i in range(5)]).items():
                claims.that(
                    op.begin_ms >= before.end_ms,
                    (
                        f"the caller's work ends at {_at(seen, before.end_ms)}; {name!r} begins after that",
                        f"调用者已有的任务在 {_at(seen, before.end_ms)} 结束，{name!r} 在此之后开始",
                    ),
                    (f"it begins at {_at(seen, op.begin_ms)}", f"它在 {_at(seen, op.begin_ms)} 就开始了"),
                    look,
                )
            seen.no_race(look)


def test_joined(submission, draw, gpu):
    """The caller's next work starts after all tasks."""
    look = ("which tasks the caller's stream waits for at the end", "最后，调用者的流等了哪些任务")
    names = [f"t{i}" for i in range(5)]
    for caller in _callers():
        for longest in names:
            for n_streams in (1, 2, 5):
                buffers = {name: _ready(draw, gpu) for name in names}

                def make(name, buffers=buffers, longest=longest):
                    def task(*_):
                        gpu.busy(20 if name == longest else 2, "busy")
                        gpu.write(buffers[name], name)
                        return buffers[name]

                    return task

                with torch.cuda.stream(caller), gpu.record() as seen:
                    got = submission.run_graph(
                        {name: make(name) for name in names}, {"t2": ["t0"], "t3": ["t0", "t1"]}, n_streams
                    )
                    with torch.cuda.stream(caller):
                        gpu.busy(1, "next")
                        for value in got.values():
                            gpu.read(value, "the caller's reader")
                gpu.settle()
                after, last = seen.named("next")[0], max(_ops(seen, names).values(), key=lambda op: op.end_ms)
                claims.that(
                    after.begin_ms >= last.end_ms,
                    (
                        f"all tasks have ended at {_at(seen, last.end_ms)}; the next work begins after that",
                        f"所有任务在 {_at(seen, last.end_ms)} 结束，调用者后续的任务在此之后开始",
                    ),
                    (
                        f"it begins at {_at(seen, after.begin_ms)}",
                        f"它在 {_at(seen, after.begin_ms)} 就开始了",
                    ),
                    look,
                )
                seen.no_race(look)


def test_current_stream_restored(submission, draw, gpu):
    """The caller's stream is current again."""
    value = _ready(draw, gpu)
    for caller in _callers():
        tasks = _busy_tasks(gpu, {"a": 1, "b": 1, "c": 1}, value)
        with torch.cuda.stream(caller):
            submission.run_graph(tasks, {"c": ["a"]}, 2)
            now = torch.cuda.current_stream()
        claims.that(
            now == caller,
            ("after the call, the caller's stream is current again", "返回之后，当前流恢复为调用者的流"),
            ("another stream is current", "当前流是另一条流"),
        )
    gpu.settle()


def test_memory(submission, draw, gpu):
    """Results may be dropped while still in use."""
    n = 256 * draw.integer(20, 60) + 1
    for caller in _callers():
        for read_by_caller in (False, True):
            gpu.settle()
            torch.cuda.empty_cache()
            streams = []

            def source(streams=streams):
                streams.append(torch.cuda.current_stream())
                return torch.zeros(n, device="cuda")

            def reader(t, streams=streams):
                streams.append(torch.cuda.current_stream())
                gpu.busy(9, "a task is busy")
                gpu.read(t, "a task, reader of its dependency")
                return torch.zeros(n, device="cuda")

            tasks = {"x": reader, "s": source, "y": reader, "z": reader}
            with torch.cuda.stream(caller), gpu.record() as seen:
                got = submission.run_graph(tasks, {"x": ["s"], "y": ["s"], "z": ["x"]}, 4)
                if read_by_caller:
                    gpu.busy(9, "the caller is busy")
                    for value in got.values():
                        gpu.read(value, "the caller's reader")
                    del value
                del got
                fresh = []
                for stream in streams:
                    if stream != caller:
                        with torch.cuda.stream(stream):
                            fresh += [torch.ones(n, device="cuda") for _ in range(4)]
            gpu.settle()
            seen.no_race(
                (
                    "the caller dropped the results while other streams still read them, and the next tensors"
                    " on your streams got that memory. Which streams does the allocator know of?",
                    "别的流还在读结果，调用者就已丢弃，你的流上的下一批张量拿到了同一块显存。"
                    "分配器知道哪些流在用它？",
                )
            )
            del fresh


def test_nothing_kept(submission, draw, gpu):
    """What the caller drops is freed."""
    n, before = 1024 * draw.integer(200, 300), gpu.held()
    tasks = {"y": lambda t: t + 1, "x": lambda: torch.zeros(n, device="cuda"), "z": lambda a, b: a + b}
    got = submission.run_graph(tasks, {"y": ["x"], "z": ["x", "y"]}, 2)
    del got
    gpu.freed(
        before,
        4 * n,
        (
            "once the caller has dropped the results, their memory is free",
            "调用者丢弃结果之后，它们的显存随即释放",
        ),
    )
