"""Hidden checks of exercise 30."""

import torch

from ptquiz.worker import claims

WHAT = "DevicePrefetcher(source, device)"


class SourceError(Exception):
    """What the checks' own sources raise."""


def _at(seen, milliseconds):
    """A moment, counted from the first thing that the record saw."""
    return f"{milliseconds - min(op.begin_ms for op in seen.ops):.2f} ms"


def _callers():
    """The default stream, and one of its own: callers are not always on the default stream."""
    return (torch.cuda.default_stream(), torch.cuda.Stream())


def _hosts(draw, count, n=None):
    """Pinned batches, one tensor each."""
    return [draw.randn(n or draw.integer(1, 30), dtype=torch.float32).pin_memory() for _ in range(count)]


def _h2d(seen):
    return [op for op in seen.copies if op.name == "h2d"]


def _same_batch(actual, expected, what):
    """Compare a batch leaf by leaf: structure, device, values."""
    if isinstance(expected, torch.Tensor):
        claims.tensor(actual, what, shape=expected.shape, dtype=expected.dtype)
        claims.that(
            actual.device.type == "cuda",
            (f"{what[0]}, on the device", f"{what[1]} 位于设备上"),
            (f"on {actual.device}", f"位于 {actual.device}"),
        )
        claims.same(actual.cpu(), expected.clone(), what)
    elif isinstance(expected, dict):
        claims.instance(actual, dict, what)
        claims.same(list(actual), list(expected), (f"the keys of {what[0]}", f"{what[1]} 的键"))
        for key in expected:
            _same_batch(actual[key], expected[key], (f"{what[0]}[{key!r}]", f"{what[1]}[{key!r}]"))
    elif isinstance(expected, (list, tuple)):
        claims.instance(actual, type(expected), what)
        claims.same(len(actual), len(expected), (f"the length of {what[0]}", f"{what[1]} 的长度"))
        for i, value in enumerate(expected):
            _same_batch(actual[i], value, (f"{what[0]}[{i}]", f"{what[1]}[{i}]"))
    else:
        claims.same(actual, expected, what)


def _collected(batches, limit):
    """The batches of an iteration, cut off a little beyond `limit`: more would be wrong anyway."""
    got = []
    for batch in batches:
        got.append(batch)
        if len(got) > limit + 3:
            break
    return got


def test_batches(submission, draw, gpu):
    """Every batch once, in order, in its structure, on the device."""
    number = draw.integer(10, 99)

    def leaf():
        return draw.randn(draw.integer(1, 6), 2).pin_memory()

    mixed = iter([leaf(), [], (), leaf(), {}, [leaf()]])
    kinds = {
        "tensor": leaf,
        "pair": lambda: (leaf(), draw.integers(0, 10, (3,)).pin_memory()),
        "list": lambda: [leaf(), number, leaf()],
        "dict": lambda: {"x": leaf(), "id": "a", "y": leaf()},
        "some empty": lambda: next(mixed, []),
        "nested": lambda: {"x": [leaf(), (leaf(), None)], "meta": {"n": number, "mask": leaf()}, "none": []},
    }
    for kind, make in kinds.items():
        count = draw.integer(3, 6)
        hosts = [make() for _ in range(count)]
        gpu.settle()
        got = _collected(submission.DevicePrefetcher(iter(hosts), gpu.device(0)), count)
        gpu.settle()
        gpu.forgive()  # order has checks of its own
        claims.that(
            len(got) == count,
            (f"{count} batches ({kind})", f"{count} 批数据（{kind}）"),
            (f"{len(got)} batches", f"{len(got)} 批"),
            ("the first and the last batch", "第一批和最后一批"),
        )
        for i, (batch, host) in enumerate(zip(got, hosts, strict=True)):
            _same_batch(batch, host, (f"batch {i} ({kind})", f"第 {i} 批（{kind}）"))


def test_empty_and_single(submission, draw, gpu):
    """An empty source and one of a single batch."""
    for count in (0, 1, 2):
        for as_list in (True, False):
            hosts = _hosts(draw, count)
            source = hosts if as_list else (host for host in hosts)
            got = _collected(submission.DevicePrefetcher(source, gpu.device(0)), count)
            gpu.settle()
            gpu.forgive()
            claims.that(
                len(got) == count,
                (f"a source of {count} batches gives {count}", f"{count} 批的数据源给出 {count} 批"),
                (f"{len(got)} batches", f"{len(got)} 批"),
            )
            for i, (batch, host) in enumerate(zip(got, hosts, strict=True)):
                _same_batch(batch, host, (f"batch {i} of {count}", f"共 {count} 批的第 {i} 批"))


def test_errors_of_the_source(submission, draw, gpu):
    """An error of the source comes in its place."""
    for count in (0, 1, draw.integer(2, 4)):
        hosts, error = _hosts(draw, count), SourceError(f"after {count} batches")

        def source(hosts=hosts, error=error):
            yield from hosts
            raise error

        got = []

        def consume(got=got, source=source):
            for batch in submission.DevicePrefetcher(source(), gpu.device(0)):
                got.append(batch)

        what = (
            f"iterating a source that raises after {count} batches",
            f"遍历一个给出 {count} 批之后抛异常的数据源",
        )
        came = claims.raises(SourceError, consume, what)
        gpu.settle()
        gpu.forgive()
        claims.that(
            came is error,
            ("the source's exception itself", "数据源抛出的那个异常本身"),
            (f"{type(came).__name__}({came})", f"{type(came).__name__}({came})"),
        )
        claims.that(
            len(got) == count,
            (f"the {count} batches before the error are handed out first", f"先交出异常之前的 {count} 批"),
            (f"{len(got)} batches came", f"只交出了 {len(got)} 批"),
            (
                "when the source is asked for a batch that nobody has asked for yet",
                "提前向数据源要下一批，是在什么时候",
            ),
        )
        for i, (batch, host) in enumerate(zip(got, hosts, strict=True)):
            _same_batch(batch, host, (f"batch {i}", f"第 {i} 批"))


def test_drawn_as_needed(submission, draw, gpu):
    """The source is drawn from as needed."""
    drawn = [0]

    def source():
        for host in _hosts(draw, 30, 4):
            drawn[0] += 1
            yield host

    batches = iter(submission.DevicePrefetcher(source(), gpu.device(0)))
    for i in range(1, 5):
        next(batches)
        claims.that(
            drawn[0] <= i + 2,
            (
                f"after {i} batches, at most {i + 2} have been drawn from the source",
                f"交出 {i} 批之后，最多从数据源读了 {i + 2} 批",
            ),
            (f"{drawn[0]} have been drawn", f"读了 {drawn[0]} 批"),
        )
    gpu.settle()
    gpu.forgive()


def test_copies_on_their_own_stream(submission, draw, gpu):
    """Copies run on a stream of their own."""
    for caller in _callers():
        hosts = _hosts(draw, 4)
        with torch.cuda.stream(caller), gpu.record() as seen:
            for i, _ in enumerate(submission.DevicePrefetcher(hosts, gpu.device(0))):
                now = torch.cuda.current_stream()
                claims.that(
                    now == caller,
                    (
                        f"with batch {i} in hand, the consumer's stream is current",
                        f"拿到第 {i} 批时，当前流仍是使用者的流",
                    ),
                    ("another stream is current", "当前流是另一条流"),
                    (
                        "is the batch handed out inside a `with torch.cuda.stream(…)`?",
                        "是不是在 `with torch.cuda.stream(…)` 里面交出的？",
                    ),
                )
            now = torch.cuda.current_stream()
        gpu.settle()
        gpu.forgive()
        claims.that(
            now == caller,
            ("after the iteration, the consumer's stream is current", "遍历结束后，当前流仍是使用者的流"),
            ("another stream is current", "当前流是另一条流"),
        )
        copies = _h2d(seen)
        claims.that(
            len(copies) >= 4,
            ("each batch is copied to the device", "每一批都拷到设备上"),
            (f"{len(copies)} copies of 4 batches", f"4 批数据只看到 {len(copies)} 次拷贝"),
        )
        claims.that(
            all(op.stream != caller.cuda_stream for op in copies),
            ("all copies on another stream than the consumer's", "所有拷贝都不在使用者的流上"),
            ("a copy runs on the consumer's stream", "有拷贝跑在使用者的流上"),
        )


def test_host_does_not_wait(submission, draw, gpu):
    """The host does not wait for the GPU."""
    look = (
        "the consumer's stream can wait for the copy; the host need not",
        "让使用者的流去等拷贝即可，主机不必等",
    )
    for caller in _callers():
        hosts, idle = _hosts(draw, 4, 60000), torch.cuda.Stream()
        with torch.cuda.stream(caller), gpu.record() as seen:
            gpu.busy(5, "earlier work")
            for _ in submission.DevicePrefetcher(hosts, gpu.device(0)):
                gpu.busy(5, "compute")
            with torch.cuda.stream(idle):
                gpu.busy(0.01, "the host is back")
        gpu.settle()
        gpu.forgive()
        seen.no_wait(look)
        back, first = seen.named("the host is back")[0], seen.named("compute")[0]
        claims.that(
            back.begin_ms < first.end_ms,
            (
                "the loop has launched everything while the GPU is still at work",
                "GPU 还在忙时，循环就已全部发起完毕",
            ),
            (f"it ends at {_at(seen, back.begin_ms)}", f"它到 {_at(seen, back.begin_ms)} 才结束"),
            look,
        )


def test_batch_is_ready(submission, draw, gpu):
    """The consumer's work starts after the copy of its batch."""
    look = (
        "which stream waits for the copy when a batch is handed out, and for which copy",
        "交出一批数据时，是哪条流在等拷贝，等的是哪一次拷贝",
    )
    streams = [torch.cuda.default_stream(), torch.cuda.Stream(), torch.cuda.Stream()]
    for several in (False, True):
        for nested in (False, True):
            hosts = _hosts(draw, 5, draw.integer(80_000, 120_000))
            given = [{"a": host, "b": [host.clone().pin_memory()]} for host in hosts] if nested else hosts
            gpu.settle()
            with gpu.record() as seen:
                batches, kept = iter(submission.DevicePrefetcher(given, gpu.device(0))), []
                for i in range(5):
                    with torch.cuda.stream(streams[i % 3 if several else 1]):
                        batch = next(batches)
                        kept.append(batch)  # dropping batches has a check of its own
                        for tensor in [batch["a"], batch["b"][0]] if nested else [batch]:
                            gpu.read(tensor, f"compute on batch {i}")
            gpu.settle()
            seen.no_race(look)
            per_batch = len(_h2d(seen)) // 5
            for i in range(5):
                copied = max(op.end_ms for op in _h2d(seen)[i * per_batch : (i + 1) * per_batch])
                work = seen.named(f"compute on batch {i}")[0]
                claims.that(
                    work.begin_ms >= copied,
                    (
                        f"the copy of batch {i} ends at {_at(seen, copied)}; work on it begins after that",
                        f"第 {i} 批的拷贝在 {_at(seen, copied)} 结束，对它的计算在此之后开始",
                    ),
                    (f"it begins at {_at(seen, work.begin_ms)}", f"它在 {_at(seen, work.begin_ms)} 就开始了"),
                    look,
                )


def test_next_copy_overlaps(submission, draw, gpu):
    """The next copy overlaps this batch's work."""
    look = (
        "when the copy of the next batch is launched, and what the two streams wait for",
        "下一批的拷贝是什么时候发起的；两条流各等了什么",
    )
    for host_waits in (True, False):
        count, n = 6, draw.integer(450_000, 550_000)  # a copy takes about 0.09 ms
        hosts = _hosts(draw, count, n)
        gpu.settle()
        with gpu.record() as seen:
            for i, batch in enumerate(submission.DevicePrefetcher(hosts, gpu.device(0))):
                gpu.busy(0.3, f"compute {i}")
                gpu.read(batch, f"compute {i}, end")
                if host_waits:
                    torch.cuda.current_stream().synchronize()
        gpu.settle()
        gpu.forgive()
        copies = _h2d(seen)
        claims.that(
            len(copies) == count,
            (f"one copy for each of {count} batches", f"{count} 批数据各拷贝一次"),
            (f"{len(copies)} copies", f"{len(copies)} 次拷贝"),
        )
        how = (
            (
                "the consumer waits for its own work before it asks for the next batch",
                "使用者等自己的任务做完才要下一批",
            )
            if host_waits
            else ("the consumer runs ahead", "使用者不等待，一路发起")
        )
        for i in range(count - 1):
            compute, copy = seen.named(f"compute {i}")[0], copies[i + 1]
            claims.that(
                copy.end_ms <= compute.end_ms,
                (
                    f"{how[0]}: batch {i + 1} is copied by {_at(seen, compute.end_ms)}, while {i} computes",
                    f"{how[1]}：第 {i} 批计算到 {_at(seen, compute.end_ms)}，其间完成第 {i + 1} 批的拷贝",
                ),
                (f"its copy ends at {_at(seen, copy.end_ms)}", f"它的拷贝到 {_at(seen, copy.end_ms)} 才结束"),
                look,
            )
        makespan = seen.named(f"compute {count - 1}, end")[0].end_ms - copies[0].begin_ms
        expected = copies[0].end_ms - copies[0].begin_ms + count * 0.3
        claims.that(
            makespan <= expected + 0.25,
            (
                f"{how[0]}: one copy and {count} times 0.3 ms of work take about {expected:.2f} ms",
                f"{how[1]}：一次拷贝加 {count} 次 0.3 ms 的计算，约需 {expected:.2f} ms",
            ),
            (f"all takes {makespan:.2f} ms", f"总共用了 {makespan:.2f} ms"),
            look,
        )


def test_memory_is_safe(submission, draw, gpu):
    """A batch may be dropped while still in use."""
    for caller in _callers():
        for nested in (False, True):
            n = 256 * draw.integer(20, 60) + 1
            hosts = _hosts(draw, 7, n)
            given = [{"a": [host], "b": host.clone().pin_memory()} for host in hosts] if nested else hosts
            gpu.settle()
            torch.cuda.empty_cache()
            with torch.cuda.stream(caller), gpu.record() as seen:
                for batch in submission.DevicePrefetcher(given, gpu.device(0)):
                    gpu.busy(3, "compute")
                    for tensor in [batch["a"][0], batch["b"]] if nested else [batch]:
                        gpu.read(tensor, "the consumer reads its batch")
                    del batch, tensor
            gpu.settle()
            seen.no_race(
                (
                    "the consumer dropped a batch before its stream had read it, and a later copy got that"
                    " memory; does the allocator know of the consumer's stream?",
                    "使用者的流还没读完，这一批就已被丢弃，后来的拷贝拿到了同一块显存；"
                    "分配器知道使用者的流在用吗？",
                )
            )


def test_one_batch_ahead(submission, draw, gpu):
    """At most one batch more is on the device."""
    n = 256 * draw.integer(300, 900)  # float32: whole granules of 512 bytes
    for keeps in (1, 3):
        hosts = _hosts(draw, 7, n)
        gpu.settle()
        torch.cuda.empty_cache()
        before, kept = torch.cuda.memory_allocated(), []
        for i, batch in enumerate(submission.DevicePrefetcher(hosts, gpu.device(0))):
            kept = [*kept, batch][-keeps:]
            del batch
            now = torch.cuda.memory_allocated() - before
            claims.that(
                now <= (len(kept) + 1) * 4 * n,
                (
                    f"with batch {i}, the consumer holds {len(kept)}: at most {len(kept) + 1} on the device",
                    f"拿到第 {i} 批、使用者留着 {len(kept)} 批时，设备上至多有 {len(kept) + 1} 批",
                ),
                (f"{now / (4 * n):.1f} batches' worth of memory", f"占用了 {now / (4 * n):.1f} 批的显存"),
                (
                    "how far ahead copies are launched, and which batches are still referenced",
                    "提前拷贝了多少批，还引用着哪些批",
                ),
            )
            gpu.busy(0.5, "compute")
        del kept
    gpu.settle()
    gpu.forgive()
