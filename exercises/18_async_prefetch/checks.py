"""Checks of exercise 18: a prefetching thread, without a wall clock, and a DataLoader."""

import atexit
import gc
import os
import signal
import sys
import threading
import weakref

import torch
from torch.utils.data import DataLoader, TensorDataset

from ptquiz.worker import claims

PATIENCE = 5.0  # seconds until something that must happen is said not to happen
GLANCE = 0.1  # seconds in which something that must not happen would have happened


_KEPT = []


class _Source:
    """Can be iterated often; knows what was drawn from it and by whom. `error` is raised at the end."""

    def __init__(self, items, error=None):
        self.items, self.error = items, error
        self.changed = threading.Condition()
        self.drawn, self.iterations, self.threads = 0, 0, set()

    def __iter__(self):
        self.iterations += 1
        return self._draw()

    def _draw(self):
        for item in self.items:
            with self.changed:
                self.drawn += 1
                self.threads.add(threading.get_ident())
                self.changed.notify_all()
            yield item
        self.threads.add(threading.get_ident())
        if self.error is not None:
            raise self.error

    def wait_for(self, condition, seconds):
        with self.changed:
            return self.changed.wait_for(condition, seconds)


class _Touchy:
    """An item that can be compared with nothing and is neither true nor false."""

    __hash__ = None

    def __eq__(self, other):
        raise TypeError("this item cannot be compared")

    def __bool__(self):
        raise TypeError("this item is neither true nor false")


class _BadSource:
    """Fails when it is iterated."""

    def __init__(self, error):
        self.error = error

    def __iter__(self):
        raise self.error


class _Endless:
    """Numbers without end, anew each time."""

    def __iter__(self):
        number = 0
        while True:
            yield number
            number += 1


class _Stalling:
    """Gives its items, then lets the next one wait for an event."""

    def __init__(self, items):
        self.items, self.go_on = items, threading.Event()

    def __iter__(self):
        yield from self.items
        self.go_on.wait()


_WHO_WAITS = ("who waits here, and who should wake it?", "是谁在等？该由谁来唤醒？")


def _within(call, what, look=_WHO_WAITS):
    """The result of call(), which must come soon; whatever it raises is raised here."""
    result = []

    def run():
        try:
            result.append((True, call()))
        except BaseException as error:
            result.append((False, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if not result:
        claims.fail(
            (f"{what[0]} comes to an end", f"{what[1]} 能够结束"),
            (f"it hung for {PATIENCE:.0f} seconds", f"挂起了 {PATIENCE:.0f} 秒"),
            look,
        )
    good, value = result[0]
    if not good:
        raise value
    return value


def _next(iterator, what=("next(iterator)", "next(iterator)")):
    return _within(lambda: next(iterator), what)


def _list(iterable, what=("list(prefetcher)", "list(prefetcher)")):
    return _within(lambda: list(iterable), what)


def _iter(submission, source, depth):
    iterator = iter(submission.Prefetcher(source, depth))
    claims.that(
        hasattr(iterator, "__next__"),
        ("iter(prefetcher) is an iterator", "iter(prefetcher) 是迭代器"),
        claims.summary(iterator),
    )
    return iterator


def _threads():
    return set(sys._current_frames())


_WAKE = (
    "a producer blocked on a full queue must be woken and told to stop",
    "要唤醒卡在满队列上的生产者，并让它停下",
)


def _gone(before, when, look=_WAKE):
    """Claim that all threads that were not there before end."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        left = _threads() - before
        if not left:
            return
        pause.wait(0.01)
    names = sorted(thread.name for thread in threading.enumerate() if thread.ident in left)
    claims.fail(
        (f"no thread of the prefetcher is alive {when[0]}", f"{when[1]}，预取线程已经结束"),
        (f"still alive: {', '.join(names) or len(left)}", f"仍在运行：{', '.join(names) or len(left)}"),
        look,
    )


def test_order(submission, draw):
    """All items arrive, in order."""
    for length in (0, 1, 2, 3, 50):
        for depth in (1, 2, 7):
            items = [draw.integer(-99, 99) for _ in range(length)]
            what = (
                f"list(Prefetcher(source of {length} items, {depth}))",
                f"list(Prefetcher(含 {length} 项的 source, {depth}))",
            )
            claims.same(_list(submission.Prefetcher(items, depth), what), items, what)
    came = _list(submission.Prefetcher(source=range(5), depth=2))
    claims.same(came, [0, 1, 2, 3, 4], "list(Prefetcher(source=range(5), depth=2))")


def test_any_item(submission, draw):
    """Items may be None, exceptions or tensors."""
    items = [
        None,
        ValueError("an item"),
        _Touchy(),
        StopIteration,
        StopIteration(3),
        draw.randn(2, 3),
        False,
        None,
        (None, None),
        Exception,
        draw.randn(3),
        float("nan"),
        {},
        None,
    ]
    came = _list(submission.Prefetcher(items, 2))
    what = ("the items", "各项元素")
    for place, (a, b) in enumerate(zip(came, items, strict=False)):
        claims.that(
            a is b,
            (
                f"item {place} is the very object of the source: {claims.summary(b)}",
                f"第 {place} 项就是 source 里的那个对象：{claims.summary(b)}",
            ),
            claims.summary(a),
        )
    look = ("an item must not be mistaken for the end or for an error", "不要把元素误认成结束标记或异常")
    claims.same(len(came), len(items), (f"how many of {what[0]} came", f"收到的{what[1]}个数"), look)


def test_depth_is_positive(submission):
    """A depth below 1 raises ValueError."""
    for depth in (0, -1):
        what = f"iter(Prefetcher([1, 2], {depth}))"
        claims.raises(ValueError, lambda d=depth: iter(submission.Prefetcher([1, 2], d)), what)


def test_one_background_thread(submission):
    """One background thread draws the items."""
    for length in (1, 20):
        source, consumers = _Source(range(length)), set()

        def consume(source=source, consumers=consumers):
            consumers.add(threading.get_ident())
            return list(submission.Prefetcher(source, 2))

        _within(consume, ("list(prefetcher)", "list(prefetcher)"))
        claims.that(
            not source.threads & consumers,
            ("the items are drawn by a background thread", "元素由后台线程读取"),
            ("drawn by the thread that consumes", "由消费者所在的线程读取"),
        )
        claims.same(len(source.threads), 1, ("the number of threads that draw", "读取元素的线程数"))


def test_looks_ahead(submission):
    """It reads depth items ahead and no more than depth + 1."""
    for depth in (1, 2, 5):
        source = _Source(range(40))
        iterator = _iter(submission, source, depth)
        for delivered in range(1, 14):
            claims.same(_next(iterator), delivered - 1, ("the next item", "下一项"))
            if delivered not in (1, 13):
                continue
            where = (f"depth {depth}, {delivered} delivered", f"depth 为 {depth}，已交付 {delivered} 个")

            def ahead(source=source, delivered=delivered):
                return source.drawn - delivered

            if not source.wait_for(lambda a=ahead, d=depth: a() >= d, PATIENCE):
                claims.fail(
                    (
                        f"{where[0]}: at least {depth} items drawn ahead",
                        f"{where[1]}：至少提前读出 {depth} 个",
                    ),
                    f"{ahead()}",
                    ("the thread goes on while the consumer holds still", "消费者停下时线程要继续读"),
                )
            if source.wait_for(lambda a=ahead, d=depth: a() > d + 1, GLANCE):
                claims.fail(
                    (
                        f"{where[0]}: at most {depth + 1} items drawn ahead",
                        f"{where[1]}：至多提前读出 {depth + 1} 个",
                    ),
                    (f"{ahead()} or more", f"{ahead()} 个或更多"),
                    ("the queue must be bounded", "队列要有上限"),
                )
        _KEPT.append(iterator)  # closing is another check's subject


def test_slow_source(submission, draw):
    """What has been drawn arrives while the source is busy with the next item."""
    for count, depth in ((1, 1), (3, 5), (4, 2)):
        source = _Stalling([draw.integer(0, 99) for _ in range(count)])
        try:
            iterator = _iter(submission, source, depth)
            for place, item in enumerate(source.items, start=1):
                what = (
                    f"next(iterator) for item {place} of {count}, with the source busy with the next",
                    f"source 正忙于下一项时，取第 {place} 项（共 {count} 项）的 next(iterator)",
                )
                look = (
                    "hold no lock that the consumer needs while the thread waits for the source",
                    "线程等待 source 时，不要占着消费者需要的锁",
                )
                came = _within(lambda i=iterator: next(i), what, look)
                claims.same(came, item, what)
        finally:
            source.go_on.set()
        claims.same(_list(iterator), [], ("the rest", "剩余部分"))


def test_fresh_iterations(submission, draw):
    """Each iteration starts afresh, two at the same time too."""
    source = _Source([draw.integer(0, 99) for _ in range(9)])
    prefetcher = submission.Prefetcher(source, 2)
    for turn in (1, 2, 3):
        claims.same(_list(prefetcher), source.items, (f"iteration {turn}", f"第 {turn} 次迭代"))
    claims.same(
        source.iterations, 3, ("iter(source) calls in three iterations", "三次迭代中 iter(source) 的调用次数")
    )
    pairs = _within(
        lambda: list(zip(prefetcher, prefetcher, strict=True)), ("zip(prefetcher, prefetcher)",) * 2
    )
    claims.same(
        pairs, [(item, item) for item in source.items], ("two iterations at once", "同时进行的两次迭代")
    )
    left = _iter(submission, source, 3)
    _next(left)
    again = _list(prefetcher)
    claims.same(again, source.items, ("an iteration beside an unfinished one", "另一次迭代尚未结束时的迭代"))
    rest = _list(left, ("the rest of the unfinished one", "未完的那次迭代的剩余部分"))
    claims.same(rest, source.items[1:], ("the rest of the unfinished one", "未完的那次迭代的剩余部分"))


def _until_error(iterable):
    """The items until an error, and the error."""
    items = []
    try:
        for item in iterable:
            items.append(item)  # noqa: PERF402
    except claims.Unmet:
        raise
    except BaseException as error:
        return items, error
    return items, None


def test_errors_arrive(submission, draw):
    """An error arrives after the items before it."""
    for length in (0, 1, 5):
        for kind in (ValueError, OSError, SystemExit, KeyboardInterrupt):
            error = kind(f"item {length} is broken")
            source = _Source(range(length), error)
            what = (
                f"a source that raises {kind.__name__} after {length} items",
                f"给出 {length} 项之后抛出 {kind.__name__} 的 source",
            )
            prefetcher = submission.Prefetcher(source, draw.integer(1, 3))
            items, came = _within(lambda p=prefetcher: _until_error(p), what)
            look = (
                "hand the exception over like an item, behind those before it",
                "把异常像元素一样排在后面交给消费者",
            )
            claims.same(items, list(range(length)), (f"{what[0]}: the items", f"{what[1]}：收到的元素"), look)
            claims.that(
                came is error,
                (f"{what[0]}: that exception is raised", f"{what[1]}：抛出的就是那个异常"),
                ("the loop ended as if the source were complete", "循环正常结束，好像 source 已经读完")
                if came is None
                else f"{type(came).__name__}: {came}",
                look,
            )
    error = RuntimeError("cannot be iterated")
    what = ("a source whose __iter__ raises", "__iter__ 抛异常的 source")
    _, came = _within(lambda: _until_error(submission.Prefetcher(_BadSource(error), 2)), what)
    claims.that(
        came is error,
        (f"{what[0]}: that exception is raised", f"{what[1]}：抛出那个异常"),
        claims.summary(came),
    )


def _stops(iterator, what):
    """Claim that next() raises StopIteration, twice."""
    for _ in range(2):
        try:
            came = _within(lambda: next(iterator), what)
        except StopIteration:
            continue
        except claims.Unmet:
            raise
        except BaseException as error:
            came = f"{type(error).__name__}: {error}"
        else:
            came = claims.summary(came)
        claims.fail((f"{what[0]} raises StopIteration", f"{what[1]} 抛出 StopIteration"), came)


def test_after_the_end(submission):
    """After the end next() raises StopIteration."""
    iterator = _iter(submission, [1, 2], 1)
    _list(iterator)
    _stops(iterator, ("next() after the end", "结束之后的 next()"))
    iterator = _iter(submission, _Source([1], ValueError("broken")), 2)
    _within(lambda: _until_error(iterator), ("the loop over a source that raises", "遍历会抛异常的 source"))
    _stops(iterator, ("next() after an error", "出错之后的 next()"))


def test_close(submission):
    """close() ends the thread."""
    what = ("iterator.close()", "iterator.close()")
    for depth, taken in ((1, 1), (3, 2), (2, 0)):
        before, source = _threads(), _Source(_Endless())
        prefetcher = submission.Prefetcher(source, depth)
        iterator = iter(prefetcher)
        claims.that(
            callable(getattr(iterator, "close", None)),
            ("iter(prefetcher) has close()", "iter(prefetcher) 有 close()"),
            claims.summary(iterator),
        )
        for _ in range(taken):
            _next(iterator)
        if taken:
            source.wait_for(lambda s=source, n=taken + depth: s.drawn >= n, PATIENCE)
        _within(iterator.close, what)
        _gone(before, ("after close()", "close() 之后"))
        _stops(iterator, ("next() after close()", "close() 之后的 next()"))
        _within(iterator.close, ("close() for the second time", "第二次 close()"))
        del prefetcher


def _reference(iterator):
    """A function that tells whether the iterator is still there; None where that cannot be known."""
    try:
        return weakref.ref(iterator)
    except TypeError:
        return lambda: None


def _collected(before, reference, when):
    """Claim that the threads end once the iterator is dropped; say so where something still holds it."""
    gc.collect()
    if reference() is None:
        _gone(before, when)
        return
    look = (
        "something still refers to the iterator: neither its thread nor the Prefetcher may hold it",
        "还有东西引用着迭代器：它的线程和 Prefetcher 都不能持有它",
    )
    _gone(before, when, look)


def test_dropped(submission):
    """Dropping the iterator ends the thread."""
    for depth in (1, 4):
        before, source = _threads(), _Source(_Endless())
        prefetcher = submission.Prefetcher(source, depth)

        def leave(prefetcher=prefetcher, source=source, depth=depth):
            iterator = iter(prefetcher)
            for _ in iterator:
                source.wait_for(lambda: source.drawn >= 1 + depth, PATIENCE)
                break
            return _reference(iterator)

        reference = _within(leave, ("a for loop that is left by break", "用 break 离开的 for 循环"))
        _collected(before, reference, ("after the iterator was dropped", "迭代器被丢弃之后"))
        iterator = iter(prefetcher)
        _next(iterator)
        _next(iterator)
        reference = _reference(iterator)
        iterator = None
        _collected(before, reference, ("after `iterator = None`", "`iterator = None` 之后"))


def test_thread_ends_by_itself(submission):
    """The end and an error end the thread."""
    before = _threads()
    iterator = _iter(submission, range(5), 2)
    _list(iterator)
    _gone(
        before, ("after the last item, with the iterator still referenced", "取完最后一项、迭代器仍被引用时")
    )
    broken = _iter(submission, _Source([1], ValueError("broken")), 2)
    _within(lambda: _until_error(broken), ("the loop over a source that raises", "遍历会抛异常的 source"))
    _gone(before, ("after an error, with the iterator still referenced", "出错之后、迭代器仍被引用时"))


def _exits(child):
    """Whether the forked child ends before patience does; it is killed otherwise."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if os.waitpid(child, os.WNOHANG)[0] == child:
            return True
        pause.wait(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def test_exit(submission):
    """An iterator in use does not keep the process from exiting."""
    if not hasattr(os, "fork") or not hasattr(threading, "_shutdown"):
        return
    child = os.fork()
    if child == 0:
        try:
            atexit._clear()  # what others have left for the end is not the subject
            iterator = iter(submission.Prefetcher(_Endless(), 2))
            next(iterator)
            threading._shutdown()  # what the interpreter does first on its way out: it joins threads
            atexit._run_exitfuncs()  # and then
        finally:
            os._exit(0)
    claims.that(
        _exits(child),
        ("a process with an unfinished iterator exits", "迭代器尚未结束的进程能够退出"),
        ("it waits for the prefetching thread forever", "它一直在等预取线程"),
        (
            "at exit the interpreter joins threads that are no daemons; nor may an atexit function join one",
            "解释器退出时会等待非守护线程；atexit 函数也不能去等它",
        ),
    )


def _batches(loader):
    return [batch[0] for batch in loader]


def _check_batches(loader, data, size, what):
    claims.instance(loader, DataLoader, what)
    came = _within(lambda: _batches(loader), (f"list({what})",) * 2)
    expected = list(data.split(size))
    claims.same(len(came), len(expected), (f"{what}: the number of batches", f"{what}：批数"))
    look = ("in the order of the dataset, the last partial batch too", "按数据集的顺序，最后不满的一批也要")
    for place, (a, b) in enumerate(zip(came, expected, strict=True)):
        claims.same(a, b, (f"{what}: batch {place}", f"{what}：第 {place} 批"), look)


def test_loader_without_workers(submission, draw):
    """make_loader works without workers."""
    for length, size in ((11, 4), (6, 3), (1, 5)):
        data = draw.randn(length, 2)
        for prefetch in (1, 2, 4):
            what = f"make_loader(dataset of {length}, {size}, workers=0, prefetch={prefetch})"
            loader = submission.make_loader(TensorDataset(data), size, workers=0, prefetch=prefetch)
            _check_batches(loader, data, size, what)
            claims.same(loader.num_workers, 0, f"{what}.num_workers")


def test_loader_with_workers(submission, draw):
    """make_loader passes workers and prefetch on."""
    data = draw.randn(11, 3, dtype=torch.float32)
    for workers, prefetch in ((1, 4), (2, draw.integer(5, 9)), (2, 1)):
        what = f"make_loader(dataset of 11, 4, workers={workers}, prefetch={prefetch})"
        loader = submission.make_loader(TensorDataset(data), 4, workers, prefetch)
        claims.instance(loader, DataLoader, what)
        claims.same(loader.num_workers, workers, f"{what}.num_workers")
        claims.same(loader.prefetch_factor, prefetch, f"{what}.prefetch_factor")
    _check_batches(loader, data, 4, what)
