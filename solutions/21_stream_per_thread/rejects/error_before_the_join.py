"""test_joined_after_an_error: the error is raised before the streams are joined."""

import queue
import threading

import torch


def parallel_map(fn, items, n_threads):
    caller = torch.cuda.current_stream()
    given = caller.record_event()
    todo = queue.SimpleQueue()
    for i in range(len(items)):
        todo.put(i)
    results, errors = [None] * len(items), {}

    def work(stream):
        torch.cuda.set_stream(stream)
        stream.wait_event(given)
        while True:
            try:
                i = todo.get_nowait()
            except queue.Empty:
                return
            try:
                results[i] = fn(items[i])
            except BaseException as error:
                errors[i] = error

    streams = [torch.cuda.Stream() for _ in range(min(n_threads, len(items)))]
    threads = [threading.Thread(target=work, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[min(errors)]
    for stream in streams:
        caller.wait_stream(stream)
    for result in results:
        result.record_stream(caller)
    return results
