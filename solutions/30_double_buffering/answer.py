"""Exercise 30, reference answer."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch


class DevicePrefetcher:
    """Iterates `source` with each batch copied to `device`, one batch ahead, on a stream of its own."""

    def __init__(self, source: Iterable[Any], device: torch.device) -> None:
        self._source, self._device = source, device
        self._stream = torch.cuda.Stream(device)

    def __iter__(self) -> Iterator[Any]:
        source = iter(self._source)
        ahead, error = self._copy_next(source)
        while ahead:
            # First the wait, then the next copy: the other way round, this batch's work would wait for both.
            consumer = torch.cuda.current_stream()
            consumer.wait_stream(self._stream)
            batch = ahead.pop()
            # Memory of the copy stream, read on the consumer's, dropped whenever the consumer likes.
            _map(batch, lambda tensor, consumer=consumer: tensor.record_stream(consumer))
            if error is None:
                ahead, error = self._copy_next(source)
            yield batch  # outside of any `with torch.cuda.stream`: the consumer's stream is current
            del batch
        if error is not None and not isinstance(error, StopIteration):
            raise error

    def _copy_next(self, source: Iterator[Any]) -> tuple[list[Any], Exception | None]:
        """([the next batch, on its way], None), or ([], the error that the source has raised)."""
        try:
            host = next(source)
        except (
            Exception
        ) as error:  # the end is one of them; all are kept until the batch before is handed out
            return [], error
        with torch.cuda.stream(self._stream):
            return [_map(host, lambda tensor: tensor.to(self._device, non_blocking=True))], None


def _map(batch: Any, do: Callable[[torch.Tensor], Any]) -> Any:
    """The same structure with `do` applied to every tensor."""
    if isinstance(batch, torch.Tensor):
        return do(batch)
    if isinstance(batch, dict):
        return {key: _map(value, do) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(_map(value, do) for value in batch)
    return batch
