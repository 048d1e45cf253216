"""Keeps untyped storages, and makes each lent tensor by set_; waits only when the stream has changed."""

import torch


class PoolError(ValueError):
    pass


class PoolFull(MemoryError):
    pass


class BufferPool:
    def __init__(self, capacity, device):
        self._capacity = capacity
        self._device = device
        self._all = {}  # address -> (storage, size)
        self._free = {}  # address -> (stream, event)
        self._holders = {}  # address -> tensor

    def _bytes(self):
        return sum(size for _, size in self._all.values())

    def acquire(self, shape, dtype):
        count = 1
        for n in shape:
            count *= n
        need = count * dtype.itemsize
        best = None
        for address in self._free:
            size = self._all[address][1]
            if size >= need and (best is None or size < self._all[best][1]):
                best = address
        here = torch.cuda.current_stream()
        if best is None:
            if self._bytes() + need > self._capacity:
                raise PoolFull()
            flat = torch.empty(need, dtype=torch.uint8, device=self._device)
            best = flat.data_ptr()
            self._all[best] = flat.untyped_storage(), need
        else:
            stream, event = self._free.pop(best)
            if stream != here:
                here.wait_event(event)
        tensor = torch.empty(0, dtype=dtype, device=self._device).set_(self._all[best][0])
        tensor = tensor[:count].view(shape)
        self._holders[best] = tensor
        return tensor

    def release(self, tensor):
        address = tensor.untyped_storage().data_ptr() if tensor.is_cuda else None
        if self._holders.get(address) is not tensor:
            raise PoolError("not held")
        del self._holders[address]
        here = torch.cuda.current_stream()
        self._free[address] = here, here.record_event()
