"""as_strided views of byte tensors; the tensors in use are recognised by weak references to them."""

import math
import weakref

import torch


class BufferPool:
    def __init__(self, capacity, device):
        self._capacity, self._device = capacity, device
        self._blocks = []

    def acquire(self, shape, dtype):
        need = math.prod(shape) * dtype.itemsize
        chosen = None
        for block in self._blocks:
            fits = block["lent"] is None and block["size"] >= need
            if fits and (chosen is None or block["size"] < chosen["size"]):
                chosen = block
        if chosen is None:
            if need + sum(b["size"] for b in self._blocks) > self._capacity:
                raise MemoryError("pool exhausted")
            memory = torch.empty((need,), dtype=torch.uint8, device=self._device)
            chosen = {"size": need, "bytes": memory, "released": None}
            self._blocks.append(chosen)
        if chosen["released"] is not None:
            torch.cuda.current_stream().wait_event(chosen["released"])
        usable = chosen["size"] // dtype.itemsize * dtype.itemsize
        strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        out = chosen["bytes"][:usable].view(dtype).as_strided(tuple(shape), strides)
        chosen["lent"] = weakref.ref(out)
        return out

    def release(self, tensor):
        for block in self._blocks:
            if block["lent"] is not None and block["lent"]() is tensor:
                block["lent"] = None
                block["released"] = torch.cuda.Event()
                block["released"].record()
                return
        raise ValueError("release of a tensor that is not in use")
