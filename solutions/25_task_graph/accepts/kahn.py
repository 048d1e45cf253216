"""Kahn's algorithm by hand; fork by one event; every task's event is waited for in the join."""

from collections import deque

import torch


def run_graph(tasks, dependencies, n_streams):
    needs = {name: list(dependencies.get(name, [])) for name in tasks}
    for name, names in dependencies.items():
        for each in (name, *names):
            if each not in tasks:
                raise ValueError(f"unknown task {each!r}")
    users = {name: [] for name in tasks}
    missing = {}
    for name, names in needs.items():
        missing[name] = len(set(names))
        for each in set(names):
            users[each].append(name)
    ready = deque(name for name in tasks if missing[name] == 0)
    order = []
    while ready:
        name = ready.popleft()
        order.append(name)
        for user in users[name]:
            missing[user] -= 1
            if missing[user] == 0:
                ready.append(user)
    if len(order) < len(tasks):
        raise ValueError("cycle")

    main = torch.cuda.current_stream()
    start = main.record_event()
    lanes = [torch.cuda.Stream() for _ in range(n_streams)]
    for lane in lanes:
        lane.wait_event(start)
    out, ended = {}, {}
    for k, name in enumerate(order):
        lane = lanes[k % n_streams]
        with torch.cuda.stream(lane):
            for each in needs[name]:
                ended[each].wait()
            out[name] = tasks[name](*(out[each] for each in needs[name]))
            ended[name] = torch.cuda.Event()
            ended[name].record()
    for name in order:
        main.wait_event(ended[name])
        out[name].record_stream(main)
    return out
