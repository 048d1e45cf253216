"""Correct stream code raises no alarm, and the same code with one mistake does: the usual idioms."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from typing import Any

import pytest
import torch

from ptquiz.simcuda import simulated_cuda

Body = Callable[[bool], None]  # True: the right way; False: with the one mistake that the name says
IDIOMS: dict[str, Body] = {}


def idiom(body: Body) -> Body:
    IDIOMS[body.__name__] = body
    return body


def busy(ms: float = 1) -> None:
    torch.cuda._sleep(int(ms * 1e6))


def cuda(*shape: int) -> torch.Tensor:
    return torch.ones(*shape, device="cuda")


@idiom
def side_stream_waits_for_its_input(right: bool) -> None:
    x, s = cuda(1000), torch.cuda.Stream()
    if right:
        s.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(s):
        y = x * 2
    torch.cuda.current_stream().wait_stream(s)
    assert y.sum().item() == 2000


@idiom
def result_is_joined_before_use(right: bool) -> None:
    x, s = cuda(1000), torch.cuda.Stream()
    s.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(s):
        y = x * 2
    if right:
        torch.cuda.current_stream().wait_stream(s)
    y.add_(1)
    torch.cuda.synchronize()


@idiom
def event_is_recorded_before_it_is_waited_for(right: bool) -> None:
    x, s, e = cuda(1000), torch.cuda.Stream(), torch.cuda.Event()
    if right:
        e.record()
        e.wait(s)
    else:
        s.wait_event(e)
        e.record()
    with s:
        x.mul_(2)
    torch.cuda.synchronize()


@idiom
def event_is_recorded_after_the_work(right: bool) -> None:
    s, e = torch.cuda.Stream(), torch.cuda.Event()
    with torch.cuda.stream(s):
        if not right:
            e.record()
        x = cuda(1000)
        if right:
            e.record()
    torch.cuda.current_stream().wait_event(e)
    x.sum()
    torch.cuda.synchronize()


@idiom
def a_reused_event_stands_for_its_last_record(right: bool) -> None:
    s, e, x = torch.cuda.Stream(), torch.cuda.Event(), cuda(100)
    main = torch.cuda.current_stream()
    for _ in range(4):
        e.record(main)
        s.wait_event(e)
        with torch.cuda.stream(s):
            x.add_(1)
        if right:
            e.record(s)
        main.wait_event(e)
        x.mul_(2)
    torch.cuda.synchronize()


@idiom
def waiting_captures_the_event_as_it_is_now(right: bool) -> None:
    s, e, x = torch.cuda.Stream(), torch.cuda.Event(), cuda(100)
    e.record()
    s.wait_event(e)
    if not right:
        x.add_(1)
        e.record()  # too late for the wait above
    with torch.cuda.stream(s):
        x.mul_(2)
    torch.cuda.synchronize()


@idiom
def synchronize_before_the_other_stream(right: bool) -> None:
    x = cuda(1000)
    if right:
        torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        x.mul_(2)
    torch.cuda.synchronize()


@idiom
def a_polled_event_orders_the_host(right: bool) -> None:
    x, e, s = cuda(1000), torch.cuda.Event(), torch.cuda.Stream()
    e.record()
    while right and not e.query():
        pass
    with torch.cuda.stream(s):
        x.mul_(2)
    torch.cuda.synchronize()


@idiom
def freed_memory_is_recorded_on_the_stream_that_uses_it(right: bool) -> None:
    s, main = torch.cuda.Stream(), torch.cuda.current_stream()
    x = cuda(1 << 16)
    s.wait_stream(main)
    with torch.cuda.stream(s):
        busy(5)
        x.sum()
    if right:
        x.record_stream(s)
    del x
    y = cuda(1 << 16)
    y.add_(1)
    torch.cuda.synchronize()


@idiom
def a_dropped_input_is_recorded_by_the_operator(right: bool) -> None:
    """`torch.ops.aten.record_stream` is the method in another dress."""
    x, s = cuda(1000), torch.cuda.Stream()
    s.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(s):
        busy()
        x * 2
    if right:
        torch.ops.aten.record_stream(x, s)
    del x
    cuda(1000)


@idiom
def freed_memory_is_joined_first(right: bool) -> None:
    s, main = torch.cuda.Stream(), torch.cuda.current_stream()
    x = cuda(1 << 16)
    s.wait_stream(main)
    with torch.cuda.stream(s):
        busy(5)
        x.sum()
    if right:
        main.wait_stream(s)
    del x
    cuda(1 << 16)
    torch.cuda.synchronize()


@idiom
def a_side_streams_result_outlives_its_stream(right: bool) -> None:
    s, main = torch.cuda.Stream(), torch.cuda.current_stream()
    with torch.cuda.stream(s):
        x = cuda(1 << 16)
    main.wait_stream(s)
    busy(3)
    x.sum()
    if right:
        x.record_stream(main)
    del x
    with torch.cuda.stream(s):
        cuda(1 << 16).add_(1)
    torch.cuda.synchronize()


@idiom
def double_buffering(right: bool) -> None:
    copies, main = torch.cuda.Stream(), torch.cuda.current_stream()
    batches = [torch.full((1 << 14,), float(i)).pin_memory() for i in range(6)]

    def load(batch: torch.Tensor) -> torch.Tensor:
        with torch.cuda.stream(copies):
            return batch.to("cuda", non_blocking=True)

    ahead = load(batches[0])
    for i in range(len(batches)):
        main.wait_stream(copies)
        now = ahead
        if right:
            now.record_stream(main)
        if i + 1 < len(batches):
            ahead = load(batches[i + 1])
        busy(2)
        now * 2
        del now
    torch.cuda.synchronize()


@idiom
def double_buffering_waits_for_the_copy(right: bool) -> None:
    copies, main = torch.cuda.Stream(), torch.cuda.current_stream()
    for i in range(4):
        batch = torch.full((1 << 14,), float(i)).pin_memory()
        with torch.cuda.stream(copies):
            x = batch.to("cuda", non_blocking=True)
        if right:
            main.wait_stream(copies)
        x.record_stream(main)
        x * 2
    torch.cuda.synchronize()


@idiom
def a_staging_buffer_is_refilled_after_its_copy(right: bool) -> None:
    stage = torch.empty(1 << 16, pin_memory=True)
    done = torch.cuda.Event()
    kept = []
    for i in range(3):
        if right:
            done.synchronize()
        stage.fill_(i)
        kept.append(stage.to("cuda", non_blocking=True))
        done.record()
    torch.cuda.synchronize()


@idiom
def two_staging_buffers_in_turn(right: bool) -> None:
    stages = [torch.empty(1 << 16).pin_memory() for _ in range(2)]
    events = [torch.cuda.Event() for _ in range(2)]
    for i in range(6):
        if right or i % 2:
            events[i % 2].synchronize()
        stages[i % 2].fill_(i)
        stages[i % 2].to("cuda", non_blocking=True)
        events[i % 2].record()
    torch.cuda.synchronize()


@idiom
def a_download_is_read_after_it_has_ended(right: bool) -> None:
    out = torch.empty(1 << 16, pin_memory=True)
    out.copy_(cuda(1 << 16), non_blocking=True)
    if right:
        torch.cuda.current_stream().synchronize()
    assert out[0] == 1


@idiom
def a_non_blocking_download_is_not_ready(right: bool) -> None:
    y = cuda(1 << 16).to("cpu", non_blocking=True)
    if right:
        torch.cuda.synchronize()
    y.numpy().sum()


@idiom
def the_wrong_event_is_synchronized(right: bool) -> None:
    a, b = torch.cuda.Stream(), torch.cuda.Stream()
    ea, eb = torch.cuda.Event(), torch.cuda.Event()
    x = cuda(1 << 16)
    a.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(a):
        y = x.to("cpu", non_blocking=True)
        ea.record()
    with torch.cuda.stream(b):
        eb.record()
    (ea if right else eb).synchronize()
    y.tolist()
    x.record_stream(a)


@idiom
def a_pageable_source_may_be_changed_at_once(right: bool) -> None:
    x = torch.ones(1 << 16)
    if not right:
        x = x.pin_memory()
    y = x.to("cuda", non_blocking=True)
    x.fill_(2)
    torch.cuda.synchronize()
    y.sum()


@idiom
def fan_out_and_join(right: bool) -> None:
    main, x = torch.cuda.current_stream(), cuda(1 << 10)
    streams, results = [torch.cuda.Stream() for _ in range(4)], []
    for i in range(8):
        s = streams[i % 4]
        s.wait_stream(main)
        with torch.cuda.stream(s):
            results.append(x * i)
        results[-1].record_stream(main)
    x.record_stream(streams[0])
    for s in streams if right else streams[:3]:
        main.wait_stream(s)
    torch.stack(results).sum().item()
    torch.cuda.synchronize()


@idiom
def disjoint_columns_on_two_streams(right: bool) -> None:
    main, x = torch.cuda.current_stream(), cuda(64, 64)
    a, b = torch.cuda.Stream(), torch.cuda.Stream()
    for s in (a, b):
        s.wait_stream(main)
    with torch.cuda.stream(a):
        x[:, ::2].mul_(2)
    with torch.cuda.stream(b):
        (x[:, 1::2] if right else x[:, :1]).mul_(3)
    torch.cuda.synchronize()


@idiom
def disjoint_halves_through_views(right: bool) -> None:
    x = cuda(1000)
    torch.cuda.synchronize()
    low, high = x[:500], x[500 if right else 499 :]
    with torch.cuda.stream(torch.cuda.Stream()):
        low.add_(1)
    with torch.cuda.stream(torch.cuda.Stream()):
        high.add_(1)
    torch.cuda.synchronize()


@idiom
def readers_share_and_the_writer_waits_for_all(right: bool) -> None:
    main, x = torch.cuda.current_stream(), cuda(1000)
    streams = [torch.cuda.Stream() for _ in range(3)]
    for s in streams:
        s.wait_stream(main)
        with torch.cuda.stream(s):
            x.sum()
    for s in streams if right else streams[1:]:
        main.wait_stream(s)
    x.zero_()
    torch.cuda.synchronize()


@idiom
def optimizer_step_after_backward_on_a_side_stream(right: bool) -> None:
    main, s = torch.cuda.current_stream(), torch.cuda.Stream()
    model = torch.nn.Linear(8, 8).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, foreach=True)
    x = cuda(4, 8)
    for _ in range(3):
        s.wait_stream(main)
        with torch.cuda.stream(s):
            loss = model(x).sum()
            loss.backward()
        if right:
            main.wait_stream(s)
        optimizer.step()
        optimizer.zero_grad()
    torch.cuda.synchronize()


@idiom
def backward_waits_for_the_loss(right: bool) -> None:
    """The caller's stream must have waited for the stream that made the loss."""
    main, s = torch.cuda.current_stream(), torch.cuda.Stream()
    w = cuda(8, 8).requires_grad_()
    s.wait_stream(main)
    with torch.cuda.stream(s):
        loss = (w * 2).sum()
    if right:
        main.wait_stream(s)
    (loss * 3).backward()
    torch.cuda.synchronize()


@idiom
def gradients_are_ready_for_the_callers_stream_only(right: bool) -> None:
    main, s, other = torch.cuda.current_stream(), torch.cuda.Stream(), torch.cuda.Stream()
    w = cuda(8, 8).requires_grad_()
    s.wait_stream(main)
    with torch.cuda.stream(s):
        loss = (w * 2).sum()
    main.wait_stream(s)
    loss.backward()
    if right:
        other.wait_stream(main)
    with torch.cuda.stream(other):
        w.grad.mul_(2)
    torch.cuda.synchronize()


@idiom
def parallel_branches_in_backward(right: bool) -> None:
    """A leaf's gradients from two streams are summed in order; a hook's third stream is the hook's affair."""
    main = torch.cuda.current_stream()
    a, b, c = (torch.cuda.Stream() for _ in range(3))
    w = cuda(32, 32).requires_grad_()
    for s in (a, b, c):
        s.wait_stream(main)
    with torch.cuda.stream(a):
        y = (w * 2).relu()
    with torch.cuda.stream(b):
        z = (w * 3).tanh()

    def hook(grad: torch.Tensor) -> None:
        if right:
            c.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(c):
            grad.mul_(1)
        torch.cuda.current_stream().wait_stream(c)

    y.register_hook(hook)
    main.wait_stream(a)
    main.wait_stream(b)
    (y * z).sum().backward()
    w.grad.sum().item()
    torch.cuda.synchronize()


@idiom
def checkpointed_blocks_on_a_side_stream(right: bool) -> None:
    from torch.utils.checkpoint import checkpoint

    main, s = torch.cuda.current_stream(), torch.cuda.Stream()
    block, x = torch.nn.Linear(8, 8).cuda(), cuda(2, 8)
    if right:
        s.wait_stream(main)
    with torch.cuda.stream(s):
        for reentrant in (True, False):
            y = checkpoint(block, x.detach().requires_grad_(), use_reentrant=reentrant)
            y.sum().backward()
    main.wait_stream(s)
    torch.cuda.synchronize()


@idiom
def a_stream_for_each_thread(right: bool) -> None:
    main, x = torch.cuda.current_stream(), cuda(1000)
    ready = torch.cuda.Event()
    ready.record()

    def work(i: int) -> tuple[torch.Tensor, torch.cuda.Stream]:
        s = torch.cuda.Stream()
        if right:
            s.wait_event(ready)
        with torch.cuda.stream(s):
            return x * i, s

    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(work, range(6)))
    for y, s in results:
        main.wait_stream(s)
        y.record_stream(main)
        y.sum()
    torch.cuda.synchronize()


@idiom
def threads_do_not_inherit_the_stream(right: bool) -> None:
    s, x, failed = torch.cuda.Stream(), cuda(1000), []
    torch.cuda.synchronize()

    def work() -> None:
        if right:
            torch.cuda.set_stream(s)
        if (torch.cuda.current_stream() == s) is not right:
            failed.append(1)
        x.mul_(2)

    with torch.cuda.stream(s):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        x.add_(1)
    torch.cuda.synchronize()
    assert not failed


@idiom
def a_producer_thread_hands_over_an_event(right: bool) -> None:
    queue: Queue[Any] = Queue(2)
    main = torch.cuda.current_stream()

    def produce() -> None:
        s = torch.cuda.Stream()
        for i in range(5):
            with torch.cuda.stream(s):
                x = torch.full((1000,), float(i), device="cuda")
                e = s.record_event()
            queue.put((x, e))
        queue.put(None)

    thread = threading.Thread(target=produce)
    thread.start()
    while (item := queue.get()) is not None:
        x, e = item
        if right:
            main.wait_event(e)
        x.record_stream(main)
        x.sum()
    thread.join()
    torch.cuda.synchronize()


@idiom
def a_pool_of_buffers_with_events(right: bool) -> None:
    main = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(2)]
    free: list[tuple[torch.Tensor, torch.cuda.Event]] = [(cuda(1000), main.record_event())]
    for i in range(6):
        s = streams[i % 2]
        buffer, e = free.pop()
        if right:
            s.wait_event(e)
        with torch.cuda.stream(s):
            buffer.fill_(i)
            free.append((buffer, s.record_event()))
    torch.cuda.synchronize()


@idiom
def peer_copies_are_ordered_both_ways(right: bool) -> None:
    x = torch.ones(1 << 16, device="cuda:0")
    y = x.to("cuda:1")
    y.add_(1)
    if not right:
        with torch.cuda.stream(torch.cuda.Stream("cuda:1")):
            y.mul_(2)
    x.add_(1)
    for i in range(2):
        torch.cuda.synchronize(i)


@idiom
def a_device_is_synchronized_and_not_the_other(right: bool) -> None:
    s = torch.cuda.Stream(1)
    with torch.cuda.stream(s):
        x = torch.ones(1000, device="cuda:1")
    torch.cuda.synchronize(1 if right else 0)
    with torch.cuda.device(1):
        x.mul_(2)
    torch.cuda.synchronize(1)


@idiom
def a_stream_from_the_pool_comes_again(right: bool) -> None:
    """After 32 streams the first comes again: two names of one stream need no edge."""
    first = torch.cuda.Stream()
    rest = [torch.cuda.Stream() for _ in range(32 if right else 31)]
    with torch.cuda.stream(first):
        x = cuda(1000)
    with torch.cuda.stream(rest[-1]):
        x.mul_(2)
    torch.cuda.synchronize()


@idiom
def batch_norm_changes_its_statistics(right: bool) -> None:
    main, s = torch.cuda.current_stream(), torch.cuda.Stream()
    norm, x = torch.nn.BatchNorm1d(4).cuda(), cuda(8, 4)
    s.wait_stream(main)
    with torch.cuda.stream(s):
        norm(x)
    if right:
        main.wait_stream(s)
    norm.running_mean.sum()
    torch.cuda.synchronize()


@idiom
def sleeping_is_not_synchronizing(right: bool) -> None:
    import time

    out = cuda(1000).to("cpu", non_blocking=True)
    time.sleep(1)
    if right:
        torch.cuda.synchronize()
    out.sum().item()


@idiom
def reusing_pinned_memory_orders_nothing_else(right: bool) -> None:
    copies, main = torch.cuda.Stream(), torch.cuda.current_stream()
    ahead = None
    for i in range(4):
        batch = torch.full((100,), float(i)).pin_memory()
        with torch.cuda.stream(copies):
            x = batch.to("cuda", non_blocking=True)
        del batch
        if right:
            main.wait_stream(copies)
        x.record_stream(main)
        if ahead is not None:
            ahead * 2
        ahead = x
    torch.cuda.synchronize()


@idiom
def data_parallel_scatters_and_gathers(right: bool) -> None:
    model = torch.nn.DataParallel(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU()).cuda())
    for _ in range(2):
        loss = model(cuda(6, 4)).sum()
        if not right:
            with torch.cuda.stream(torch.cuda.Stream(1)):
                loss.to("cuda:1").mul_(2)
            loss.mul(2)
            with torch.cuda.stream(torch.cuda.Stream(0)):
                loss.mul(2)
        loss.backward()
    assert model.module[0].weight.grad.sum().item()


@idiom
def tiles_of_a_matrix_on_four_streams(right: bool) -> None:
    main, matrix = torch.cuda.current_stream(), cuda(8, 8)
    streams = [torch.cuda.Stream() for _ in range(4)]
    for s in streams:
        s.wait_stream(main)
    for k, s in enumerate(streams):
        with torch.cuda.stream(s):
            matrix.view(2, 4, 2, 4)[k // 2, :, k % 2 if right else 0].t().add_(k)
    for s in streams:
        main.wait_stream(s)
    matrix.sum().item()


@idiom
def results_are_written_to_out(right: bool) -> None:
    x, a, b = cuda(64), torch.cuda.Stream(), torch.cuda.Stream()
    low, high = torch.empty(64, device="cuda"), torch.empty(64, device="cuda")
    torch.cuda.synchronize()
    with torch.cuda.stream(a):
        torch.add(x, 1, out=low)
    with torch.cuda.stream(b):
        torch.mul(x, 2, out=high if right else low)
    torch.cuda.synchronize()


@idiom
def a_blocking_copy_waits_for_the_current_stream_only(right: bool) -> None:
    s, out = torch.cuda.Stream(), torch.empty(100)
    with torch.cuda.stream(s):
        x = cuda(100)
        if right:
            out.copy_(x)
    if not right:
        out.copy_(x)
    torch.cuda.synchronize()


@idiom
def weights_are_updated_after_the_evaluation_on_another_stream(right: bool) -> None:
    main, s, net = torch.cuda.current_stream(), torch.cuda.Stream(), torch.nn.Linear(4, 4).cuda()
    s.wait_stream(main)
    with torch.cuda.stream(s), torch.no_grad():
        net(cuda(2, 4))
    if right:
        main.wait_stream(s)
    with torch.no_grad():
        for p in net.parameters():
            p.sub_(0.1)
    torch.cuda.synchronize()


@pytest.mark.parametrize("name", IDIOMS)
def test_right_code_raises_no_alarm(name):
    """The idiom as it should be is free of races."""
    with simulated_cuda(devices=2) as machine:
        IDIOMS[name](True)
        assert [str(race) for race in machine.races] == []


@pytest.mark.parametrize("name", IDIOMS)
def test_one_mistake_is_a_race_with_both_lines(name):
    """The same with its one mistake races, and the report names two lines of this file."""
    with simulated_cuda(devices=2) as machine:
        IDIOMS[name](False)
        assert machine.races
        for race in machine.races:
            assert all(__file__ in line for line in race.lines)
