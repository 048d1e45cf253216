"""test_threads_end: workers wait for more on a queue for ever; nobody tells them to end."""

import queue
import threading

import torch


def parallel_map(fn, items, n_threads):
    device, caller = torch.cuda.current_device(), torch.cuda.current_stream()
    ready = caller.record_event()
    streams = [torch.cuda.Stream(device) for _ in range(n_threads)]
    results, errors, todo = [None] * len(items), {}, queue.Queue()

    def work(stream):
        torch.cuda.set_device(device)
        stream.wait_event(ready)
        with torch.cuda.stream(stream):
            while True:
                i = todo.get()
                try:
                    results[i] = fn(items[i])
                except Exception as e:
                    errors[i] = e
                finally:
                    todo.task_done()

    for s in streams:
        threading.Thread(target=work, args=(s,), daemon=True).start()
    for i in range(len(items)):
        todo.put(i)
    todo.join()
    for s in streams:
        caller.wait_stream(s)
    if errors:
        raise errors[min(errors)]
    for r in results:
        r.record_stream(caller)
    return results
