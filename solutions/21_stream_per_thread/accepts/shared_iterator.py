"""One shared iterator under a lock; worker streams are joined by a chain of waits; terse."""

import threading

import torch


def parallel_map(fn, items, n_threads):
    device, home, out = torch.cuda.current_device(), torch.cuda.current_stream(), {}
    source, lock = iter(enumerate(items)), threading.Lock()
    streams = [torch.cuda.Stream(device) for _ in range(n_threads)]

    def loop(stream):
        with torch.cuda.device(device), stream:
            stream.wait_stream(home)
            while True:
                with lock:
                    pair = next(source, None)
                if pair is None:
                    break
                i, item = pair
                try:
                    out[i] = (fn(item), None)
                except Exception as e:
                    out[i] = (None, e)

    threads = [threading.Thread(target=loop, args=(s,), daemon=True) for s in streams]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for s in streams:
        home.wait_stream(s)
    for i in range(len(out)):
        if out[i][1] is not None:
            raise out[i][1]
        out[i][0].record_stream(home)
    return [out[i][0] for i in range(len(out))]
