"""Random programs over many streams that do everything right: no false alarm, and the CPU's numbers."""

from __future__ import annotations

import random

import pytest
import torch

from ptquiz.simcuda import simulated_cuda


class Program:
    """Values on streams: every use of another stream's value waits for that stream, and records the use."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.streams = [torch.cuda.Stream(i % 2) for i in range(5)] + [torch.cuda.default_stream(0)]
        # on the device, on the CPU, the stream that made it
        self.values: list[tuple[torch.Tensor, torch.Tensor, int]] = []

    def order(self, later: int, earlier: int) -> None:
        """One stream comes after another: by wait_stream, by an event, or by making the host wait."""
        if later == earlier:
            return
        how = self.rng.randrange(6)
        if how < 3:
            self.streams[later].wait_stream(self.streams[earlier])
        elif how < 5:
            event = torch.cuda.Event()
            event.record(self.streams[earlier])
            event.wait(self.streams[later])
        else:
            self.streams[earlier].synchronize()

    def use(self, at: int, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Value `index`, safe on stream `at`."""
        x, y, home = self.values[index]
        self.order(at, home)
        x.record_stream(self.streams[at])
        return x, y

    def leaf(self) -> None:
        at = self.rng.randrange(len(self.streams))
        numbers = torch.Generator().manual_seed(self.rng.randrange(99))
        y = torch.randn(self.rng.choice([4, 200, 3000]), generator=numbers)
        with torch.cuda.stream(self.streams[at]):
            pinned = y.pin_memory() if self.rng.random() < 0.5 else y.clone()
            x = pinned.to(self.streams[at].device, non_blocking=True)
        self.values.append((x.requires_grad_(), y.requires_grad_(), at))

    def step(self) -> None:
        """A new value from one or two old ones, on a stream of their device, or on the other device."""
        a = self.rng.randrange(len(self.values))
        home = self.values[a][0].device
        at = self.rng.choice([i for i, s in enumerate(self.streams) if s.device == home])
        x, y = self.use(at, a)
        with torch.cuda.stream(self.streams[at]):
            kind = self.rng.randrange(5)
            if kind == 0:
                x, y = x.sin(), y.sin()
            elif kind == 1:
                x, y = x[: len(x) // 2] * 2, y[: len(y) // 2] * 2
            elif kind == 2:
                x, y = x.flip(0).cumsum(0).tanh(), y.flip(0).cumsum(0).tanh()
            elif kind == 3 and home.index == 0:
                return self.to_other_device(x, y, at)
            else:
                b = self.rng.choice([i for i, v in enumerate(self.values) if v[0].device == home])
                x2, y2 = self.use(at, b)
                x, y = x.sum() * x2, y.sum() * y2
        self.values.append((x, y, at))
        return None

    def to_other_device(self, x: torch.Tensor, y: torch.Tensor, at: int) -> None:
        target = self.rng.choice([i for i, s in enumerate(self.streams) if s.device.index == 1])
        with torch.cuda.stream(self.streams[target]), torch.cuda.stream(self.streams[at]):
            self.values.append((x.to("cuda:1"), y.clone(), target))

    def forget(self) -> None:
        """Frees an old value: its memory will be reused."""
        if len(self.values) > 6:
            del self.values[self.rng.randrange(3, len(self.values) - 2)]

    def finish(self) -> None:
        """Joins everything to device 0's default stream, goes backward, compares."""
        main = len(self.streams) - 1
        total_x, total_y = torch.zeros((), device="cuda:0"), torch.zeros(())
        for index, (x, _, at) in enumerate(self.values):
            if x.device.index == 0:
                x, y = self.use(main, index)
            else:
                torch.cuda.current_stream(1).wait_stream(self.streams[at])
                x, y = self.values[index][0].to("cuda:0"), self.values[index][1]
            total_x, total_y = total_x + x.mean(), total_y + y.mean()
        total_x.backward()
        total_y.backward()
        torch.testing.assert_close(total_x.detach().cpu(), total_y.detach())
        for device in range(2):
            torch.cuda.synchronize(device)
        for x, y, _ in self.values:
            if x.is_leaf and x.grad is not None:
                torch.testing.assert_close(x.grad.cpu(), y.grad)


@pytest.mark.parametrize("seed", range(25))
def test_right_programs_raise_no_alarm_and_compute_what_the_cpu_computes(seed):
    """However streams, events, frees, copies and backward are mixed: ordered use is never called a race."""
    rng = random.Random(seed)
    with simulated_cuda(devices=2, memory="64MiB") as machine:
        program = Program(rng)
        for _ in range(3):
            program.leaf()
        for _ in range(30):
            rng.choice([program.step, program.step, program.step, program.leaf, program.forget])()
        program.finish()
        assert [str(race) for race in machine.races] == []
