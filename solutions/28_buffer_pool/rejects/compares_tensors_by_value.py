"""test_allocates_just_enough: `in` and `remove` compare tensors by value."""

import torch


class BufferPool:
    def __init__(self, capacity, device):
        self.device = device
        self.left = capacity
        self.free = []
        self.used = []

    def acquire(self, shape, dtype):
        nbytes = torch.Size(shape).numel() * dtype.itemsize
        self.free.sort(key=lambda pair: len(pair[0]))
        for i in range(len(self.free)):
            if len(self.free[i][0]) >= nbytes:
                memory, event = self.free.pop(i)
                torch.cuda.current_stream().wait_event(event)
                break
        else:
            if nbytes > self.left:
                raise MemoryError("full")
            memory = torch.empty(nbytes, dtype=torch.uint8, device=self.device)
            self.left -= nbytes
        tensor = memory[:nbytes].view(dtype).reshape(shape)
        self.used.append((tensor, memory))
        return tensor

    def release(self, tensor):
        for i, (mine, memory) in enumerate(self.used):
            if mine.shape == tensor.shape and bool((mine == tensor).all()):
                del self.used[i]
                self.free.append((memory, torch.cuda.current_stream().record_event()))
                return
        raise ValueError("not in use")
