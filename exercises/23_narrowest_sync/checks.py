"""Hidden checks of exercise 23."""

import torch

from ptquiz.worker import claims


def _long(gpu):
    """Milliseconds of a job that must not be waited for; on a real device they really pass."""
    return 5000 if gpu.simulated else 150


def _users():
    """The default stream, and one of its own: callers are not always on the default stream."""
    return (torch.cuda.default_stream(), torch.cuda.Stream())


def _tensors(draw):
    n = draw.integer(3, 9)
    wide = draw.randn(n, 2 * n + 1, dtype=torch.float32).to("cuda")
    yield ("a contiguous tensor", "连续张量"), draw.randn(n, 3).to("cuda")
    yield ("a scalar tensor", "标量张量"), draw.randn().to("cuda")
    yield ("an int64 tensor", "int64 张量"), draw.integers(-5, 100, (n,)).to("cuda")
    yield ("a transposed tensor", "转置过的张量"), wide.t()
    yield ("every second column", "每隔一列"), wide[:, ::2]


def _job(gpu, stream, milliseconds, name):
    """Keep a stream busy; returns the event behind the job."""
    with torch.cuda.stream(stream):
        gpu.busy(milliseconds, name)
        return stream.record_event()


def _waited(done, call, what):
    claims.that(
        done,
        (f"{call} returns when {what[0]} has completed", f"{call} 在{what[1]}完成之后才返回"),
        ("it returned before", "它提前返回了"),
        ("does the host wait, or does a stream wait?", "等的是主机，还是某条流？"),
    )


def _not_waited(done, call, what):
    claims.that(
        not done,
        (f"{call} does not wait for {what[0]}", f"{call} 不等{what[1]}"),
        ("it has waited for it", "它等了"),
        ("how much the call that you wait with waits for", "你用来等待的那个调用，究竟等了多少东西"),
    )


def _returns_none(value, call):
    claims.same(value, None, (f"what {call} returns", f"{call} 的返回值"))


def test_fetch_values(submission, draw, gpu):
    """fetch returns the values."""
    stream = torch.cuda.Stream()
    for kind, tensor in _tensors(draw):
        zeros = torch.zeros_like(tensor)
        gpu.settle()
        given = tensor.cpu()
        got = submission.fetch(tensor, stream)
        gpu.settle()
        what = (f"fetch(tensor, stream) of {kind[0]}", f"fetch(tensor, stream)（{kind[1]}）")
        claims.tensor(got, what, shape=given.shape, dtype=given.dtype)
        claims.that(
            got.device.type == "cpu",
            (f"{what[0]}: a tensor on the CPU", f"{what[1]}：CPU 张量"),
            (f"on {got.device}", f"位于 {got.device}"),
        )
        claims.same(got.contiguous(), given.contiguous(), what)
        submission.fetch(zeros, stream)
        gpu.settle()
        what = (
            f"what an earlier fetch of {kind[0]} has returned, after one more of the same shape",
            f"又取一个同样形状的张量之后，先前 fetch（{kind[1]}）返回的张量",
        )
        claims.same(
            got.contiguous(), given.contiguous(), what, ("whose memory is returned", "返回的是谁的内存")
        )
    gpu.settle()
    gpu.forgive()


def test_fetch_is_complete(submission, draw, gpu):
    """What fetch returns is complete."""
    look = (
        "the copy belongs behind the work on `stream`, and the host has to wait after the copy",
        "拷贝要排在 `stream` 的任务之后，主机要在拷贝之后等",
    )
    for user in _users():
        stream = torch.cuda.Stream()
        for kind, tensor in _tensors(draw):
            gpu.settle()
            with torch.cuda.stream(stream):
                gpu.busy(draw.integer(2, 5), "computing")
                gpu.write(tensor, "the tensor is computed")
                computed = stream.record_event()
            with torch.cuda.stream(user), gpu.record() as seen:
                got = submission.fetch(tensor, stream)
                done = computed.query()
                read = got + 0
            _waited(done, f"fetch(tensor, stream), {kind[0]},", ("the work on stream", " stream 的任务"))
            seen.no_race(look)
            gpu.settle()
            claims.same(read.contiguous(), tensor.cpu().contiguous(), "fetch(tensor, stream)")


def test_fetch_waits_for_nothing_else(submission, draw, gpu):
    """fetch does not wait for other streams."""
    for user in _users():
        stream, other = torch.cuda.Stream(), torch.cuda.Stream()
        tensor = draw.randn(draw.integer(1, 9)).to("cuda")
        gpu.settle()
        with torch.cuda.stream(user):
            in_others = _job(gpu, other, _long(gpu), "a long job on another stream")
            in_user = _job(gpu, user, _long(gpu), "a long job on the current stream")
            with torch.cuda.stream(stream):
                gpu.busy(2, "computing")
                gpu.write(tensor, "the tensor is computed")
            submission.fetch(tensor, stream)
            waited = in_others.query(), in_user.query()
            now = torch.cuda.current_stream()
        call = "fetch(tensor, stream)"
        _not_waited(waited[0], call, ("a long job on another stream", "另一条流上的长任务"))
        _not_waited(waited[1], call, ("a long job on the current stream", "当前流上的长任务"))
        claims.that(
            now == user,
            ("after fetch, the caller's stream is current again", "fetch 返回后，当前流恢复为调用者的流"),
            ("another stream is current", "当前流是另一条流"),
        )
        gpu.settle()
        gpu.forgive()


def test_stream(submission, draw, gpu):
    """A stream: that stream is waited for, and no other."""
    for user in _users():
        stream, other = torch.cuda.Stream(), torch.cuda.Stream()
        for target in (stream, user):
            gpu.settle()
            with torch.cuda.stream(user):
                apart = _job(gpu, other, _long(gpu), "a long job on another stream")
                own = _job(gpu, target, draw.integer(2, 5), "the job")
                later = None
                if target is stream:
                    later = _job(gpu, user, _long(gpu), "a long job on the current stream")
                value = submission.wait_for(target)
                done = own.query(), apart.query(), later is not None and later.query()
            call = "wait_for(stream)" if target is stream else "wait_for(torch.cuda.current_stream())"
            _returns_none(value, call)
            _waited(done[0], call, ("the work of the stream", "该流的任务"))
            _not_waited(done[1], call, ("a long job on another stream", "另一条流上的长任务"))
            _not_waited(done[2], call, ("a long job on the current stream", "当前流上的长任务"))
    gpu.settle()
    stream = torch.cuda.Stream(gpu.device(1)) if gpu.count > 1 else torch.cuda.Stream()
    own = _job(gpu, stream, 3, "the job")
    submission.wait_for(stream)
    _waited(own.query(), "wait_for(stream of another device)", ("the work of the stream", "该流的任务"))
    gpu.settle()


def test_event(submission, draw, gpu):
    """An event: what came before it is waited for, not what came after."""
    for user in _users():
        for where in ("side", "current"):
            stream = torch.cuda.Stream() if where == "side" else user
            gpu.settle()
            with torch.cuda.stream(user):
                event = _job(gpu, stream, draw.integer(2, 5), "before the event")
                after = _job(gpu, stream, _long(gpu), "after the event")
                current = _job(gpu, user, _long(gpu), "a long job on the current stream")
                value = submission.wait_for(event)
                done = event.query(), after.query(), current.query()
            call = f"wait_for(event on {'a side stream' if where == 'side' else 'the current stream'})"
            _returns_none(value, call)
            _waited(done[0], call, ("the event", "该事件"))
            _not_waited(done[1], call, ("what was queued on its stream after it", "同一条流上在它之后的任务"))
            _not_waited(done[2], call, ("a long job on the current stream", "当前流上的长任务"))
    gpu.settle()


def _on(gpu, index, milliseconds):
    """Jobs on two side streams and the default stream of a device; the current stream's ends first."""
    with torch.cuda.device(index):
        streams = torch.cuda.Stream(), torch.cuda.default_stream(), torch.cuda.Stream()
        times = milliseconds, milliseconds / 2, 2 * milliseconds
        return [_job(gpu, s, ms, f"a job on cuda:{index}") for s, ms in zip(streams, times, strict=True)]


def test_device(submission, draw, gpu):
    """A device: all its streams are waited for, not the other device."""
    for index in range(gpu.count):
        for current in range(gpu.count):
            gpu.settle()
            others = [job for i in range(gpu.count) if i != index for job in _on(gpu, i, _long(gpu))]
            own = _on(gpu, index, draw.integer(2, 5))
            with torch.cuda.device(current):
                value = submission.wait_for(torch.device("cuda", index))
                done = [job.query() for job in own], [job.query() for job in others]
                now = torch.cuda.current_device()
            call = f'wait_for(torch.device("cuda", {index})), cuda:{current} being current,'
            _returns_none(value, f'wait_for(torch.device("cuda", {index}))')
            _waited(all(done[0]), call, ("every stream of the device", "该设备的每条流"))
            _not_waited(any(done[1]), call, ("another device", "别的设备"))
            claims.that(
                now == current,
                (f"{call} leaves cuda:{current} current", f"{call} 不改变当前设备"),
                (f"cuda:{now} is current", f"当前设备变成了 cuda:{now}"),
            )
    gpu.settle()


def test_none(submission, draw, gpu):
    """None: the current device is waited for."""
    for index in range(gpu.count):
        for by_default in (False, True):
            gpu.settle()
            others = [job for i in range(gpu.count) if i != index for job in _on(gpu, i, _long(gpu))]
            own = _on(gpu, index, draw.integer(2, 5))
            with torch.cuda.device(index):
                value = submission.wait_for() if by_default else submission.wait_for(None)
                done = [job.query() for job in own], [job.query() for job in others]
            call = f"wait_for({'' if by_default else 'None'}), cuda:{index} being current,"
            _waited(all(done[0]), call, ("every stream of the current device", "当前设备的每条流"))
            _not_waited(any(done[1]), call, ("another device", "别的设备"))
            _returns_none(value, f"wait_for({'' if by_default else 'None'})")
    gpu.settle()


def test_wrong_type(submission, draw, gpu):
    """Any other type raises TypeError."""
    stream = torch.cuda.Stream()
    tensor = torch.ones(2, device="cuda")
    gpu.settle()
    for wrong in (
        draw.rng.random(),
        [stream],
        (stream,),
        {"stream": stream},
        object(),
        tensor,
        stream.synchronize,
        torch.cuda,  # it has a `synchronize`, too
    ):
        claims.raises(
            TypeError,
            lambda wrong=wrong: submission.wait_for(wrong),
            f"wait_for({claims.summary(wrong)})",
            ("a target of another type raises TypeError", "其他类型的目标抛 TypeError"),
        )
    gpu.settle()
