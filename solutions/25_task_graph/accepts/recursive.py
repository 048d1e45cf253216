"""Depth-first: dependencies are launched first; the first child goes on its parent's stream."""

import torch


class Graph:
    def __init__(self, tasks, dependencies, n_streams):
        self.tasks, self.dependencies = tasks, dependencies
        self.check()
        self.home = torch.cuda.current_stream()
        self.pool = [torch.cuda.Stream() for _ in range(n_streams)]
        for stream in self.pool:
            stream.wait_stream(self.home)
        self.turn = 0
        self.nodes = {}
        self.continued = set()

    def check(self):
        white, grey = set(self.tasks), set()

        def visit(name):
            if name not in self.tasks:
                raise ValueError(f"{name} is no task")
            if name in grey:
                raise ValueError(f"{name} needs itself")
            if name in white:
                white.discard(name)
                grey.add(name)
                for other in self.dependencies.get(name, ()):
                    visit(other)
                grey.discard(name)

        for name in [*self.tasks, *self.dependencies]:
            visit(name)

    def stream_for(self, parents):
        for parent in parents:
            if parent not in self.continued:
                self.continued.add(parent)
                return self.nodes[parent][1]
        stream = self.pool[self.turn % len(self.pool)]
        self.turn += 1
        return stream

    def run(self, name):
        if name not in self.nodes:
            parents = self.dependencies.get(name, ())
            for parent in parents:
                self.run(parent)
            stream = self.stream_for(parents)
            for parent in parents:
                result, other, event = self.nodes[parent]
                if other is not stream:
                    stream.wait_event(event)
            with torch.cuda.stream(stream):
                result = self.tasks[name](*(self.nodes[p][0] for p in parents))
            self.nodes[name] = (result, stream, stream.record_event())
        return self.nodes[name][0]


def run_graph(tasks, dependencies, n_streams):
    graph = Graph(tasks, dependencies, n_streams)
    results = {name: graph.run(name) for name in tasks}
    for stream in graph.pool:
        graph.home.wait_stream(stream)
    for result in results.values():
        result.record_stream(graph.home)
    return results
