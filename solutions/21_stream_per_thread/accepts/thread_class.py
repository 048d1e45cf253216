"""A Thread subclass with a fixed share of the items; events for the join."""

import threading

import torch


class Worker(threading.Thread):
    def __init__(self, fn, share, device, start_event, home):
        super().__init__()
        self.fn, self.share, self.device = fn, share, device
        self.start_event, self.home = start_event, home
        self.done, self.end = {}, None

    def run(self):
        with torch.cuda.device(self.device):
            stream = torch.cuda.Stream()
            with torch.cuda.stream(stream):
                stream.wait_event(self.start_event)
                for index, item in self.share:
                    try:
                        result = self.fn(item)
                        result.record_stream(self.home)
                        self.done[index] = (True, result)
                    except Exception as error:
                        self.done[index] = (False, error)
                self.end = stream.record_event()


def parallel_map(fn, items, n_threads):
    home = torch.cuda.current_stream()
    start = home.record_event()
    numbered = list(enumerate(items))
    workers = [
        Worker(fn, numbered[k::n_threads], torch.cuda.current_device(), start, home) for k in range(n_threads)
    ]
    [w.start() for w in workers]
    [w.join() for w in workers]
    outcome = {}
    for w in workers:
        home.wait_event(w.end)
        outcome.update(w.done)
    out = []
    for index in range(len(items)):
        ok, value = outcome[index]
        if not ok:
            raise value
        out.append(value)
    return out
