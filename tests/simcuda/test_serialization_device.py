"""Files, pickles and copies keep the device; map_location decides otherwise."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from ptquiz.simcuda import Machine, NotModelled, simulated_cuda


def _saved(value: Any, **options: Any) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize("zipped", [True, False])
def test_the_tag_is_kept(machine: Machine, zipped: bool) -> None:
    """A tensor of cuda:1 comes back on cuda:1, equal, and views still share."""
    x = torch.arange(6.0, device="cuda:1")
    back = torch.load(
        _saved({"x": x, "view": x[2:]}, _use_new_zipfile_serialization=zipped), weights_only=False
    )
    assert back["x"].device == torch.device("cuda", 1) and torch.equal(back["x"].cpu(), x.cpu())
    assert back["view"].data_ptr() == back["x"].data_ptr() + 8


@pytest.mark.parametrize(
    ("where", "want"),
    [
        ("cpu", "cpu"),
        ("cuda:0", "cuda:0"),
        ({"cuda:1": "cuda:0"}, "cuda:0"),
        (torch.device("cuda"), "cuda:0"),
        (lambda storage, tag: storage, "cpu"),
        (lambda storage, tag: storage.cuda(1), "cuda:1"),
        (None, "cuda:1"),
    ],
)
def test_map_location(machine: Machine, where: Any, want: str) -> None:
    """Every kind of map_location."""
    back = torch.load(_saved(nn.Linear(2, 1).to("cuda:1").state_dict()), map_location=where)
    assert str(back["weight"].device) == want


def test_a_device_that_is_not_there() -> None:
    """A tag for cuda:3 on a machine with one device."""
    with simulated_cuda(devices=4):
        buffer = _saved(torch.ones(2, device="cuda:3"))
    with simulated_cuda(devices=1):
        with pytest.raises(RuntimeError, match=r"on CUDA device 3 but torch.cuda.device_count\(\) is 1"):
            torch.load(buffer)
        buffer.seek(0)
        assert torch.load(buffer, map_location="cuda").get_device() == 0
    buffer.seek(0)
    with pytest.raises(RuntimeError, match=r"torch\.cuda\.is_available"):
        torch.load(buffer)
    buffer.seek(0)
    assert torch.load(buffer, map_location="cpu").tolist() == [1.0, 1.0]


def test_pickle_and_deepcopy(machine: Machine) -> None:
    """Both keep the device and copy the memory; deepcopy keeps sharing inside."""
    net = nn.Linear(3, 2).to("cuda:1")
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin.weight.device == net.weight.device and twin.weight.data_ptr() != net.weight.data_ptr()
        assert torch.equal(twin.weight.cpu(), net.weight.cpu())
    x = torch.ones(4, device="cuda")
    first, second = copy.deepcopy([x, x[1:]])
    first[1] = 7
    assert first.is_cuda and second[0].item() == 7 and x[1].item() == 1


def test_loading_into_a_model(machine: Machine) -> None:
    """`load_state_dict` copies host values to a device model, and the other way round."""
    source, target = nn.Linear(2, 2), nn.Linear(2, 2).cuda()
    target.load_state_dict(source.state_dict())
    assert target.weight.is_cuda and torch.equal(target.weight.cpu(), source.weight)
    source.load_state_dict({name: value * 2 for name, value in target.state_dict().items()})
    assert not source.weight.is_cuda and torch.equal(source.weight, target.weight.cpu() * 2)


def test_storages(machine: Machine) -> None:
    """A storage says where it is, and moves."""
    storage = torch.arange(4, dtype=torch.uint8, device="cuda").untyped_storage()
    assert storage.is_cuda and storage.device == torch.device("cuda", 0) and storage.get_device() == 0
    assert not storage.cpu().is_cuda and storage.cpu().tolist() == [0, 1, 2, 3]
    assert storage.clone().is_cuda and storage.cuda(1).get_device() == 1
    assert storage.data_ptr() == torch.tensor([], dtype=torch.uint8, device="cuda").set_(storage).data_ptr()


def test_no_sharing_between_processes(machine: Machine) -> None:
    """CUDA IPC is not modelled, and says so."""
    with pytest.raises(NotModelled, match="sharing device memory"):
        torch.ones(2, device="cuda").share_memory_()
    with pytest.raises(NotModelled, match="sharing device memory"):
        nn.Linear(2, 2).cuda().share_memory()
    from torch.multiprocessing.reductions import reduce_tensor

    with pytest.raises(NotModelled, match="sharing device memory"):
        reduce_tensor(torch.ones(2, device="cuda"))
