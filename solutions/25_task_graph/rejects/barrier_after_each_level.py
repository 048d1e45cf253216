"""test_critical_path: level by level, with a barrier of all streams in between."""

import torch


def run_graph(tasks, dependencies, n_streams):
    if unknown := {n for k, v in dependencies.items() for n in (k, *v)} - set(tasks):
        raise ValueError(unknown)
    levels, placed = [], set()
    while len(placed) < len(tasks):
        level = [t for t in tasks if t not in placed and all(d in placed for d in dependencies.get(t, ()))]
        if not level:
            raise ValueError("cycle")
        levels.append(level)
        placed |= set(level)
    caller = torch.cuda.current_stream()
    streams = [torch.cuda.Stream() for _ in range(n_streams)]
    results = {}
    for level in levels:
        for s in streams:
            s.wait_stream(caller)
        for i, name in enumerate(level):
            s = streams[i % n_streams]
            for d in dependencies.get(name, ()):
                results[d].record_stream(s)
            with torch.cuda.stream(s):
                results[name] = tasks[name](*[results[d] for d in dependencies.get(name, ())])
        for s in streams:
            caller.wait_stream(s)
    for r in results.values():
        r.record_stream(caller)
    return results
