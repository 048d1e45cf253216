"""test_next_copy_overlaps: a batch is copied when it is asked for, not one ahead."""

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
        for host in self.source:
            with torch.cuda.stream(self.stream):
                batch = walk(host, lambda t: t.to(self.device, non_blocking=True))
            current = torch.cuda.current_stream()
            current.wait_stream(self.stream)
            walk(batch, lambda t: t.record_stream(current))
            yield batch
