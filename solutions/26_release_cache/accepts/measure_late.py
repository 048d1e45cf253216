"""Measures between dropping and emptying: dropping does not change what is reserved."""

import gc

import torch


class Release:
    def __init__(self, device):
        self.device = device

    def __enter__(self):
        gc.collect()
        self.start = torch.cuda.memory_stats(self.device).get("reserved_bytes.all.current", 0)
        return self

    def __exit__(self, *error):
        torch.cuda.synchronize(self.device)
        torch.cuda.empty_cache()
        self.bytes = self.start - torch.cuda.memory_stats(self.device).get("reserved_bytes.all.current", 0)


def release(holder, names, device):
    missing = set(names).difference(holder)
    if missing:
        raise KeyError(*missing)
    for key in [key for key in holder if key in names]:
        del holder[key]
    with Release(device) as measured:
        pass
    return measured.bytes
