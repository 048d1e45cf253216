"""A concurrent.futures.Future holds value or error; itertools.cycle; set_stream with try/finally."""

from concurrent.futures import Future
from itertools import cycle

import torch


def _tensors(*values):
    return [v for v in values if torch.is_tensor(v) and v.device.type == "cuda"]


class _Task:
    def __init__(self):
        self.future = Future()
        self.event = torch.cuda.Event()

    def result(self):
        self.event.wait()
        value = self.future.result()
        for t in _tensors(value):
            t.record_stream(torch.cuda.current_stream())
        return value


class StreamPool:
    def __init__(self, n_streams):
        self.streams = tuple(torch.cuda.Stream() for _ in range(n_streams))
        self.next_stream = cycle(self.streams)
        self.open = True

    def apply_async(self, fn, *args):
        if not self.open:
            raise RuntimeError("apply_async on a closed StreamPool")
        task, stream, caller = _Task(), next(self.next_stream), torch.cuda.current_stream()
        stream.wait_event(caller.record_event())
        torch.cuda.set_stream(stream)
        try:
            task.future.set_result(fn(*args))
        except BaseException as e:
            task.future.set_exception(e)
        finally:
            task.event.record(stream)
            torch.cuda.set_stream(caller)
        for t in _tensors(*args):
            t.record_stream(stream)
        return task

    def wait(self):
        for stream in self.streams:
            torch.cuda.current_stream().wait_event(stream.record_event())

    def close(self):
        self.open and self.wait()
        self.open = False

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()
        return False
