"""Host threads: each has a virtual time, and takes the later one wherever it receives something from another.

A new thread enters the dispatch mode and starts at its starter's time; it inherits neither the current device
nor the current stream. `join`, futures, queues and `threading.Event` hand times over. `time.sleep` passes
virtual time.
"""

from __future__ import annotations

import _thread
import concurrent.futures as futures
import queue
import threading
import time
from collections import deque
from concurrent.futures import _base
from typing import Any

from torch.utils._python_dispatch import _pop_mode, _push_mode

__all__ = ["install"]

_NAP = 0.0005  # seconds that a sleeping thread really sleeps at most: others must get on
_SimpleQueue: Any = queue.SimpleQueue


def install(machine: Any, patcher: Any) -> None:
    """Threads, and all that hands something from one to another."""
    _install_start(machine, patcher)
    _install_join(machine, patcher)
    _install_futures(machine, patcher)
    _install_queue(machine, patcher)
    _install_simple_queue(machine, patcher)
    _install_event(machine, patcher)
    _install_sleep(machine, patcher)


def _inside(machine: Any, run: Any) -> None:
    """Runs a thread's body in the dispatch mode."""
    _push_mode(machine.mode)
    try:
        run()
    finally:
        _pop_mode()


def _install_start(machine: Any, patcher: Any) -> None:
    start, bootstrap = threading.Thread.start, threading.Thread._bootstrap_inner  # type: ignore[attr-defined]
    plain = _thread.start_new_thread

    def noted_start(self: threading.Thread) -> None:
        self._simcuda_began = machine.engine.host().now  # type: ignore[attr-defined]
        start(self)

    def noted_bootstrap(self: Any) -> None:
        began = self.__dict__.get("_simcuda_began")
        if began is None:
            bootstrap(self)
        else:
            self._simcuda_host = machine.engine.register_thread(began)
            _inside(machine, lambda: bootstrap(self))

    def start_new_thread(function: Any, args: Any, kwargs: Any = None) -> int:
        began = machine.engine.host().now

        def body() -> None:
            machine.engine.register_thread(began)
            _inside(machine, lambda: function(*args, **(kwargs or {})))

        return plain(body, ())

    patcher.set(threading.Thread, "start", noted_start)
    patcher.set(threading.Thread, "_bootstrap_inner", noted_bootstrap)
    patcher.set(_thread, "start_new_thread", start_new_thread)


def _install_join(machine: Any, patcher: Any) -> None:
    join = threading.Thread.join

    def noted_join(self: Any, timeout: float | None = None) -> None:
        join(self, timeout)
        host = self.__dict__.get("_simcuda_host")
        if host is not None and not self.is_alive():
            machine.engine.join(host)

    patcher.set(threading.Thread, "join", noted_join)


def _install_futures(machine: Any, patcher: Any) -> None:
    """A future is ready at the time of whoever set it; asking for its result takes the later time."""
    names = ("set_result", "set_exception", "result", "exception")
    originals = {name: getattr(_base.Future, name) for name in names}
    wait = _base.wait

    def setter(name: str) -> Any:
        def noted(self: Any, value: Any) -> None:
            self._simcuda_now = machine.engine.host().now
            originals[name](self, value)

        return noted

    def getter(name: str) -> Any:
        def noted(self: Any, timeout: float | None = None) -> Any:
            try:
                return originals[name](self, timeout)
            finally:
                _take(machine, self)

        return noted

    def noted_wait(fs: Any, *args: Any, **kwargs: Any) -> Any:
        result = wait(fs, *args, **kwargs)
        for future in result.done:
            _take(machine, future)
        return result

    for name in names:
        patcher.set(_base.Future, name, setter(name) if name.startswith("set") else getter(name))
    for owner in (_base, futures):
        patcher.set(owner, "wait", noted_wait)


def _take(machine: Any, giver: Any) -> None:
    """The calling thread takes the time that is noted on what it received."""
    noted = giver.__dict__.get("_simcuda_now")
    if noted is not None:
        machine.engine.join(noted)


def _install_queue(machine: Any, patcher: Any) -> None:
    """An item is there when it was put; a place in a full queue is free when an item was got."""
    put, get = queue.Queue._put, queue.Queue._get  # both run with the queue's lock held

    def noted_put(self: Any, item: Any) -> None:
        noted = self.__dict__.setdefault("_simcuda_items", deque())
        free = self.__dict__.setdefault("_simcuda_places", deque())
        if 0 < self.maxsize <= len(noted) + len(free) and free:
            machine.engine.join(free.popleft())
        put(self, item)
        noted.append(machine.engine.host().now)

    def noted_get(self: Any) -> Any:
        item = get(self)
        noted = self.__dict__.get("_simcuda_items")
        if noted:
            machine.engine.join(noted.popleft())
            if self.maxsize > 0:
                self._simcuda_places.append(machine.engine.host().now)
        return item

    patcher.set(queue.Queue, "_put", noted_put)
    patcher.set(queue.Queue, "_get", noted_get)


def _install_simple_queue(machine: Any, patcher: Any) -> None:
    """`queue.SimpleQueue` is C: items travel in an envelope with the time at which they were put."""

    class SimpleQueue(_SimpleQueue):  # type: ignore[misc]
        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            super().put((machine.engine.host().now, item))

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            now, item = super().get(block, timeout)
            machine.engine.join(now)
            return item

        def put_nowait(self, item: Any) -> None:
            self.put(item)

        def get_nowait(self) -> Any:
            return self.get(False)

    patcher.set(queue, "SimpleQueue", SimpleQueue)


def _install_event(machine: Any, patcher: Any) -> None:
    set_, wait = threading.Event.set, threading.Event.wait

    def noted_set(self: Any) -> None:
        if not self.is_set():
            self._simcuda_now = machine.engine.host().now
        set_(self)

    def noted_wait(self: Any, timeout: float | None = None) -> bool:
        happened = wait(self, timeout)
        if happened:
            _take(machine, self)
        elif timeout is not None:
            machine.engine.host_spend(int(timeout * 1e9))
        return happened

    patcher.set(threading.Event, "set", noted_set)
    patcher.set(threading.Event, "wait", noted_wait)


def _install_sleep(machine: Any, patcher: Any) -> None:
    sleep = time.sleep

    def noted_sleep(seconds: float, /) -> None:
        sleep(min(seconds, _NAP))
        machine.engine.host_spend(int(seconds * 1e9))

    patcher.set(time, "sleep", noted_sleep)
