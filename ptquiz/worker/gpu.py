"""The `gpu` fixture: what checks see of the simulated device, and what of it a real one can show."""

from __future__ import annotations

import abc
import contextlib
import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch

from ptquiz.simcuda import patches, simulated_cuda
from ptquiz.simcuda.core.engine import HostWait, Op
from ptquiz.simcuda.core.races import Access, Race
from ptquiz.simcuda.storage import state_of
from ptquiz.worker import claims
from ptquiz.worker.wire import Record, Request

list(patches.modules())  # imported here, before the fork

_sleep: Any = torch.cuda._sleep  # without annotations in torch
_event: Any = torch.cuda.Event
_WORK = ("kernel", "copy", "sleep")
TIMELINE_WIDTH = 74  # it is shown below a check, six columns to the right


class Unseen(Exception):  # noqa: N818  (not an error: the device at hand cannot show it)
    """What the check asks for cannot be seen on this device; the check is skipped with this reason."""


@contextlib.contextmanager
def opened(request: Request) -> Iterator[Simulated | Real]:
    """The device of a grading, open from before the submission is imported to the end."""
    if request.device == "cuda":
        yield Real(request)
        return
    with simulated_cuda(devices=request.devices, memory=request.memory) as machine:
        yield Simulated(machine, request)


class Seen:
    """What happened inside `with gpu.record() as seen:` on the simulated device."""

    def __init__(self, gpu: Simulated) -> None:
        self._gpu = gpu
        self._mark = gpu.machine.mark()
        self._closed: tuple[list[Op], list[HostWait], list[Race]] | None = None

    def close(self) -> None:
        self._closed = self._gpu.machine.since(self._mark)

    def _all(self) -> tuple[list[Op], list[HostWait], list[Race]]:
        return self._gpu.machine.since(self._mark) if self._closed is None else self._closed

    @property
    def ops(self) -> list[Op]:
        """Everything in the order in which it was issued."""
        return list(self._all()[0])

    @property
    def waits(self) -> list[HostWait]:
        """Where the host stood still."""
        return list(self._all()[1])

    @property
    def races(self) -> list[Race]:
        """Accesses that nothing orders."""
        return list(self._all()[2])

    def named(self, name: str) -> list[Op]:
        """The operations of that name."""
        return [op for op in self.ops if op.name == name]

    @property
    def kernels(self) -> list[Op]:
        return [op for op in self.ops if op.kind == "kernel"]

    @property
    def copies(self) -> list[Op]:
        return [op for op in self.ops if op.kind == "copy"]

    @property
    def _work(self) -> list[Op]:
        return [op for op in self.ops if op.kind in _WORK]

    @property
    def makespan_ms(self) -> float:
        """From the first begin to the last end of all work."""
        work = self._work
        return max(op.end_ms for op in work) - min(op.begin_ms for op in work) if work else 0.0

    @property
    def serial_ms(self) -> float:
        """The sum of all durations."""
        return sum(op.milliseconds for op in self._work)

    def no_wait(self, look: claims.Words = "") -> None:
        """Claim that the host did not wait for the device."""
        for wait in self.waits:
            if not wait.needless:
                place = self._gpu.place(wait.line)
                claims.fail(
                    ("the host does not wait for the device", "主机不等待设备"),
                    (f"{wait.reason} waited at {place}", f"{wait.reason} 在 {place} 处等待了设备"),
                    look,
                )

    def no_race(self, look: claims.Words = "") -> None:
        """Claim that nothing raced."""
        for race in self.races:
            self._gpu.fail_for(race, look)


class _Memory(abc.ABC):
    """What both devices show: the memory that is in use."""

    @abc.abstractmethod
    def settle(self) -> None:
        """Everything has ended."""

    def held(self) -> int:
        """Bytes that are in use on the current device, once it is idle and unreachable objects are gone."""
        gc.collect()
        self.settle()
        torch.cuda.empty_cache()  # blocks that waited for another stream come back
        return torch.cuda.memory_allocated()

    def freed(self, before: int, nbytes: int, expected: claims.Words) -> None:
        """Claim that less than `nbytes` are in use beyond the `before` that `held` gave."""
        kept = self.held() - before
        came = (f"{kept} bytes are still in use", f"还有 {kept} 字节在用")
        claims.that(kept < nbytes, expected, came, _REFERS)


_REFERS = (
    "what still refers to them. The allocator can be told which streams use a tensor;"
    " nobody has to keep it alive",
    "还有谁在引用它们。告诉分配器哪些流在用这个张量即可，不必有谁一直留着它",
)


class Simulated(_Memory):
    """The `gpu` fixture on the simulated device."""

    simulated = True

    def __init__(self, machine: Any, request: Request) -> None:
        self.machine, self._request = machine, request
        self.count: int = machine.count
        self._began = machine.mark()
        self._shown: Seen | None = None  # what was recorded last

    def device(self, index: int = 0) -> torch.device:
        """`cuda:index`."""
        return torch.device("cuda", index)

    def busy(self, milliseconds: float, name: str = "busy") -> None:
        """Work of that length on the current stream of the current device; the host goes on."""
        self._launch(self.machine.tls.device, name, milliseconds, ())

    def write(self, tensor: torch.Tensor, name: str) -> None:
        """A short kernel on the current stream that writes the tensor (its values stay)."""
        self._touch(tensor, name, write=True)

    def read(self, tensor: torch.Tensor, name: str) -> None:
        """A short kernel on the current stream that reads the tensor."""
        self._touch(tensor, name, write=False)

    def _touch(self, tensor: torch.Tensor, name: str, *, write: bool) -> None:
        state = state_of(tensor)
        if state is None or state.device < 0:
            claims.fail(("a tensor on the device", "位于设备上的张量"), claims.summary(tensor))
        access: Access = self.machine.access(tensor, state, write)
        self._launch(state.device, name, 0.01, (access,))

    def _launch(self, device: int, name: str, milliseconds: float, accesses: tuple[Access, ...]) -> None:
        stream = self.machine.stream(device)
        self.machine.launch(stream, "kernel", name, int(milliseconds * 1e6), accesses)

    @contextlib.contextmanager
    def record(self) -> Iterator[Seen]:
        """What happens inside."""
        seen = self._shown = Seen(self)
        try:
            yield seen
        finally:
            seen.close()

    def settle(self) -> None:
        """Everything has ended; no record sees this."""
        self.machine.settle()

    def forgive(self) -> None:
        """The races so far were meant."""
        self.machine.engine.forgive()

    # what the session calls

    def begin(self, seed: int) -> None:
        """A clean device for the next check: first device, default streams, no races, nothing pending."""
        gc.collect()
        self.machine.tls.device = 0
        self.machine.tls.streams[:] = [0] * self.count
        self.machine.on_switch()
        self.machine.settle()
        self.machine.engine.forgive()
        with self.machine.lock:
            for allocator in self.machine.allocators:
                allocator.set_fraction(1.0)
                allocator.empty_cache()
                allocator.reset_peak()
                allocator.reset_accumulated()
        self._seed(seed)
        self._began, self._shown = self.machine.mark(), None

    def _seed(self, seed: int) -> None:
        for generator in self.machine.random.generators:
            generator.manual_seed(seed)

    def closed(self, record: Record) -> Record:
        """The check's record, failed when it left a race behind; with a timeline when one is wanted."""
        with contextlib.suppress(Exception):
            self.machine.settle()
        races = list(self.machine.races)
        outcome, cause, message = record.outcome, record.cause, record.message
        if races and outcome == "passed":
            outcome, cause, message = "failed", "wrong", self.described(races[0])
        timeline = ""
        failed = outcome in ("failed", "error")
        if self._request.timeline or (failed and (self._request.streams or self._streams_matter())):
            timeline = self._timeline()
        return Record(record.event, record.name, outcome, cause, message, record.seconds, timeline)

    def _streams_matter(self) -> bool:
        return any(op.stream for op in self.machine.since(self._began)[0])

    def _timeline(self) -> str:
        """The check's work as text: what it recorded last, or all of it where a race lies outside of that."""
        from ptquiz.simcuda import timeline

        ops, waits, races = self.machine.since(self._began)
        if self._shown is not None and len(self._shown.races) == len(races):
            ops, waits = self._shown.ops, self._shown.waits
        mine = [wait for wait in waits if not wait.line.startswith(self._request.checks_file)]
        text = timeline.render(ops, mine, races, self._request.language, TIMELINE_WIDTH, self._shortened)
        return text if text.strip() else ""

    def export(self) -> None:
        """Write the Chrome trace of the whole grading, where one was asked for."""
        if self._request.trace:
            from ptquiz.simcuda import chrome

            chrome.write(
                Path(self._request.trace), self.machine.trace, self.machine.waits, self.machine.races
            )

    # words

    def described(self, race: Race) -> str:
        """A race's report, with short paths and without the checks' own lines."""
        language = "zh" if self._request.language == "zh" else "en"
        return self._shortened(race.text(language))

    def fail_for(self, race: Race, look: claims.Words = "") -> NoReturn:
        claims.fail(("no data race", "没有数据竞争"), self.described(race), look)

    def place(self, line: str) -> str:
        return self._shortened(line) or claims.say(("an unknown line", "未知位置"))

    def _shortened(self, text: str) -> str:
        check = claims.say(("the check", "检查代码"))
        text = re.sub(re.escape(self._request.checks_file) + r":\d+", check, text)
        return text.replace(str(Path(self._request.submission).parent) + "/", "")


class Real(_Memory):
    """The `gpu` fixture on a real device: times and orders of single operations cannot be seen there."""

    simulated = False

    def __init__(self, request: Request) -> None:
        self._request = request
        self.count = torch.cuda.device_count()
        self._cycles = 0

    def device(self, index: int = 0) -> torch.device:
        """`cuda:index`; skips the check when there are fewer devices."""
        if index >= self.count:
            _unseen((f"this machine has {self.count} devices", f"本机有 {self.count} 个设备"))
        return torch.device("cuda", index)

    def busy(self, milliseconds: float, name: str = "busy") -> None:
        """Keep the current stream busy for about that long."""
        if not self._cycles:
            self._cycles = _cycles_per_millisecond()
        _sleep(int(milliseconds * self._cycles))

    def write(self, tensor: torch.Tensor, name: str) -> None:
        """A short kernel that writes the tensor (its values stay)."""
        with torch.no_grad():
            tensor.add_(0)

    def read(self, tensor: torch.Tensor, name: str) -> None:
        """A short kernel that reads the tensor."""
        with torch.no_grad():
            tensor.clone()

    @contextlib.contextmanager
    def record(self) -> Iterator[Any]:
        """Runs what is inside; asking what was seen skips the check."""
        yield _Blind()

    def settle(self) -> None:
        for index in range(self.count):
            torch.cuda.synchronize(index)

    def forgive(self) -> None:
        """There is nothing to forgive where no race is seen."""

    def begin(self, seed: int) -> None:
        self.settle()
        torch.cuda.set_device(0)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.manual_seed_all(seed)

    def closed(self, record: Record) -> Record:
        self.settle()
        return record

    def export(self) -> None:
        """No trace of a real device is written."""


class _Blind:
    """Stands for what a real device does not show."""

    def __getattr__(self, name: str) -> NoReturn:
        _unseen((f"`{name}` needs the simulated device", f"只有模拟设备才能看到 `{name}`"))


def _unseen(words: claims.Words) -> NoReturn:
    raise Unseen(claims.say(words))


def _cycles_per_millisecond() -> int:
    begin, end = _event(enable_timing=True), _event(enable_timing=True)
    _sleep(1_000_000)
    begin.record()
    _sleep(10_000_000)
    end.record()
    torch.cuda.synchronize()
    return int(10_000_000 / begin.elapsed_time(end))
