"""Reference answer to exercise 10."""

from types import TracebackType

import torch

_active: "list[memory_monitor]" = []


class memory_monitor:  # noqa: N801  (used like a function)
    """Measures one GPU's memory over a block: `before`, `after`, `delta`, `peak`, `reserved`, in bytes."""

    def __init__(self, device: int | str | torch.device | None = None) -> None:
        self._asked = device

    def __enter__(self) -> "memory_monitor":
        # The current device may be another one when the block ends: decide now.
        asked = torch.device("cuda", self._asked) if isinstance(self._asked, int) else self._asked
        index = None if asked is None else torch.device(asked).index
        self._device = torch.cuda.current_device() if index is None else index
        _note_peak(self._device)
        self.before = torch.cuda.memory_allocated(self._device)
        self.peak = self.before
        _active.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _note_peak(self._device)
        _active.remove(self)
        self.after = torch.cuda.memory_allocated(self._device)
        self.delta = self.after - self.before
        self.reserved = torch.cuda.memory_reserved(self._device)


def _note_peak(device: int) -> None:
    """Give the peak since the last reset to all monitors of `device`, and start counting anew."""
    # The allocator has one peak a device: resetting it without this would rob the outer monitors.
    peak = torch.cuda.max_memory_allocated(device)
    for monitor in _active:
        if monitor._device == device:
            monitor.peak = max(monitor.peak, peak)
    torch.cuda.reset_peak_memory_stats(device)
