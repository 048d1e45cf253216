"""No record_stream: before each copy its stream waits for what consumers have been given so far."""

import torch
from torch.utils import _pytree as pytree


class DevicePrefetcher:
    def __init__(self, source, device):
        self.source, self.device, self.stream = source, device, torch.cuda.Stream(device)
        self.consumers = set()

    def _load(self, it):
        for consumer in self.consumers:
            self.stream.wait_stream(consumer)  # what lies in freed memory has been read by then
        host = next(it)
        with self.stream:
            return pytree.tree_map(
                lambda x: x.to(self.device, non_blocking=True) if torch.is_tensor(x) else x, host
            )

    def __iter__(self):
        it, slot, problem = iter(self.source), [], None
        try:
            slot.append(self._load(it))
        except StopIteration:
            return
        while slot:
            consumer = torch.cuda.current_stream()
            consumer.wait_stream(self.stream)
            self.consumers.add(consumer)
            out = slot.pop()
            try:
                slot.append(self._load(it))
            except StopIteration:
                pass
            except Exception as e:
                problem = e
            yield out
        if problem:
            raise problem
