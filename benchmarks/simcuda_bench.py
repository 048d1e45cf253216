"""What the simulated CUDA device costs, measured against floors in the same run.

    python benchmarks/simcuda_bench.py            a table
    python benchmarks/simcuda_bench.py --json     the same as JSON
    python benchmarks/simcuda_bench.py --quick    without the million operations

Floor and subject are measured in turn, and the best of the rounds counts, so that other work on the machine
weighs on both. Nothing here fails: the table shows each ratio beside what it should be at most.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from ptquiz.simcuda import simulated_cuda

_STATM = Path("/proc/self/statm")


@dataclass(frozen=True)
class Ratio:
    """One measurement: `value` and `floor` in `unit`; their quotient `ratio` should not exceed `most`."""

    name: str
    value: float
    floor_name: str
    floor: float
    unit: str
    most: float | None = None

    @property
    def ratio(self) -> float:
        return self.value / self.floor if self.floor else float("nan")


def best_seconds(call: Callable[[], object], times: int) -> float:
    """Seconds of one call, over `times` calls in a row."""
    begin = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - begin) / times


def small_operation(rounds: int = 7) -> list[Ratio]:
    """An addition of 100 floats with all tracking on, against FakeTensorMode and against nothing at all."""
    plain, fake, simulated = [], [], []
    host = torch.ones(100)
    for _ in range(rounds):
        plain.append(best_seconds(lambda: host + host, 2000))
        with FakeTensorMode():
            unreal = torch.ones(100)
            fake.append(best_seconds(lambda x=unreal: x + x, 300))
        with simulated_cuda():
            there = torch.ones(100, device="cuda")
            best_seconds(lambda x=there: x + x, 100)
            simulated.append(best_seconds(lambda x=there: x + x, 1000))
    micro = 1e6
    return [
        Ratio("small operation", min(simulated) * micro, "FakeTensorMode", min(fake) * micro, "us", 0.4),
        Ratio("small operation", min(simulated) * micro, "plain CPU", min(plain) * micro, "us"),
    ]


def training_step(device: str) -> Callable[[], None]:
    """One step of a small MLP on `device`."""
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, target = torch.randn(32, 64).to(device), torch.randint(0, 10, (32,)).to(device)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), target).backward()
        optimizer.step()

    return step


def mlp_step(rounds: int = 5) -> list[Ratio]:
    """A step of a small MLP: forward, backward, SGD."""
    host, simulated = [], []
    on_host = training_step("cpu")
    on_host()
    for _ in range(rounds):
        host.append(best_seconds(on_host, 100))
        with simulated_cuda():
            step = training_step("cuda")
            best_seconds(step, 5)
            simulated.append(best_seconds(step, 100))
    return [Ratio("MLP step", min(simulated) * 1e3, "on the CPU", min(host) * 1e3, "ms")]


def opening(rounds: int = 20) -> list[Ratio]:
    """Opening and closing the device, against one of the MLP steps that it is opened for."""

    def open_and_close() -> None:
        with simulated_cuda():
            pass

    on_host = training_step("cpu")
    on_host()
    floor = min(best_seconds(on_host, 20) for _ in range(5))
    value = min(best_seconds(open_and_close, 1) for _ in range(rounds))
    return [Ratio("open and close", value * 1e3, "one MLP step on the CPU", floor * 1e3, "ms")]


def resident_mib() -> float:
    """Resident memory of the process in MiB; 0 where it cannot be read."""
    return int(_STATM.read_text().split()[1]) * 4096 / (1 << 20) if _STATM.exists() else 0.0


def bookkeeping(operations: tuple[int, ...]) -> list[Ratio]:
    """Growth of the process over many operations on two streams, against the first number of them.

    What is remembered of the past must not grow without end.
    """
    grown = []
    for count in operations:
        with simulated_cuda():
            streams = [torch.cuda.Stream() for _ in range(2)]
            tensors = [torch.ones(64, device="cuda") for _ in range(16)]
            torch.cuda.synchronize()
            gc.collect()
            before = resident_mib()
            for index in range(count // 2):
                with torch.cuda.stream(streams[index % 2]):
                    mine = tensors[index % 2 :: 2]
                    mine[index % 8].add_(1)
                    mine[(index + 3) % 8] * 2.0
            gc.collect()
            grown.append(max(0.0, resident_mib() - before))
    first = grown[0]
    return [
        Ratio(f"memory over {count:,} operations", value, f"over {operations[0]:,}", first, "MiB")
        for count, value in zip(operations, grown, strict=True)
    ]


def measure(quick: bool = False) -> list[Ratio]:
    """All measurements: about half a minute; with a million operations several minutes."""
    torch.set_num_threads(1)  # what is compared is bookkeeping, not how many cores are free
    counts = (100_000,) if quick else (100_000, 1_000_000)
    return [*small_operation(), *mlp_step(), *opening(), *bookkeeping(counts)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    results = measure(options.quick)
    if options.json:
        print(json.dumps([{**asdict(r), "ratio": r.ratio} for r in results], indent=2))
        return
    for r in results:
        most = f"at most {r.most}" if r.most is not None else ""
        print(
            f"{r.name:32} {r.value:9.2f} {r.unit:3}  {r.floor_name:24} {r.floor:9.2f} {r.unit:3}"
            f"  {r.ratio:7.2f}  {most}"
        )


if __name__ == "__main__":
    main()
