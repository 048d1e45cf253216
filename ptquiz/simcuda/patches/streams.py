"""Streams and events: `torch.cuda.Stream`, `torch.cuda.Event`, their generic parents, and the current stream.

PyTorch's own Python classes keep running: `torch/cuda/streams.py` is loaded once more on top of the base
classes below, so that everything it does (and quietly does not do) stays as it is.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
from types import ModuleType
from typing import Any

import torch

from ptquiz.simcuda.core.engine import StreamKey
from ptquiz.simcuda.core.ordering import Point
from ptquiz.simcuda.errors import invalid_device, not_modelled

__all__ = ["POOL", "PRIORITIES", "handle_of", "install", "stream_id_of", "stream_object"]

POOL = 32  # streams of a device and priority; then the first comes again
PRIORITIES = (0, -3)  # least and greatest that PyTorch offers
CUDA = 1  # the device type's number

_RealStream: Any = torch.Stream
_machine: Any = None  # of the open device; the classes below outlive it


def handle_of(stream_id: int, device: int) -> int:
    """`cuda_stream` of a stream: 0 for a default stream, otherwise different on every device."""
    return ((device + 1) << 20 | stream_id << 4) if stream_id else 0


def stream_id_of(handle: int) -> int:
    """The stream's id, from its handle."""
    return (handle & 0xFFFFF) >> 4


def _pool_id(index: int, priority: int) -> int:
    """The id of a pool stream, packed as PyTorch does (which is why the first one is 3)."""
    return index << 5 | (1 - priority) << 1 | 1


class Pools:
    """Hands out pool streams, in turn, for each device and priority."""

    def __init__(self) -> None:
        self._next: dict[tuple[int, int], Any] = {}

    def take(self, device: int, priority: int) -> int:
        """The id of the next stream. A priority out of range becomes the nearest one in it."""
        priority = max(PRIORITIES[1], min(PRIORITIES[0], priority))
        counter = self._next.setdefault((device, priority), itertools.count())
        return _pool_id(next(counter) % POOL, priority)


class _StreamBase(_RealStream):  # type: ignore[misc]
    """`torch.Stream`: identity from PyTorch (device, id, ==, hash), work from the engine."""

    def __new__(
        cls,
        device: Any = None,
        device_index: int | None = None,
        device_type: int | None = None,
        *,
        priority: int = 0,
        stream_id: int | None = None,
        stream_ptr: int | None = None,
    ) -> Any:
        if stream_ptr:
            not_modelled("external streams", "Use torch.cuda.Stream().")
        if stream_id is None and isinstance(device, int) and device_type is not None:
            stream_id, device = device, None  # torch.Stream(stream_id, device_index, device_type)
        if stream_id is None:
            if device is not None and torch.device(device).type != "cuda":
                return _RealStream(device)
            device_index = _device_index(device)
            stream_id = _machine.stream_pools.take(device_index, priority)
        return _RealStream.__new__(
            cls,
            stream_id=stream_id,
            device_index=device_index,
            device_type=CUDA if device_type is None else device_type,
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Everything is done in `__new__`, as in PyTorch."""

    @property
    def cuda_stream(self) -> int:
        """The handle."""
        return handle_of(self.stream_id, self.device_index)

    native_handle = cuda_stream

    @property
    def priority(self) -> int:
        """0 is the least, negative numbers are more urgent. It orders nothing on the simulated device."""
        return 1 - (self.stream_id >> 1 & 0xF) if self.stream_id else 0

    @staticmethod
    def priority_range() -> tuple[int, int]:
        """Least and greatest priority."""
        return PRIORITIES

    @property
    def _key(self) -> StreamKey:
        return (self.device_index, handle_of(self.stream_id, self.device_index))

    def query(self) -> bool:
        """Has all work of the stream ended?"""
        return bool(_machine.engine.idle(self._key))

    def synchronize(self) -> None:
        """The host waits for the stream's work."""
        _machine.host_wait(self._key, "Stream.synchronize")

    def is_capturing(self) -> bool:
        """Graphs are not modelled."""
        return False

    def wait_event(self, event: Any) -> None:
        """What comes on this stream waits for the event."""
        event.wait(self)

    def wait_stream(self, other: Any) -> None:
        """What comes on this stream waits for what the other has been given."""
        self.wait_event(other.record_event())

    def record_event(self, event: Any = None) -> Any:
        """An event behind the stream's work so far."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def __enter__(self) -> Any:
        tls = _machine.tls
        _entered(tls).append((tls.device, tls.streams[self.device_index]))
        tls.device = self.device_index
        tls.streams[self.device_index] = self._key[1]
        _machine.on_switch()
        return self

    def __exit__(self, *error: Any) -> None:
        tls = _machine.tls
        tls.device, tls.streams[self.device_index] = _entered(tls).pop()
        _machine.on_switch()


def _entered(tls: Any) -> list[tuple[int, int]]:
    """What the calling thread's open `with stream:` blocks will restore: (device, stream)."""
    stack: list[tuple[int, int]] = tls.__dict__.setdefault("entered", [])
    return stack


class _CudaStreamBase(_StreamBase):
    """What stands below `torch.cuda.Stream`."""


class Event:
    """`torch.Event`, and what stands below `torch.cuda.Event`. Made on the device that records it first."""

    _serial = itertools.count(1)

    def __new__(
        cls,
        device: Any = None,
        *,
        enable_timing: bool = False,
        blocking: bool = False,
        interprocess: bool = False,
        external: bool = False,
    ) -> Any:
        if interprocess:
            not_modelled("events shared between processes (interprocess=True)")
        if device is not None and torch.device(device).type != "cuda":
            return _RealEvent(device, enable_timing=enable_timing, blocking=blocking)
        self = super().__new__(cls)
        self._timing = bool(enable_timing)
        self._index = None if device is None else torch.device(device).index
        self._point = None
        self._handle = 0
        return self

    _timing: bool
    _index: int | None
    _point: Point | None
    _handle: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Everything is done in `__new__`, as in PyTorch."""

    @property
    def device(self) -> torch.device | None:
        """Where it was recorded; None before."""
        return None if self._index is None else torch.device("cuda", self._index)

    @property
    def cuda_event(self) -> int:
        """The handle; 0 until it is recorded."""
        return self._handle

    event_id = cuda_event

    def record(self, stream: Any = None) -> None:
        """Moves the event behind the stream's work so far."""
        index, handle = _key(stream)
        if self._index is not None and self._index != index:
            raise RuntimeError(
                f"Event device {self._index} does not match recording stream's device {index}."
            )
        self._index = index
        self._handle = self._handle or 0x7000_0000 + next(Event._serial) * 0x10
        self._point = _machine.engine.record((index, handle), _machine.line())

    def wait(self, stream: Any = None) -> None:
        """What comes on the stream waits for it. An event that nobody recorded orders nothing."""
        if self._point is not None:
            _machine.engine.stream_wait(_key(stream), self._point, _machine.line())

    def query(self) -> bool:
        """Has the device come so far? True for an event that nobody recorded."""
        return self._point is None or bool(_machine.engine.done(self._point))

    def synchronize(self) -> None:
        """The host waits until the device has come so far."""
        if self._point is not None:
            _machine.host_wait(self._point, "Event.synchronize")

    def elapsed_time(self, end_event: Any) -> float:
        """Milliseconds from this event to the other one."""
        if not (self._timing and end_event._timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._point is None or end_event._point is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        if not (self.query() and end_event.query()):
            raise RuntimeError("Both events must be completed before calculating elapsed time.")
        return float(_machine.engine.elapsed_ns(self._point, end_event._point)) / 1e6

    def ipc_handle(self) -> bytes:
        """Not modelled."""
        not_modelled("events shared between processes")

    @classmethod
    def from_ipc_handle(cls, device: Any, handle: Any) -> Any:
        """Not modelled."""
        not_modelled("events shared between processes")

    def __repr__(self) -> str:
        return f"torch.Event device_type=cuda, device_index={-1 if self._index is None else self._index}"


_RealEvent: Any = torch.Event


def _device_index(device: Any) -> int:
    """A device in any spelling -> its index; the current one for None and "cuda"."""
    index = device if isinstance(device, int) else None if device is None else torch.device(device).index
    if index is None or index < 0:
        return int(_machine.tls.device)
    return _checked(index)


def _checked(index: int) -> int:
    if not 0 <= index < _machine.count:
        raise invalid_device()
    return index


def _key(stream: Any) -> StreamKey:
    """The engine's key of a stream object; of the current stream for None."""
    if stream is None:
        return _current(_machine.tls.device)
    if not isinstance(stream, _StreamBase):
        raise TypeError(f"expected a stream of the CUDA device, got {type(stream).__name__}")
    return stream._key


def _current(index: int) -> StreamKey:
    """The calling thread's current stream of a device (in backward, of the running node)."""
    key: StreamKey = _machine.stream(_checked(index))
    return key


def stream_object(key: StreamKey, cls: Any = None) -> Any:
    """A stream object for an engine key."""
    return (cls or torch.cuda.Stream)(stream_id=stream_id_of(key[1]), device_index=key[0], device_type=CUDA)


def _data(key: StreamKey) -> tuple[int, int, int]:
    return (stream_id_of(key[1]), key[0], CUDA)


def _set_stream(stream_id: int, device_index: int, device_type: int = CUDA) -> None:
    """As `cudaSetStream`: makes the stream current on its device, and its device current."""
    tls = _machine.tls
    tls.streams[_checked(device_index)] = handle_of(stream_id, device_index)
    tls.device = device_index
    _machine.on_switch()


def _sleep(cycles: int) -> None:
    machine = _machine
    machine.launch(machine.stream(machine.tls.device), "sleep", "_sleep", machine.costs.sleep(cycles), ())


_wrappers: ModuleType | None = None


def _load_wrappers() -> ModuleType:
    """`torch/cuda/streams.py`, once more, with its base classes replaced by ours."""
    global _wrappers
    if _wrappers is None:
        original: Any = sys.modules["torch.cuda.streams"]
        spec = importlib.util.spec_from_file_location("torch.cuda.streams", original.__file__)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        names = {"_CudaStreamBase": _CudaStreamBase, "_CudaEventBase": Event}
        saved = {name: getattr(torch._C, name) for name in names}
        try:
            for name, base in names.items():
                setattr(torch._C, name, base)
            spec.loader.exec_module(module)
        finally:
            for name, base in saved.items():
                setattr(torch._C, name, base)
        _wrappers = module
    return _wrappers


def _install_classes(patcher: Any) -> None:
    wrappers = _load_wrappers()
    for owner in (torch.cuda, sys.modules["torch.cuda.streams"]):
        for name in ("Stream", "Event", "ExternalStream"):
            patcher.set(owner, name, getattr(wrappers, name))
    patcher.set(torch._C, "_CudaStreamBase", _CudaStreamBase)
    patcher.set(torch._C, "_CudaEventBase", Event)
    for owner in (torch, torch._C):
        patcher.set(owner, "Stream", _StreamBase)
        patcher.set(owner, "Event", Event)


def _install_functions(machine: Any, patcher: Any) -> None:
    replaced = {
        "_cuda_getCurrentStream": lambda index: _data(_current(index)),
        "_cuda_getDefaultStream": lambda index: (0, _checked(index), CUDA),
        "_cuda_getCurrentRawStream": lambda index: _current(index)[1],
        "_cuda_getStreamFromExternal": lambda *_: not_modelled("external streams"),
        "_cuda_setStream": _set_stream,
        "_cuda_synchronize": lambda: machine.host_wait(machine.tls.device, "torch.cuda.synchronize"),
        "_cuda_sleep": _sleep,
        "_accelerator_getStream": lambda index: stream_object(_current(index), torch.Stream),
        "_accelerator_setStream": lambda s: _set_stream(s.stream_id, s.device_index),
        "_accelerator_synchronizeDevice": lambda index: machine.host_wait(
            _checked(index), "torch.accelerator.synchronize"
        ),
    }
    for name, function in replaced.items():
        patcher.set(torch._C, name, function)


def install(machine: Any, patcher: Any) -> None:
    """Replaces streams, events, and what reads or sets the current stream."""
    global _machine
    _machine = machine
    machine.stream_pools = Pools()
    _install_classes(patcher)
    _install_functions(machine, patcher)
