"""test_failed_tasks_count: wait() leaves out tasks that raised."""

import torch


class Handle:
    def __init__(self, value, error, done):
        self.value, self.error, self.done = value, error, done

    def result(self):
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
        self.given = 0
        self.events = []
        self.closed = False

    def apply_async(self, fn, *args):
        if self.closed:
            raise RuntimeError("the pool is closed")
        stream = self.streams[self.given % len(self.streams)]
        self.given += 1
        stream.wait_stream(torch.cuda.current_stream())
        for arg in args:
            if isinstance(arg, torch.Tensor):
                arg.record_stream(stream)
        value, error = None, None
        with torch.cuda.stream(stream):
            try:
                value = fn(*args)
            except Exception as e:
                error = e
            done = stream.record_event()
        if error is None:
            self.events.append(done)
        return Handle(value, error, done)

    def wait(self):
        current = torch.cuda.current_stream()
        for done in self.events:
            current.wait_event(done)

    def close(self):
        if not self.closed:
            self.wait()
            self.closed = True

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close()
