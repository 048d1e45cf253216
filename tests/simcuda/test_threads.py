"""Host threads: all of them are seen, each has a virtual time, and hand-overs carry it along."""

from __future__ import annotations

import _thread
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from multiprocessing.pool import ThreadPool

import pytest
import torch

from ptquiz.simcuda import simulated_cuda

SECOND = 10**9


def now(machine):
    """The calling thread's virtual time in seconds."""
    return machine.engine.host().now / SECOND


def in_thread(function):
    """Runs it in a new thread and waits for its end."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_a_new_thread_is_seen(machine):
    """Operations of a new thread are simulated like those of the first."""
    seen = []
    in_thread(lambda: seen.append((torch.ones(3, device="cuda") * 2).device))
    assert seen == [torch.device("cuda:0")]
    assert [op.name for op in machine.trace if op.kind == "kernel"] == ["ones", "mul"]


def test_every_way_to_start_a_thread_is_seen(machine):
    """Thread subclasses, timers, pools and the bare `_thread` module."""

    def work():
        torch.ones(3, device="cuda")
        done.release()

    class Own(threading.Thread):
        def run(self):
            work()

    done = threading.Semaphore(0)
    Own().start()
    threading.Timer(0, work).start()
    _thread.start_new_thread(work, ())
    with ThreadPoolExecutor(1) as pool, ThreadPool(1) as other:
        pool.submit(work)
        other.apply(work)
    for _ in range(5):
        assert done.acquire(timeout=20)
    assert len([op for op in machine.trace if op.name == "ones"]) == 5


def test_sleep_passes_virtual_time(machine):
    """`time.sleep` advances the thread's virtual time by what was asked for, in next to no real time."""
    time.sleep(3600)
    assert now(machine) == pytest.approx(3600)
    with pytest.raises(ValueError):
        time.sleep(-1)


def test_sleep_lets_the_device_get_on(machine):
    """A kernel that is shorter than the sleep has ended after it."""
    torch.cuda._sleep(1_000_000)
    event = torch.cuda.current_stream().record_event()
    assert not event.query()
    time.sleep(0.01)
    assert event.query()
    assert machine.waits == []


def test_a_thread_starts_at_its_starters_time(machine):
    """A new thread does not begin at zero, and its own time does not move its starter's."""
    seen, gate = [], threading.Semaphore(0)

    def work():
        seen.append(now(machine))
        time.sleep(100)
        gate.release()

    time.sleep(5)
    thread = threading.Thread(target=work)
    thread.start()
    gate.acquire()
    assert seen == [pytest.approx(5)]
    assert now(machine) == pytest.approx(5)
    thread.join()
    assert now(machine) == pytest.approx(105)


def test_two_threads_sleep_side_by_side(machine):
    """Joining several threads takes the latest of their times, not the sum."""
    threads = [threading.Thread(target=time.sleep, args=(s,)) for s in (3, 7, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert now(machine) == pytest.approx(7)


def test_a_future_is_ready_at_the_time_of_whoever_set_it(machine):
    """`result`, `exception` and `wait` take the later time."""
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(time.sleep, 2)
        first.result()
        assert now(machine) == pytest.approx(2)
        failing = pool.submit(lambda: (time.sleep(3), 1 / 0))
        assert isinstance(failing.exception(), ZeroDivisionError)
        assert now(machine) == pytest.approx(5)
        wait([pool.submit(time.sleep, 4)])
        assert now(machine) == pytest.approx(9)


def test_work_begins_no_earlier_than_it_was_submitted(machine):
    """A pool's idle thread takes the time of the submitter along with the work."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: None).result()
        time.sleep(50)
        assert pool.submit(now, machine).result() >= 50


@pytest.mark.parametrize("kind", [queue.Queue, lambda: queue.SimpleQueue()], ids=["Queue", "SimpleQueue"])
def test_an_item_is_there_when_it_was_put(machine, kind):
    """The receiver of an item takes the time at which it was put, whatever the giver does afterwards."""
    items, gate = kind(), threading.Semaphore(0)

    def give():
        for i in range(3):
            time.sleep(1)
            items.put(i)
        time.sleep(100)
        gate.release()

    thread = threading.Thread(target=give)
    thread.start()
    gate.acquire()
    seen = [(items.get(), now(machine)) for _ in range(3)]
    assert seen == [(0, pytest.approx(1)), (1, pytest.approx(2)), (2, pytest.approx(3))]
    thread.join()


def test_a_full_queue_holds_the_giver_back(machine):
    """Putting into a full queue takes the time at which a place became free."""
    items: queue.Queue[int] = queue.Queue(1)
    times = []

    def give():
        for i in range(3):
            items.put(i)
            times.append(now(machine))

    thread = threading.Thread(target=give)
    thread.start()
    for _ in range(3):
        time.sleep(10)
        items.get()
    thread.join()
    assert times == [pytest.approx(0), pytest.approx(10), pytest.approx(20)]


@pytest.mark.parametrize("kind", [queue.LifoQueue, queue.PriorityQueue])
def test_other_queues_work_as_ever(machine, kind):
    """Queues of another order give their items in their order."""
    items = kind()
    for i in (2, 1, 3):
        items.put(i)
    assert sorted(items.get() for _ in range(3)) == [1, 2, 3]


def test_an_event_hands_the_time_over(machine):
    """Whoever waits for a `threading.Event` takes the time at which it was set."""
    event = threading.Event()

    def work():
        time.sleep(4)
        event.set()

    threading.Thread(target=work).start()
    assert event.wait(30)
    assert now(machine) == pytest.approx(4)


def test_threads_with_streams_of_their_own_give_equal_times():
    """Equal runs give equal times for threads that keep to streams of their own."""

    def run():
        with simulated_cuda() as machine:

            def work(i):
                with torch.cuda.stream(torch.cuda.Stream(priority=-i)):
                    for _ in range(20):
                        torch.cuda._sleep(10_000 * (i + 1))
                        torch.ones(100 * i, device="cuda")
                    torch.cuda.current_stream().synchronize()

            threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return sorted((op.stream, op.begin_ns, op.end_ns) for op in machine.trace)

    assert run() == run()


def test_pinned_batches_of_a_data_loader(machine):
    """A DataLoader's pinning thread is seen: its batches are pinned and may be uploaded without waiting."""
    data = torch.utils.data.TensorDataset(torch.arange(12.0))
    for (batch,) in torch.utils.data.DataLoader(data, batch_size=4, pin_memory=True):
        assert batch.is_pinned()
        batch.to("cuda", non_blocking=True)
    assert machine.waits == []
