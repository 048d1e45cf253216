"""The simulated machine: the engine, one allocator a device, pinned memory, and what each thread has chosen.

Everything that the torch layer does to the world goes through here. One lock guards the bookkeeping;
kernels run outside of it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch

from ptquiz.simcuda.core.allocator import DeviceAllocator, OutOfMemory
from ptquiz.simcuda.core.costs import Costs
from ptquiz.simcuda.core.engine import Access, Engine, HostWait, Mark, Op
from ptquiz.simcuda.core.pinned import PinnedAllocator
from ptquiz.simcuda.core.races import Race
from ptquiz.simcuda.errors import fork_refused, out_of_memory
from ptquiz.simcuda.random import Random
from ptquiz.simcuda.storage import ATTRIBUTE, CPU, PINNED, State, footprint, storage_of

__all__ = ["Machine", "ThreadState", "parse_size"]

_UNITS = {
    "": 1,
    "b": 1,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
}
_HERE = str(Path(__file__).resolve().parent.parent)  # the whole package: none of it is the user's code
_TORCH = str(Path(torch.__file__).resolve().parent)
_STDLIB = str(Path(threading.__file__).resolve().parent)
_current_node = torch._C._current_autograd_node
_SITE = os.sep + "site-packages" + os.sep


def parse_size(size: str | int) -> int:
    """Bytes of `"256MiB"`, `"16GiB"`, `"2 GB"` or a plain number. Raises ValueError for anything else."""
    if isinstance(size, int):
        return size
    text = size.strip().lower()
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(digits) :].strip()
    if unit not in _UNITS or not digits:
        raise ValueError(f"not a size: {size!r} (write 256MiB, 16GiB or a number of bytes)")
    return int(float(digits) * _UNITS[unit])


class ThreadState(threading.local):
    """What one host thread has chosen. A new thread starts on device 0 with the default streams, as in
    CUDA."""

    def __init__(self, devices: int) -> None:
        self.device = 0
        self.streams = [0] * devices  # the current stream of each device
        self.placement: int | None = None  # where a factory or a conversion in progress puts its result
        self.recent = -2  # where the last operator ran
        self.paused = 0  # > 0: operations pass unseen (printing, our own helpers)


class _Driver:
    """What the allocators ask of the engine; none of it shows in the trace."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, stream: tuple[int, int]) -> Any:
        return self._engine.point(stream)

    def done(self, point: Any) -> bool:
        return self._engine.settled(point)

    def wait(self, point: Any) -> None:
        self._engine.host_wait(point, "")

    def ended(self, point: Any, device: int, address: int, size: int) -> None:
        self._engine.retire(device, address, address + size, point)

    def release(self, device: int, address: int, size: int) -> None:
        self._engine.forget(device, address, address + size)


class Machine:
    """A host with `devices` simulated GPUs of `memory` bytes each."""

    def __init__(self, devices: int = 1, memory: str | int = "16GiB", costs: Costs | None = None) -> None:
        if devices < 1:
            raise ValueError(f"a machine needs at least one device (got {devices})")
        self.count = devices
        self.memory = parse_size(memory)
        self.costs = costs or Costs()
        self.engine = Engine(devices, self.costs)
        driver = _Driver(self.engine)
        self.allocators = [DeviceAllocator(index, self.memory, driver) for index in range(devices)]
        self.pinned = PinnedAllocator(driver)
        self.devices = [torch.device("cuda", index) for index in range(devices)]
        self.lock = threading.RLock()
        self.tls = ThreadState(devices)
        self.state_type: type[State] = type("State", (State,), {"__slots__": ()})
        self.freed: deque[tuple[int, Any]] = deque()  # (device, block): appended by finalizers, in any thread
        self.on_switch: Callable[[], None] = lambda: None  # a thread has changed a current stream
        self.on_node: Callable[[Any, int], None] | None = None  # a backward node runs: choose its stream
        self.is_forked: Callable[[], bool] = bool
        self.sync_debug_mode = 0
        self.closed = False
        self.random = Random(self.devices)
        self.mode: Any = None  # the dispatch mode; every thread must enter it
        self._labels: dict[tuple[Any, torch.dtype], str] = {}
        self._user_code: dict[CodeType, bool] = {}
        self._lines: dict[tuple[CodeType, int], str] = {}

    # Streams and devices

    def stream(self, device: int) -> tuple[int, int]:
        """The calling thread's current stream of the device; in backward, that of the running node."""
        if self.on_node is not None and (node := _current_node()) is not None:
            self.on_node(node, device)
        return (device, self.tls.streams[device])

    # Memory

    def drain(self) -> None:
        """Gives back the blocks of memory that has gone. Call it with the lock held."""
        freed = self.freed
        while freed:
            device, block = freed.popleft()
            if block is None:
                continue
            if device == PINNED:
                self.pinned.free(block)
            else:
                self.allocators[device].free(block)

    def allocate(self, device: int, nbytes: int, line: str | None = None) -> State:
        """New memory for work on the current stream. Raises torch.OutOfMemoryError."""
        with self.lock:
            if self.freed:
                self.drain()
            if nbytes == 0:
                return self.state_type(device, None, 0, self.freed)
            handle = self.stream(device)[1]
            try:
                block = self.allocators[device].malloc(nbytes, handle)
            except OutOfMemory as error:
                raise out_of_memory(str(error)) from None
            self.engine.born(device, block.address, block.address + block.size, line or self.line(), handle)
        return self.state_type(device, block, nbytes, self.freed)

    def allocate_pinned(self, nbytes: int) -> State:
        """New page-locked host memory."""
        with self.lock:
            self.drain()
            block = self.pinned.malloc(nbytes) if nbytes else None
        return self.state_type(PINNED, block, nbytes, self.freed)

    def place(self, tensor: torch.Tensor, device: int) -> State:
        """Gives the tensor's memory to the device (no operation, no copy). Returns its new state."""
        storage = storage_of(tensor)
        state = self.allocate(device, storage.nbytes())
        setattr(storage, ATTRIBUTE, state)
        return state

    def place_pinned(self, tensor: torch.Tensor) -> State:
        """Makes the tensor's memory page-locked (no copy)."""
        storage = storage_of(tensor)
        state = self.allocate_pinned(storage.nbytes())
        setattr(storage, ATTRIBUTE, state)
        return state

    def resized(self, storage: Any) -> None:
        """The storage's size has changed: it takes new memory of that size, and copies what was there."""
        old: State = getattr(storage, ATTRIBUTE)
        setattr(storage, ATTRIBUTE, self.allocate(old.device, storage.nbytes()))

    # Work

    def launch(
        self,
        stream: tuple[int, int],
        kind: str,
        name: str,
        duration_ns: int,
        accesses: Sequence[Access],
        *,
        nbytes: int = 0,
        queue: str | None = None,
        pinned: bool = False,
        line: str | None = None,
    ) -> Op:
        """Puts work on a stream; returns the engine's Op."""
        if self.is_forked():
            raise fork_refused()
        with self.lock:
            if self.freed:
                self.drain()
            return self.engine.launch(
                stream,
                kind,
                name,
                duration_ns,
                accesses,
                line if line is not None else self.line(),
                nbytes=nbytes,
                engine_queue=queue,
                pinned=pinned,
            )

    def randomly(self, device: int, plan: Any, args: Any, kwargs: Any) -> Any:
        """Runs an operator that draws random numbers: from the device's generator unless it was given one."""
        return self.random.run(device, plan, args, kwargs)

    def host_wait(self, target: Any, reason: str) -> None:
        """The host waits for a point, a stream (device, stream) or a device (int)."""
        if self.is_forked():
            raise fork_refused()
        with self.lock:
            if self.freed:
                self.drain()
            self.engine.host_wait(target, reason, self.line())

    def host_access(self, accesses: Sequence[Access]) -> None:
        """The host reads or writes pinned memory."""
        with self.lock:
            self.engine.host_access(accesses, self.line())

    def label(self, tensor: torch.Tensor) -> str:
        """The tensor in a few words, for reports of races."""
        key = (tensor.shape, tensor.dtype)
        text = self._labels.get(key)
        if text is None:
            shape = "x".join(map(str, key[0])) or "scalar"
            text = self._labels[key] = f"tensor {shape} {str(key[1]).removeprefix('torch.')}"
        return text

    def access(self, tensor: torch.Tensor, state: State, write: bool) -> Access:
        """The bytes of a tensor, for the engine."""
        return Access(state.device, footprint(tensor, state), write, self.label(tensor))

    # What has happened

    @property
    def trace(self) -> list[Op]:
        """All operations so far."""
        return self.engine.trace

    @property
    def races(self) -> list[Race]:
        """The races found so far."""
        return self.engine.races

    @property
    def waits(self) -> list[HostWait]:
        """The host's waits so far."""
        return self.engine.waits

    def settle(self) -> None:
        """Waits for everything, outside of what is counted: not among `waits`."""
        with self.lock:
            self.drain()
            self.engine.settle()

    def mark(self) -> Mark:
        """A place in the record; see `since`."""
        return self.engine.mark()

    def since(self, mark: Mark) -> tuple[list[Op], list[HostWait], list[Race]]:
        """(operations, host waits, races) after the mark."""
        return self.engine.since(mark)

    def close(self) -> None:
        """Nothing runs on the machine any more; memory that is still alive is forgotten with it."""
        self.closed = True
        # Tensors may outlive the machine: their states say from now on that they live on the host.
        setattr(self.state_type, "device", CPU)  # noqa: B010 - it hides the slot of the base class
        setattr(self.state_type, "block", None)  # noqa: B010

    # Whose code

    def line(self) -> str:
        """`file:line` of the user's code that is running: the first frame outside torch and this package."""
        frame: FrameType | None = sys._getframe(1)
        known = self._user_code
        while frame is not None:
            code = frame.f_code
            mine = known.get(code)
            if mine is None:
                mine = known[code] = _is_user_code(code.co_filename)
            if mine:
                key = (code, frame.f_lineno)
                text = self._lines.get(key)
                if text is None:
                    text = self._lines[key] = f"{code.co_filename}:{frame.f_lineno}"
                return text
            frame = frame.f_back
        return ""


def _is_user_code(filename: str) -> bool:
    if filename.startswith((_HERE, _TORCH)):
        return _is_exercise(filename)
    if filename.startswith("<"):
        return not filename.startswith(("<frozen", "<string>", "<__array_function__"))
    return not filename.startswith(_STDLIB) or _SITE in filename


def _is_exercise(filename: str) -> bool:
    """An installed package carries the exercises below itself."""
    return filename.startswith(os.path.join(_HERE, "data", "exercises"))  # noqa: PTH118 - a prefix of strings
