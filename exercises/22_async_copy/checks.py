"""Hidden checks of exercise 22."""

import gc

import torch

from ptquiz.worker import claims

UPLOAD = "upload(host, device, stream)"


def _at(seen, milliseconds):
    """A moment, counted from the first thing that the record saw."""
    return f"{milliseconds - min(op.begin_ms for op in seen.ops):.2f} ms"


def _users():
    """The default stream, and one of its own: callers are not always on the default stream."""
    return (torch.cuda.default_stream(), torch.cuda.Stream())


def _sources(draw):
    """Host tensors of several kinds: (what it is, tensor)."""
    n = draw.integer(3, 9)
    wide = draw.randn(n, 2 * n + 1, dtype=torch.float32)
    yield ("a contiguous tensor", "连续张量"), draw.randn(n, 3)
    yield ("a scalar tensor", "标量张量"), draw.randn()
    yield ("an int64 tensor", "int64 张量"), draw.integers(-5, 100, (n,))
    yield ("a bool tensor", "bool 张量"), draw.integers(0, 2, (2, n)).bool()
    yield ("a transposed tensor", "转置过的张量"), wide.t()
    yield ("every second column", "每隔一列"), wide[:, ::2]
    yield ("a pinned tensor", "锁页张量"), draw.randn(n, 2).pin_memory()
    yield ("every second column of a pinned tensor", "锁页张量的每隔一列"), wide.pin_memory()[:, 1::2]
    yield ("an expanded tensor", "expand 得到的张量"), draw.randn(n, 1).expand(n, 4)


def _uploaded(value):
    claims.instance(value, tuple, UPLOAD)
    claims.same(len(value), 2, f"len({UPLOAD})")
    tensor, event = value
    claims.tensor(tensor, ("tensor, from upload(…)", "upload(…) 返回的 tensor"))
    claims.instance(event, torch.cuda.Event, ("event, from upload(…)", "upload(…) 返回的 event"))
    return tensor, event


def _h2d(seen):
    copies = [op for op in seen.copies if op.name == "h2d"]
    claims.that(
        bool(copies),
        ("upload copies from the host to the device", "upload 从主机拷贝到设备"),
        ("no such copy was seen", "没有看到这样的拷贝"),
    )
    return copies


def test_upload_values(submission, draw, gpu):
    """upload returns a right copy and an event."""
    stream = torch.cuda.Stream()
    for kind, host in _sources(draw):
        given = host.clone()
        tensor, _ = _uploaded(submission.upload(host, gpu.device(0), stream))
        gpu.settle()
        what = (f"tensor, from upload of {kind[0]}", f"tensor（upload 的源是{kind[1]}）")
        claims.tensor(tensor, what, shape=given.shape, dtype=given.dtype)
        claims.that(
            tensor.device == gpu.device(0),
            (f"{what[0]}, on {gpu.device(0)}", f"{what[1]} 位于 {gpu.device(0)}"),
            (f"on {tensor.device}", f"位于 {tensor.device}"),
        )
        claims.same(tensor.cpu().contiguous(), given.contiguous(), what)
        claims.same(host.contiguous(), given.contiguous(), ("host, after upload", "upload 之后的 host"))
    gpu.settle()
    gpu.forgive()  # order and memory have checks of their own


def test_upload_device(submission, draw, gpu):
    """upload copies to the device that is asked for."""
    for index in range(gpu.count):
        for current in range(gpu.count):
            host, stream = draw.randn(draw.integer(1, 9)), torch.cuda.Stream(gpu.device(index))
            with torch.cuda.device(current):
                tensor, _ = _uploaded(submission.upload(host, gpu.device(index), stream))
                now = torch.cuda.current_device()
            gpu.settle()
            where = (
                f"device cuda:{index} while cuda:{current} is current",
                f"device 为 cuda:{index}、当前设备为 cuda:{current}",
            )
            claims.that(
                tensor.device == gpu.device(index),
                (f"{where[0]}: the tensor on cuda:{index}", f"{where[1]}：张量位于 cuda:{index}"),
                (f"on {tensor.device}", f"位于 {tensor.device}"),
            )
            claims.that(
                now == current,
                (f"{where[0]}: cuda:{current} stays current", f"{where[1]}：当前设备不变"),
                (f"cuda:{now} is current", f"当前设备变成了 cuda:{now}"),
            )
            claims.same(tensor.cpu(), host, ("tensor, from upload", "upload 得到的 tensor"))
    gpu.settle()
    gpu.forgive()


def test_upload_on_the_stream(submission, draw, gpu):
    """The copy of upload runs on the stream."""
    for user in _users():
        stream = torch.cuda.Stream()
        for kind, host in _sources(draw):
            with torch.cuda.stream(user), gpu.record() as seen:
                _uploaded(submission.upload(host, gpu.device(0), stream))
                now = torch.cuda.current_stream()
            gpu.settle()
            claims.that(
                {op.stream for op in _h2d(seen)} == {stream.cuda_stream},
                (
                    f"{kind[0]}: the copy runs on the stream that was passed",
                    f"{kind[1]}：拷贝在传入的流上执行",
                ),
                ("on another stream", "在另一条流上执行"),
            )
            claims.that(
                now == user,
                (
                    "after upload, the caller's stream is current again",
                    "upload 返回后，当前流恢复为调用者的流",
                ),
                ("another stream is current", "当前流是另一条流"),
            )
    gpu.settle()
    gpu.forgive()


def test_upload_from_pinned_memory(submission, draw, gpu):
    """upload copies from pinned memory."""
    stream = torch.cuda.Stream()
    for kind, host in _sources(draw):
        with gpu.record() as seen:
            submission.upload(host, gpu.device(0), stream)
        gpu.settle()
        claims.that(
            all(op.pinned for op in _h2d(seen)),
            (f"{kind[0]}: the copy's source is pinned memory", f"{kind[1]}：拷贝的源是锁页内存"),
            ("it is pageable memory", "源是可分页内存"),
            (
                "what the tensor that is copied from says to `is_pinned()`",
                "看看被拷贝的那个张量 `is_pinned()` 返回什么",
            ),
        )
    gpu.settle()
    gpu.forgive()


def test_upload_does_not_wait(submission, draw, gpu):
    """The host does not wait in upload."""
    look = ("the event is there for others to wait for", "事件是留给别人去等的")
    for user in _users():
        stream, idle = torch.cuda.Stream(), torch.cuda.Stream()
        for kind, host in _sources(draw):
            with torch.cuda.stream(user), gpu.record() as seen:
                with torch.cuda.stream(stream):
                    gpu.busy(8, "stream is busy")
                gpu.busy(8, "user is busy")
                submission.upload(host, gpu.device(0), stream)
                with torch.cuda.stream(idle):
                    gpu.busy(0.01, "the host is back")
            gpu.settle()
            seen.no_wait(look)
            back, busy = seen.named("the host is back")[0], seen.named("stream is busy")[0]
            claims.that(
                back.begin_ms < busy.end_ms,
                (
                    f"{kind[0]}: upload returns before the copy has begun",
                    f"{kind[1]}：拷贝还没开始，upload 就已返回",
                ),
                (f"it returns at {_at(seen, back.begin_ms)}", f"它在 {_at(seen, back.begin_ms)} 才返回"),
                look,
            )
    gpu.forgive()


def test_event_marks_the_end(submission, draw, gpu):
    """The event marks the end of the copy."""
    look = ("on which stream the event is recorded, and when", "事件记录在哪条流上，什么时候记录的")
    for user in _users():
        stream = torch.cuda.Stream()
        for kind, host in _sources(draw):
            with torch.cuda.stream(user), gpu.record() as seen:
                with torch.cuda.stream(stream):
                    gpu.busy(draw.integer(4, 9), "stream is busy")
                tensor, event = _uploaded(submission.upload(host, gpu.device(0), stream))
                early = event.query()
                user.wait_event(event)
                gpu.read(tensor, "use")
            gpu.settle()
            claims.that(
                not early,
                (
                    f"{kind[0]}: the event has not completed while `stream` is still busy with earlier work",
                    f"{kind[1]}：`stream` 还在忙之前的任务，事件不应已完成",
                ),
                ("event.query() is True", "event.query() 为 True"),
                look,
            )
            copy, use = max(_h2d(seen), key=lambda op: op.end_ms), seen.named("use")[0]
            claims.that(
                use.begin_ms >= copy.end_ms,
                (
                    f"{kind[0]}: a stream that has waited for the event uses the tensor after"
                    f" {_at(seen, copy.end_ms)}, when the copy has ended",
                    f"{kind[1]}：拷贝在 {_at(seen, copy.end_ms)} 结束，等过事件的流在此之后才使用张量",
                ),
                (f"it uses it at {_at(seen, use.begin_ms)}", f"它在 {_at(seen, use.begin_ms)} 就使用了"),
                look,
            )
            seen.no_race(look)
            del tensor, event


def test_source_may_change(submission, draw, gpu):
    """After the event, the source may change."""
    for kind, host in _sources(draw):
        if kind[0] == "an expanded tensor":
            continue  # writing in place is not defined for it
        stream, given = torch.cuda.Stream(), host.clone()
        with gpu.record() as seen:
            with torch.cuda.stream(stream):
                gpu.busy(5, "stream is busy")
            tensor, event = _uploaded(submission.upload(host, gpu.device(0), stream))
            event.synchronize()
            host.zero_()
        gpu.settle()
        seen.no_race(
            (
                f"{kind[0]}: the caller waited for the event and then changed `host`",
                f"{kind[1]}：调用者等事件完成之后才修改了 `host`",
            )
        )
        claims.same(
            tensor.cpu().contiguous(),
            given.contiguous(),
            (f"tensor, when {kind[0]} has changed since", f"tensor（{kind[1]}，之后源被修改）"),
        )


def test_uploads_in_a_row(submission, draw, gpu):
    """One upload does not disturb the one before."""
    for pinned in (False, True):
        n, stream = draw.integer(1000, 3000), torch.cuda.Stream()
        hosts = [draw.randn(n, dtype=torch.float32) for _ in range(4)]
        if pinned:
            hosts = [host.pin_memory() for host in hosts]
        with gpu.record() as seen:
            with torch.cuda.stream(stream):
                gpu.busy(5, "stream is busy")
            tensors = [_uploaded(submission.upload(host, gpu.device(0), stream))[0] for host in hosts]
        gpu.settle()
        seen.no_race(
            (
                "a pinned buffer that an earlier copy still reads must not be filled again",
                "先前的拷贝还在读的锁页缓冲区，不能再往里写",
            )
        )
        for i, (tensor, host) in enumerate(zip(tensors, hosts, strict=True)):
            claims.same(tensor.cpu(), host.clone(), (f"tensor of upload {i}", f"第 {i} 次 upload 的 tensor"))


def test_upload_memory(submission, draw, gpu):
    """The uploaded tensor may be dropped at any moment."""
    n = 256 * draw.integer(20, 60) + 1
    host = draw.randn(n, dtype=torch.float32)
    for user in _users():
        for current in sorted({0, gpu.count - 1}):

            def upload(stream, current=current):
                with torch.cuda.device(current):  # `user` stays the current stream of device 0
                    return submission.upload(host, gpu.device(0), stream)

            for scene in (_dropped_after_use, _dropped_at_once, _memory_still_in_use):
                gpu.settle()
                torch.cuda.empty_cache()
                stream = torch.cuda.Stream()
                with torch.cuda.stream(user), gpu.record() as seen:
                    kept = scene(upload, gpu, n, user, stream)
                gpu.settle()
                seen.no_race(_LOOK[scene.__name__] if current == 0 else _LOOK["elsewhere"])
                del kept


def _others(n, *streams):
    """Tensors that others allocate and write on these streams."""
    fresh = []
    for stream in streams:
        with torch.cuda.stream(stream):
            fresh += [torch.ones(n, device="cuda") for _ in range(4)]
    return fresh


def _dropped_after_use(upload, gpu, n, user, stream):
    tensor, event = upload(stream)
    user.wait_event(event)
    gpu.busy(6, "user is busy")
    gpu.read(tensor, "user reads the tensor")
    del tensor
    return _others(n, stream, user)


def _dropped_at_once(upload, gpu, n, user, stream):
    with torch.cuda.stream(stream):
        gpu.busy(6, "stream is busy")
    upload(stream)
    return _others(n, user, stream)


def _memory_still_in_use(upload, gpu, n, user, stream):
    before = [torch.ones(n, device="cuda") for _ in range(3)]
    gpu.busy(6, "user is busy")
    for tensor in before:
        gpu.read(tensor, "user reads older tensors")
    del before, tensor
    return upload(stream)


_LOOK = {
    "_dropped_after_use": (
        "the caller dropped the tensor while its stream still read it; does the allocator know that?",
        "调用者的流还在读，张量就已被丢弃；分配器知道有这条流在用吗？",
    ),
    "_dropped_at_once": (
        "the caller dropped the tensor before the copy had ended; does the allocator know who writes it?",
        "拷贝还没结束，张量就已被丢弃；分配器知道 `stream` 还在写它吗？",
    ),
    "_memory_still_in_use": (
        "memory of the current stream may still be in use there; did `stream` wait for that?",
        "从当前流分到的显存，当前流可能还在用；`stream` 等它了吗？",
    ),
    "elsewhere": (
        "another device is current here: *user* is the current stream of `device`, not of the current device",
        "这里的当前设备是另一个设备：*user* 是 `device` 上的当前流，不是当前设备上的当前流",
    ),
}


def test_dropped_is_given_back(submission, draw, gpu):
    """The memory of a dropped tensor is given back."""
    n, stream = 256 * draw.integer(200, 600), torch.cuda.Stream()
    host, small = draw.randn(n, dtype=torch.float32), draw.randn(1)
    gpu.settle()
    before = torch.cuda.memory_allocated()
    for _ in range(4):
        submission.upload(host, gpu.device(0), stream)
    gpu.settle()
    last = submission.upload(small, gpu.device(0), stream)  # an upload may look here which copies have ended
    gpu.settle()
    gc.collect()
    now = torch.cuda.memory_allocated() - before
    claims.that(
        now < 4 * n,
        (
            "4 uploaded tensors were dropped, their copies have ended: none of them is on the device",
            "4 个上传得到的张量都已丢弃，拷贝也已结束：设备上一个也不留",
        ),
        (f"{now / (4 * n):.1f} of the 4 are still there", f"还留有 {now / (4 * n):.1f} 个"),
        ("what still refers to the tensors", "还有谁引用着这些张量"),
    )
    del last


def _device_tensors(draw, gpu):
    n = draw.integer(3, 9)
    wide = draw.randn(n, 2 * n + 1, dtype=torch.float32).to("cuda")
    yield ("a contiguous tensor", "连续张量"), draw.randn(n, 3).to("cuda")
    yield ("a scalar tensor", "标量张量"), draw.randn().to("cuda")
    yield ("an int64 tensor", "int64 张量"), draw.integers(-5, 100, (n,)).to("cuda")
    yield ("a transposed tensor", "转置过的张量"), wide.t()
    yield ("every second column", "每隔一列"), wide[:, ::2]
    yield ("a tensor on another device", "另一个设备上的张量"), draw.randn(n).to(gpu.device(gpu.count - 1))


def test_download_values(submission, draw, gpu):
    """download returns the values."""
    for kind, tensor in _device_tensors(draw, gpu):
        gpu.settle()
        given = tensor.cpu()
        got = submission.download(tensor)
        gpu.settle()
        what = (f"download of {kind[0]}", f"download（{kind[1]}）")
        claims.tensor(got, what, shape=given.shape, dtype=given.dtype)
        claims.that(
            got.device.type == "cpu",
            (f"{what[0]}: a tensor on the CPU", f"{what[1]}：CPU 张量"),
            (f"on {got.device}", f"位于 {got.device}"),
        )
        claims.same(got.contiguous(), given.contiguous(), what)
        claims.same(tensor.cpu().contiguous(), given.contiguous(), ("the tensor afterwards", "之后的 tensor"))
        submission.download(torch.zeros_like(tensor))
        gpu.settle()
        what = (
            f"what an earlier download of {kind[0]} has returned, after one more of the same shape",
            f"又下载一个同样形状的张量之后，先前 download（{kind[1]}）返回的张量",
        )
        claims.same(
            got.contiguous(), given.contiguous(), what, ("whose memory is returned", "返回的是谁的内存")
        )
    gpu.settle()
    gpu.forgive()


def _complete(seen, computed, what):
    look = (
        "the host has to wait, after the copy, for the stream on which the copy runs",
        "主机要在拷贝之后等，等的是执行拷贝的那条流",
    )
    claims.that(
        computed.query(),
        (f"{what[0]} waits until the tensor is computed", f"{what[1]} 要等到张量算完"),
        ("it returns while the current stream still computes it", "当前流还在计算它，函数就已返回"),
        look,
    )
    seen.no_race(look)


def test_download_is_complete(submission, draw, gpu):
    """What download returns is complete."""
    for user in _users():
        for given_out in (None, "pageable", "pinned"):
            for kind, tensor in _device_tensors(draw, gpu):
                gpu.settle()
                out = None if given_out is None else torch.empty(tensor.shape, dtype=tensor.dtype)
                out = out.pin_memory() if given_out == "pinned" else out
                index = tensor.device.index
                stream = user if index == 0 else torch.cuda.Stream(index)
                with torch.cuda.stream(stream):
                    gpu.busy(draw.integer(3, 6), "computing")
                    gpu.write(tensor, "the tensor is computed")
                    computed = stream.record_event()
                    if index == 0:
                        got, seen, done = _read_at_once(submission, gpu, tensor, out, computed)
                if index != 0:  # the current stream of the tensor's device, while another device is current
                    previous = torch.cuda.current_stream(index)
                    with torch.cuda.device(index):
                        torch.cuda.set_stream(stream)
                    with torch.cuda.stream(user):
                        got, seen, done = _read_at_once(submission, gpu, tensor, out, computed)
                    with torch.cuda.device(index):
                        torch.cuda.set_stream(previous)
                what = (
                    f"download(tensor{'' if out is None else ', out=' + given_out}), {kind[0]}",
                    f"download(tensor{'' if out is None else ', out=' + given_out})（{kind[1]}）",
                )
                _complete(seen, done, what)
                gpu.settle()
                claims.same(got.contiguous(), tensor.cpu().contiguous(), what)


def _read_at_once(submission, gpu, tensor, out, computed):
    """Download and read on the host at once: (values, record, whether the tensor was computed then)."""
    with gpu.record() as seen:
        got = submission.download(tensor) if out is None else submission.download(tensor, out=out)
        done = computed.query()
        read = got + 0 if got.dtype != torch.bool else got.clone()
    return read, seen, _Answer(done)


class _Answer:
    """What an event answered at the time when it was asked."""

    def __init__(self, value):
        self._value = value

    def query(self):
        return self._value


def _outs(shape, dtype):
    """Tensors to download into, all of the same shape: (what it is, tensor, the tensor that it lies in)."""

    def filled(*sizes):
        return torch.full(sizes, 7).to(dtype)

    yield ("a pageable out", "可分页的 out"), *[filled(*shape)] * 2
    yield ("a pinned out", "锁页的 out"), *[filled(*shape).pin_memory()] * 2
    wide = filled(*shape, 2)
    yield ("an out that is not contiguous", "不连续的 out"), wide[..., 0], wide
    if shape:
        wide = filled(*shape[:-1], shape[-1] + 1)
        yield ("an out that is a part of wider rows", "取自更宽的行的 out"), wide[..., :-1], wide
    if len(shape) > 1:
        wide = filled(*shape[::-1])
        yield ("a transposed out", "转置过的 out"), wide.t(), wide


def test_download_into_out(submission, draw, gpu):
    """download writes into out and returns it."""
    for kind, tensor in _device_tensors(draw, gpu):
        for out_kind, out, wide in _outs(tuple(tensor.shape), tensor.dtype):
            gpu.settle()
            got = submission.download(tensor, out=out)
            gpu.settle()
            what = (
                f"download(tensor, out=out), {kind[0]}, {out_kind[0]}",
                f"download(tensor, out=out)（{kind[1]}，{out_kind[1]}）",
            )
            claims.that(
                got is out,
                (f"{what[0]}: out itself is returned", f"{what[1]}：返回 out 本身"),
                claims.summary(got),
            )
            claims.same(out.contiguous(), tensor.cpu().contiguous(), what)
            out.fill_(7)
            claims.same(
                wide.clone(),
                torch.full(wide.shape, 7).to(wide.dtype),
                ("memory beside the elements of out", "out 的元素旁边的内存"),
            )
    gpu.forgive()


def test_download_refuses_out(submission, draw, gpu):
    """An out of another shape or dtype raises ValueError and stays untouched."""
    n = draw.integer(3, 7)
    tensor = draw.randn(1, n, dtype=torch.float32).to("cuda")
    wrong = (
        (("of a shape to which it could be broadcast", "可以广播到的形状"), torch.full((4, n), 7.0)),
        (("with as many elements in another shape", "元素个数相同但形状不同"), torch.full((n, 1), 7.0)),
        (("with one dimension less", "少一维"), torch.full((n,), 7.0)),
        (("larger by one", "多一个元素"), torch.full((1, n + 1), 7.0)),
        (("smaller by one", "少一个元素"), torch.full((1, n - 1), 7.0)),
        (("of dtype float64", "float64 的"), torch.full((1, n), 7.0, dtype=torch.float64)),
        (("of dtype int32", "int32 的"), torch.full((1, n), 7, dtype=torch.int32)),
        (("of dtype float16", "float16 的"), torch.full((1, n), 7.0, dtype=torch.float16)),
        (("that is pinned and of another shape", "锁页且形状不同的"), torch.full((2, n), 7.0).pin_memory()),
    )
    for kind, out in wrong:
        gpu.settle()
        before = out.clone()
        claims.raises(
            ValueError,
            lambda out=out: submission.download(tensor, out=out),
            (
                f"download of a (1, {n}) float32 tensor into an out {kind[0]}",
                f"把 (1, {n}) 的 float32 张量下载到{kind[1]} out",
            ),
        )
        gpu.settle()
        claims.same(
            out, before, (f"out {kind[0]}, after the ValueError", f"{kind[1]} out，抛 ValueError 之后")
        )
    gpu.forgive()
