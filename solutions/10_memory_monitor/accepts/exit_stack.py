"""Everything through `torch.cuda.memory_stats`, a dict per device of running peaks; a reusable object."""

import torch


class memory_monitor:
    running = []

    def __init__(self, device=None):
        self.device = device

    def _stats(self, name, kind):
        return torch.cuda.memory_stats(self.dev)[f"{name}_bytes.all.{kind}"]

    def __enter__(self):
        if self.device is None:
            self.dev = torch.device(f"cuda:{torch.cuda.current_device()}")
        else:
            name = f"cuda:{self.device}" if isinstance(self.device, int) else self.device
            self.dev = torch.device(name)
            if self.dev.index is None:
                self.dev = torch.device("cuda", torch.cuda.current_device())
        self._share()
        self.peaks = []
        self.before = self._stats("allocated", "current")
        memory_monitor.running.append(self)
        return self

    def _share(self):
        top = self._stats("allocated", "peak")
        for other in self.running:
            if other.dev == self.dev:
                other.peaks.append(top)
        torch.cuda.reset_peak_memory_stats(self.dev)

    def __exit__(self, exc_type, exc_value, traceback):
        self._share()
        self.running.pop()
        self.peak = max([self.before, *self.peaks])
        self.after = self._stats("allocated", "current")
        self.delta = self.after - self.before
        self.reserved = self._stats("reserved", "current")
