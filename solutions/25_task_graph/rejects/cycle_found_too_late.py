"""test_cycles: what can run is run, and the rest is found to be a cycle afterwards."""

import torch


def run_graph(tasks, dependencies, n_streams):
    if unknown := {n for k, v in dependencies.items() for n in (k, *v)} - set(tasks):
        raise ValueError(unknown)
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    for s in streams:
        s.wait_stream(caller)
    results, done, i = {}, {}, 0
    while len(results) < len(tasks):
        ready = [t for t in tasks if t not in results and all(d in results for d in dependencies.get(t, ()))]
        if not ready:
            raise ValueError("cycle")
        for name in ready:
            s = streams[i % n_streams]
            i += 1
            needed = dependencies.get(name, ())
            for d in needed:
                s.wait_event(done[d])
                results[d].record_stream(s)
            with torch.cuda.stream(s):
                results[name] = tasks[name](*[results[d] for d in needed])
                done[name] = s.record_event()
    for s in streams:
        caller.wait_stream(s)
    for r in results.values():
        r.record_stream(caller)
    return results
