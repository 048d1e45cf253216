"""test_copies_on_their_own_stream: a yield inside `with torch.cuda.stream(…)`: the consumer runs on the copy stream."""

import torch


def walk(batch, do):
    if isinstance(batch, torch.Tensor):
        return do(batch)
    if isinstance(batch, dict):
        return {key: walk(value, do) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return type(batch)(walk(value, do) for value in batch)
    return batch


class DevicePrefetcher:
    def __init__(self, source, device):
        self.source, self.device = source, device
        self.stream = torch.cuda.Stream(device)

    def __iter__(self):
        caller = torch.cuda.current_stream()
        with torch.cuda.stream(self.stream):
            previous, error = [], None
            iterator = iter(self.source)
            while error is None:
                batch = []
                try:
                    batch.append(walk(next(iterator), lambda t: t.to(self.device, non_blocking=True)))
                except Exception as e:
                    error = e
                if previous:
                    yield previous.pop()
                previous = batch
        caller.wait_stream(self.stream)
        if not isinstance(error, StopIteration):
            raise error
