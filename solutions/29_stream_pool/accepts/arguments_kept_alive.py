"""No record_stream for arguments: the pool keeps them until the caller's stream has waited for their task."""

import contextlib

import torch


class Handle:
    __slots__ = ("outcome", "event")

    def __init__(self, outcome, event):
        self.outcome, self.event = outcome, event

    def result(self):
        torch.cuda.current_stream().wait_event(self.event)
        return self.outcome()


class StreamPool(contextlib.AbstractContextManager):
    def __init__(self, n_streams):
        self._streams = [torch.cuda.Stream(priority=0) for _ in range(n_streams)]
        self._turn, self._kept, self._is_closed = 0, [], False

    def apply_async(self, fn, *args):
        if self._is_closed:
            raise RuntimeError("closed")
        self._release()
        stream, home = self._streams[self._turn], torch.cuda.current_stream()
        self._turn = (self._turn + 1) % len(self._streams)
        stream.wait_stream(home)
        with stream:
            try:
                value = fn(*args)
            except Exception as error:
                outcome = self._raiser(error)
            else:
                outcome = self._returner(value)
            event = torch.cuda.Event()
            event.record()
        self._kept.append((event, args))
        return Handle(outcome, event)

    def _release(self):
        # Asking does not wait; what has not ended is kept for longer.
        self._kept = [(event, args) for event, args in self._kept if not event.query()]

    @staticmethod
    def _raiser(error):
        def outcome():
            raise error

        return outcome

    @staticmethod
    def _returner(value):
        def outcome():
            if isinstance(value, torch.Tensor):
                value.record_stream(torch.cuda.current_stream())
            return value

        return outcome

    def wait(self):
        for event, _ in self._kept:
            event.wait()
        self._release()

    def close(self):
        self.wait()
        self._is_closed = True

    def __exit__(self, *_):
        self.close()
        return None
