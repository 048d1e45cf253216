"""Exercise 10: counters that move."""

from types import TracebackType

import torch


class memory_monitor:  # noqa: N801  (used like a function)
    """Measures one GPU's memory over a block: `before`, `after`, `delta`, `peak`, `reserved`, in bytes."""

    def __init__(self, device: int | str | torch.device | None = None) -> None:
        # TODO: which device.
        raise NotImplementedError

    def __enter__(self) -> "memory_monitor":
        # TODO: the first measurement; other monitors may be active.
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # TODO: the last measurement.
        raise NotImplementedError
