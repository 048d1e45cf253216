"""torch.cuda.memory_snapshot."""

from __future__ import annotations

import pickle

import pytest
import torch

from ptquiz.simcuda import simulated_cuda

MIB = 1 << 20


@pytest.fixture(autouse=True)
def machine():
    with simulated_cuda(devices=2, memory="256MiB") as machine:
        yield machine


def test_a_snapshot_is_the_map_of_the_memory():
    """Segments by address, each with its blocks in order, states and sizes that add up."""
    keep = [torch.empty(n, device="cuda") for n in (100, 1000, 2 * MIB)]
    del keep[0]
    segments = torch.cuda.memory_snapshot()
    assert [s["segment_type"] for s in segments] == ["small", "large"]
    for segment in segments:
        blocks = segment["blocks"]
        assert sum(b["size"] for b in blocks) == segment["total_size"]
        assert sum(b["size"] for b in blocks if b["state"] == "active_allocated") == segment["allocated_size"]
        at = segment["address"]
        for block in blocks:
            assert block["address"] == at
            at += block["size"]
    assert [b["state"] for b in segments[0]["blocks"]] == ["inactive", "active_allocated", "inactive"]
    assert segments[0]["blocks"][1]["requested_size"] == 4000
    assert sum(s["total_size"] for s in segments) == torch.cuda.memory_reserved()
    assert sum(s["allocated_size"] for s in segments) == torch.cuda.memory_allocated()


def test_all_devices_are_in_it():
    """The device of each segment is named."""
    tensors = [torch.empty(10, device=f"cuda:{i}") for i in range(2)]
    assert [s["device"] for s in torch.cuda.memory_snapshot()] == [0, 1]
    del tensors


def test_the_large_snapshot(tmp_path):
    """_snapshot has PyTorch's shape; without recorded history its traces are empty, and it can be written."""
    x = torch.empty(10, device="cuda")
    snapshot = torch.cuda.memory._snapshot()
    assert len(snapshot["segments"]) == 1
    assert snapshot["device_traces"] == [[], []]
    torch.cuda.memory._dump_snapshot(str(tmp_path / "snapshot.pickle"))
    with (tmp_path / "snapshot.pickle").open("rb") as file:
        assert pickle.load(file)["segments"] == snapshot["segments"]
    del x
