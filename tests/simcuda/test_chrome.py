"""The trace in Chrome's format: what Perfetto needs is there, and times agree."""

from __future__ import annotations

import json

import torch

from ptquiz.simcuda import chrome


def test_the_file_is_a_chrome_trace(machine, tmp_path):
    """Complete events have name, category, process, thread, begin and duration in microseconds."""
    s = torch.cuda.Stream(1)
    x = torch.ones(1 << 16).pin_memory().to("cuda", non_blocking=True)
    with torch.cuda.stream(s):
        torch.cuda._sleep(1_000_000)
    torch.cuda.synchronize(1)
    path = tmp_path / "trace.json"
    chrome.write(path, machine.trace, machine.waits, machine.races)
    events = json.loads(path.read_text("utf-8"))["traceEvents"]
    complete = {event["name"]: event for event in events if event["ph"] == "X"}
    sleep = next(op for op in machine.trace if op.kind == "sleep")
    assert complete["_sleep"]["ts"] == sleep.begin_ns / 1e3
    assert complete["_sleep"]["dur"] == (sleep.end_ns - sleep.begin_ns) / 1e3
    assert (complete["_sleep"]["pid"], complete["_sleep"]["tid"]) == (1, s.cuda_stream)
    assert complete["h2d"]["cat"] == "copy"
    assert complete["h2d"]["args"]["bytes"] == x.nbytes
    assert complete["h2d"]["args"]["pinned"] is True
    assert __file__ in complete["h2d"]["args"]["line"]
    assert complete["torch.cuda.synchronize"]["cat"] == "wait"
    assert all(event["dur"] >= 0 for event in complete.values())


def test_devices_streams_and_the_host_have_names(machine):
    """Processes are devices, threads are streams; both are named, and so is the host."""
    torch.ones(1, device="cuda")
    with torch.cuda.stream(torch.cuda.Stream(1)):
        torch.ones(1, device="cuda").item()
    names = {e["args"]["name"] for e in chrome.events(machine.trace, machine.waits) if e["ph"] == "M"}
    assert {"cuda:0", "cuda:1", "default stream", "host"} <= names


def test_races_are_instants_on_both_sides(machine):
    """Each side of a race has an instant with the report."""
    x = torch.ones(100, device="cuda")
    with torch.cuda.stream(torch.cuda.Stream()):
        x.add_(1)
    races = [e for e in chrome.events(machine.trace, (), machine.races) if e.get("cat") == "race"]
    assert [e["ph"] for e in races] == ["i", "i"]
    assert len({e["tid"] for e in races}) == 2
    assert "wait_stream" in races[0]["args"]["report"]
    machine.engine.forgive()
