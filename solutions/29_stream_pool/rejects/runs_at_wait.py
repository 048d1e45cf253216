"""test_results: apply_async only notes the task; wait() or result() runs it."""

import torch


class Handle:
    def __init__(self, pool):
        self.pool, self.value, self.error, self.done = pool, None, None, None

    def result(self):
        self.pool.wait()
        current = torch.cuda.current_stream()
        current.wait_event(self.done)
        if self.error is not None:
            raise self.error
        if isinstance(self.value, torch.Tensor):
            self.value.record_stream(current)
        return self.value


class StreamPool:
    def __init__(self, n_streams):
        self.streams = [torch.cuda.Stream() for _ in range(n_streams)]
        self.given, self.closed, self.todo = 0, False, []

    def apply_async(self, fn, *args):
        if self.closed:
            raise RuntimeError("the pool is closed")
        handle = Handle(self)
        self.todo.append((handle, fn, args))
        return handle

    def wait(self):
        current = torch.cuda.current_stream()
        for handle, fn, args in self.todo:
            stream = self.streams[self.given % len(self.streams)]
            self.given += 1
            stream.wait_stream(current)
            with torch.cuda.stream(stream):
                try:
                    handle.value = fn(*args)
                except Exception as e:
                    handle.error = e
                handle.done = stream.record_event()
        self.todo.clear()
        for stream in self.streams:
            current.wait_stream(stream)

    def close(self):
        self.wait()
        self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()
