"""Backward on streams: a node runs where its forward ran and waits for its producers; the caller for all."""

from __future__ import annotations

import threading

import pytest
import torch


class Seen(torch.autograd.Function):
    """Doubles; its backward notes the current stream."""

    streams: list[torch.cuda.Stream] = []  # noqa: RUF012 - one list for all on purpose

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        Seen.streams.append(torch.cuda.current_stream())
        return grad * 2


@pytest.fixture
def streams():
    """A list that `Seen.backward` fills."""
    Seen.streams = []
    return Seen.streams


def leaf(*shape):
    return torch.ones(*shape, device="cuda", requires_grad=True)


def backward_kernels(machine, since):
    return [op for op in machine.since(since)[0] if op.kind == "kernel" and op.phase == "backward"]


def test_a_node_runs_on_the_stream_of_its_forward(machine, streams):
    """Function.backward sees the stream that was current in forward; the caller's is back afterwards."""
    main, s = torch.cuda.current_stream(), torch.cuda.Stream()
    w = leaf(8)
    s.wait_stream(main)
    with torch.cuda.stream(s):
        y = Seen.apply(w)
    main.wait_stream(s)
    mark = machine.mark()
    y.sum().backward()
    assert streams == [s]
    assert torch.cuda.current_stream() == main
    assert [op.stream for op in backward_kernels(machine, mark)] == [s.cuda_stream]
    assert w.grad.tolist() == [2.0] * 8


def test_hooks_see_the_stream_of_the_node(machine):
    """Tensor hooks, leaf hooks and post-accumulate hooks run under the streams of their nodes."""
    main, s, t = torch.cuda.current_stream(), torch.cuda.Stream(), torch.cuda.Stream()
    w, seen = leaf(8), {}
    for other in (s, t):
        other.wait_stream(main)
    with torch.cuda.stream(s):
        y = w * 2
    t.wait_stream(s)
    with torch.cuda.stream(t):
        z = y * 3
    main.wait_stream(t)

    def note(name):
        return lambda *_: seen.setdefault(name, torch.cuda.current_stream()) and None

    z.register_hook(note("z"))
    y.register_hook(note("y"))
    w.register_hook(note("leaf"))
    w.register_post_accumulate_grad_hook(note("accumulated"))
    z.sum().backward()
    assert seen == {"z": t, "y": s, "leaf": s, "accumulated": s}


def test_branches_run_side_by_side_in_backward(machine):
    """Two branches that ran on two streams overlap in backward, as they did in forward."""

    class Slow(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            torch.cuda._sleep(10_000_000)
            return grad.clone()

    main, w = torch.cuda.current_stream(), leaf(8)
    branches = []
    for s in (torch.cuda.Stream(), torch.cuda.Stream()):
        s.wait_stream(main)
        with torch.cuda.stream(s):
            branches.append(Slow.apply(w))
    torch.cuda.synchronize()
    (branches[0] + branches[1]).sum().backward()
    torch.cuda.synchronize()
    first, second = [op for op in machine.trace if op.kind == "sleep"]
    assert first.stream != second.stream
    assert second.begin_ms < first.begin_ms + 1


def test_the_caller_waits_for_all_leaf_streams(machine):
    """After backward the caller's stream may use every gradient; the default stream need not be able to."""
    s, caller = torch.cuda.Stream(), torch.cuda.Stream()
    w = leaf(8)
    torch.cuda.synchronize()
    with torch.cuda.stream(s):
        y = w * 2
    with torch.cuda.stream(caller):
        caller.wait_stream(s)
        y.sum().backward()
        w.grad.mul_(2)
    torch.cuda.synchronize()
    assert not machine.races
    with torch.cuda.stream(caller):
        (w * 1).sum().backward()
    w.grad.mul_(2)
    assert machine.races
    machine.engine.forgive()
    torch.cuda.synchronize()


def test_a_leaf_accumulates_on_the_stream_of_its_first_use(machine):
    """AccumulateGrad runs where the leaf was used first; a second backward adds there without a race."""
    main, s = torch.cuda.current_stream(), torch.cuda.Stream()
    w, seen = leaf(8), []
    w.register_post_accumulate_grad_hook(lambda _: seen.append(torch.cuda.current_stream()))
    for _ in range(2):
        s.wait_stream(main)
        with torch.cuda.stream(s):
            y = w * 2
        z = w * 3
        main.wait_stream(s)
        (y * z).sum().backward()
    assert seen == [s, s]
    assert w.grad.tolist() == [24.0] * 8


def test_grad_and_inputs_follow_the_same_rules(machine, streams):
    """`torch.autograd.grad` and double backward run on the streams of the forward."""
    main, s = torch.cuda.current_stream(), torch.cuda.Stream()
    x = leaf(4)
    s.wait_stream(main)
    with torch.cuda.stream(s):
        y = Seen.apply(x).pow(3).sum()
    main.wait_stream(s)
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    assert streams == [s]
    (second,) = torch.autograd.grad(first.sum(), x)
    assert first.tolist() == [24.0] * 4
    assert second.tolist() == [48.0] * 4


def test_a_backward_inside_a_backward(machine, streams):
    """Reentrant checkpointing runs its inner backward on the outer node's stream."""
    from torch.utils.checkpoint import checkpoint

    main, s = torch.cuda.current_stream(), torch.cuda.Stream()
    w = leaf(4)
    s.wait_stream(main)
    with torch.cuda.stream(s):
        y = checkpoint(lambda t: Seen.apply(Seen.apply(t)), w, use_reentrant=True)
    main.wait_stream(s)
    y.sum().backward()
    assert streams == [s, s]
    assert torch.cuda.current_stream() == main


def test_a_stream_set_inside_a_node_ends_with_it(machine):
    """What a custom backward does to the current stream is undone when its node ends."""
    main, s = torch.cuda.current_stream(), torch.cuda.Stream()
    other = torch.cuda.Stream()
    seen = []

    class Wild(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            torch.cuda.set_stream(other)
            return grad

    w = leaf(4)
    s.wait_stream(main)
    with torch.cuda.stream(s):
        y = w * 2
        y.register_hook(lambda _: seen.append(torch.cuda.current_stream()))
        z = Wild.apply(y)
    main.wait_stream(s)
    z.sum().backward()
    assert seen == [s]
    assert torch.cuda.current_stream() == main


def test_two_devices(machine):
    """A graph over two devices: each part runs on its own device's stream; gradients are ready on both."""
    a, b = torch.cuda.Stream(0), torch.cuda.Stream(1)
    w0 = torch.ones(4, device="cuda:0", requires_grad=True)
    w1 = torch.ones(4, device="cuda:1", requires_grad=True)
    torch.cuda.synchronize(0)
    torch.cuda.synchronize(1)
    with torch.cuda.stream(a):
        x = w0 * 2
        with torch.cuda.stream(b):
            y = x.to("cuda:1") * w1
    torch.cuda.current_stream(1).wait_stream(b)
    y.sum().backward()
    assert w0.grad.tolist() == [2.0] * 4
    assert w1.grad.tolist() == [2.0] * 4
    assert {op.device for op in machine.trace if op.phase == "backward" and op.kind == "kernel"} == {0, 1}


def test_without_streams_nothing_is_added(machine):
    """As long as nobody switches streams, backward leaves no waits in the trace."""
    w = leaf(4)
    (w * 2).sum().backward()
    assert {op.kind for op in machine.trace} <= {"kernel"}


def test_backward_in_a_thread(machine, streams):
    """A worker thread's graph goes back over the worker's streams."""
    s, w = torch.cuda.Stream(), leaf(4)
    torch.cuda.synchronize()

    def work():
        with torch.cuda.stream(s):
            y = Seen.apply(w).sum()
        torch.cuda.current_stream().wait_stream(s)
        y.backward()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    torch.cuda.synchronize()
    assert streams == [s]
    assert w.grad.tolist() == [2.0] * 4
