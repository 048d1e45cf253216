"""The caller's stream is one of the n; repeated passes in place of a queue; set_stream with try/finally."""

import torch


def run_graph(tasks, dependencies, n_streams):
    known = set(tasks)
    if not set(dependencies) <= known or any(not set(v) <= known for v in dependencies.values()):
        raise ValueError("unknown name in dependencies")
    order, left = [], list(tasks)
    while left:
        now = [t for t in left if all(d in order for d in dependencies.get(t, ()))]
        if not now:
            raise ValueError(f"cycle among {left}")
        order += now
        left = [t for t in left if t not in now]

    home = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams - 1)] + [home]
    fork = torch.cuda.Event()
    fork.record(home)
    for s in streams[:-1]:
        s.wait_event(fork)
    where, events, out = {}, {}, {}
    try:
        for k, t in enumerate(order):
            s = where[t] = streams[k % n_streams]
            torch.cuda.set_stream(s)
            args = []
            for d in dependencies.get(t, ()):
                if where[d] != s:
                    s.wait_event(events[d])
                    out[d].record_stream(s)
                args.append(out[d])
            out[t] = tasks[t](*args)
            events[t] = s.record_event()
    finally:
        torch.cuda.set_stream(home)
        for s in streams[:-1]:
            home.wait_stream(s)
    for r in out.values():
        r.record_stream(home)
    return out
