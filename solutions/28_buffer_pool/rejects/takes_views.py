"""test_foreign_tensor: a view of a lent tensor that begins where it does is taken for it"""

import math

import torch


class BufferPool:
    def __init__(self, capacity, device):
        self.capacity, self.device = capacity, device
        self.owned, self.free, self.lent, self.gone = 0, [], {}, []

    def acquire(self, shape, dtype):
        nbytes = math.prod(shape) * dtype.itemsize
        fitting = [i for i, (memory, _) in enumerate(self.free) if memory.numel() >= nbytes]
        if fitting:
            memory, event = self.free.pop(min(fitting, key=lambda i: self.free[i][0].numel()))
            torch.cuda.current_stream().wait_event(event)
        else:
            if self.owned + nbytes > self.capacity:
                raise MemoryError("the pool is full")
            memory = torch.empty(nbytes, dtype=torch.uint8, device=self.device)
            self.owned += nbytes
        tensor = memory[:nbytes].view(dtype).view(shape)
        self.lent[tensor.data_ptr()] = tensor, memory
        return tensor

    def release(self, tensor):
        lent, memory = self.lent.get(tensor.data_ptr(), (None, None))
        if lent is None or any(old is tensor for old in self.gone):
            raise ValueError("not lent by this pool")
        del self.lent[tensor.data_ptr()]
        self.gone.append(tensor)
        self.free.append((memory, torch.cuda.current_stream().record_event()))
