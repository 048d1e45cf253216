"""Exercise 30: overlap copies with compute."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch


class DevicePrefetcher:
    """Iterates `source` with each batch copied to `device`, one batch ahead, on a stream of its own.

    A batch is a pinned CPU tensor, or a list, tuple or dict of batches; other values stay as they are. A
    batch that has been handed out is ready for the stream that is current then, and may be dropped at any
    moment. An error of the source comes after the batches before it. The host does not wait for the GPU.
    """

    def __init__(self, source: Iterable[Any], device: torch.device) -> None:
        # TODO: what the iteration needs
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        # TODO: copy one batch ahead; hand out the one before
        raise NotImplementedError
