"""torch.cuda, torch.accelerator and the tensors' own answers; and that closing puts everything back."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import nn

from ptquiz.simcuda import Machine, NotModelled, current_machine, simulated_cuda
from ptquiz.simcuda.machine import parse_size


def test_questions_about_the_machine(machine: Machine) -> None:
    """How many devices, what they are called, what they can do."""
    assert torch.cuda.is_available() and torch.cuda.device_count() == 2 and torch.cuda.is_initialized()
    torch.cuda.init()
    assert torch.cuda.get_device_name() == torch.cuda.get_device_name("cuda:1") == "Simulated CUDA Device"
    assert torch.cuda.get_device_capability(0) == (8, 0)
    properties = torch.cuda.get_device_properties("cuda")
    assert properties.total_memory == 1 << 30 and "total_memory=1024MB" in repr(properties)
    assert torch.cuda.can_device_access_peer(0, 1) and torch.cuda.is_bf16_supported()
    assert torch.cuda.get_arch_list() == ["sm_80"]


def test_the_current_device(machine: Machine) -> None:
    """set_device, the context managers, an index of -1, and a thread of its own."""
    torch.cuda.set_device("cuda:1")
    assert torch.cuda.current_device() == 1
    with torch.cuda.device(0), torch.cuda.device_of(torch.ones(1, device="cuda:1")):
        assert torch.cuda.current_device() == 1
    with torch.cuda.device(-1), torch.cuda.device(None):
        assert torch.cuda.current_device() == 1
    with pytest.raises(ZeroDivisionError), torch.cuda.device(0):
        _ = 1 / 0
    assert torch.cuda.current_device() == 1
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(torch.cuda.current_device()))
    thread.start()
    thread.join()
    assert seen == [0]


def test_accelerator(machine: Machine) -> None:
    """torch.accelerator names the same devices."""
    accelerator = torch.accelerator
    assert accelerator.is_available() and accelerator.device_count() == 2
    assert accelerator.current_accelerator() == torch.device("cuda")
    accelerator.set_device_index(1)
    assert accelerator.current_device_index() == torch.cuda.current_device() == 1
    with accelerator.device_index(0):
        assert torch.cuda.current_device() == 0
    assert torch.get_device_module() is torch.cuda


def test_getters(machine: Machine) -> None:
    """What a tensor says of itself; views share memory, addresses are of the device."""
    x = torch.arange(6.0, device="cuda:1").view(2, 3)
    assert x.device == torch.device("cuda", 1) and x.is_cuda and not x.is_cpu and x.get_device() == 1
    assert x[1].data_ptr() == x.data_ptr() + 12 == x.t()[:, 1].data_ptr()
    assert x.untyped_storage().data_ptr() == x.data_ptr()
    assert torch.empty(0, device="cuda").data_ptr() == 0
    assert x.is_shared() and not x.is_pinned()
    assert repr(x) == "tensor([[0., 1., 2.],\n        [3., 4., 5.]], device='cuda:1')"
    host = torch.ones(1)
    assert host.device == torch.device("cpu") and host.get_device() == -1 and host.is_cpu
    parameter = nn.Parameter(torch.ones(1, device="cuda"))
    assert parameter.is_cuda and "device='cuda:0'" in repr(parameter)


def test_modules_move_in_place(machine: Machine) -> None:
    """`.to`, `.cuda`, `.cpu` of a module keep the parameters' identity and move gradients and buffers."""
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    weight = net[0].weight
    net(torch.randn(4, 2)).sum().backward()
    assert net.to("cuda:1") is net and net[0].weight is weight
    assert weight.is_cuda and weight.grad is not None and weight.grad.get_device() == 1
    assert net[1].running_mean.get_device() == 1 and net[1].num_batches_tracked.is_cuda
    net.cuda()
    assert weight.get_device() == 0
    net.cpu()
    assert weight.device.type == "cpu" and weight.grad.device.type == "cpu"
    net.half().cuda().float()
    assert weight.is_cuda and weight.dtype is torch.float32


def test_pinned_memory(machine: Machine) -> None:
    """Pinned tensors are host tensors; their views are pinned, results of operators are not."""
    x = torch.ones(4).pin_memory()
    assert x.is_pinned() and x.device.type == "cpu" and x.pin_memory() is x
    assert x[1:].is_pinned() and not (x + 1).is_pinned() and not x.clone().is_pinned()


@pytest.mark.parametrize("workers", [0, 1])
def test_data_loader_pins(machine: Machine, workers: int) -> None:
    """pin_memory=True, with and without a worker process."""
    data = torch.utils.data.TensorDataset(torch.arange(6.0), torch.arange(6))
    loader = torch.utils.data.DataLoader(data, 4, pin_memory=True, num_workers=workers)
    batches = [(x.is_pinned() and y.is_pinned(), x.cuda(non_blocking=True).tolist()) for x, y in loader]
    assert batches == [(True, [0.0, 1.0, 2.0, 3.0]), (True, [4.0, 5.0])]


def test_sizes() -> None:
    """Sizes as people write them."""
    assert [parse_size(s) for s in ("256MiB", "16GiB", "2 GB", "100", 7)] == [
        256 << 20,
        16 << 30,
        2 * 10**9,
        100,
        7,
    ]
    for wrong in ("", "GiB", "many", "3 parsecs"):
        with pytest.raises(ValueError, match="not a size"):
            parse_size(wrong)
    with pytest.raises(ValueError, match="at least one device"):
        simulated_cuda(devices=0).__enter__()


def test_one_at_a_time() -> None:
    """A second machine inside the first is refused; afterwards one may be opened again."""
    assert current_machine() is None
    with simulated_cuda() as machine:
        assert current_machine() is machine
        with pytest.raises(RuntimeError, match="already open"), simulated_cuda():
            pass
        assert torch.ones(1, device="cuda").is_cuda
    assert current_machine() is None
    with simulated_cuda(devices=3):
        assert torch.cuda.device_count() == 3


def _owners() -> list[Any]:
    from torch.nn.parallel import _functions, comm
    from torch.utils import _device, _foreach_utils

    return [
        torch,
        torch.Tensor,
        torch.UntypedStorage,
        torch._C,
        torch.cuda,
        torch.cuda.random,
        torch.cuda.memory,
        torch.cuda.streams,
        torch.cuda.nvtx,
        torch.cuda.graphs,
        torch.cuda.nccl,
        torch.cuda.amp,
        torch.accelerator,
        torch.fft,
        torch.nested,
        torch.utils.dlpack,
        torch.backends.cudnn,
        _functions,
        comm,
        _device,
        _device.DeviceContext,
        _foreach_utils,
        torch.serialization,
        threading,
        threading.Thread,
        torch.autograd,
        torch.distributed,
        torch.nn.Module,
        torch.random,
        torch.amp,
        torch.autograd.graph,
        torch.autograd.Function,
        torch.autograd.function.BackwardCFunction,
    ]


def _snapshot() -> dict[tuple[int, str], Any]:
    return {
        (index, name): value
        for index, owner in enumerate(_owners())
        for name, value in vars(owner).items()
        if name not in ("__abstractmethods__", "_abc_impl")
    }


def test_closing_restores_every_attribute() -> None:
    """Not one attribute of torch's modules and classes differs afterwards, also when the block raises."""
    with simulated_cuda():  # whatever torch imports lazily is imported now
        nn.Linear(2, 2).cuda()(torch.ones(1, 2, device="cuda")).sum().backward()
        with torch.autocast("cuda"):
            nn.Linear(2, 2).cuda()(torch.ones(1, 2, device="cuda"))
    before = _snapshot()
    registry = list(torch.serialization._package_registry)
    with pytest.raises(ZeroDivisionError), simulated_cuda(devices=2):
        torch.set_default_device("cuda:1")
        with torch.autocast("cuda"):
            nn.Linear(2, 2)(torch.ones(1, 2)).sum().backward()
        torch.cuda.manual_seed_all(1)
        _ = 1 / 0
    after = _snapshot()
    assert before.keys() == after.keys()
    assert [key for key in before if before[key] is not after[key]] == []
    assert registry == torch.serialization._package_registry
    assert torch.get_default_device() == torch.device("cpu") and not torch.is_autocast_enabled("cpu")
    assert torch._C._len_torch_dispatch_stack() == 0


def test_tensors_outlive_the_machine() -> None:
    """What was a device tensor is a host tensor then; a new machine does not take it for its own."""
    with simulated_cuda(devices=4):
        x = torch.ones(3, device="cuda:3")
    assert x.device.type == "cpu" and (x + 1).tolist() == [2.0, 2.0, 2.0]
    with simulated_cuda(devices=1):
        assert x.device.type == "cpu" and not x.is_cuda
        assert (x + 1).device.type == "cpu" and x.cuda().get_device() == 0
        del x


def test_without_a_machine_nothing_is_there() -> None:
    """Outside, torch says what it says on this computer."""
    if not torch.cuda.is_available():
        with pytest.raises((RuntimeError, AssertionError)):
            torch.ones(1, device="cuda")


def test_what_is_not_modelled_says_so(machine: Machine) -> None:
    """Refusals name the thing."""
    x = torch.ones(2, device="cuda")
    for call, word in (
        (lambda: torch.compile(nn.Linear(1, 1)), "torch.compile"),
        (lambda: torch.cuda.CUDAGraph(), "CUDA graphs"),
        (lambda: torch.cuda.make_graphed_callables(nn.Linear(1, 1), ()), "CUDA graphs"),
        (lambda: torch.utils.dlpack.to_dlpack(x), "DLPack"),
        (lambda: x.__dlpack__(), "DLPack"),
        (lambda: x.__cuda_array_interface__, "__cuda_array_interface__"),
        (lambda: x.to_sparse(), "sparse"),
        (lambda: torch.nested.nested_tensor([x]), "nested"),
        (lambda: torch.cuda.utilization(), "utilization"),
        (lambda: torch.cuda.profiler.start(), "profiler"),
    ):
        with pytest.raises(NotModelled, match=word):
            call()
    assert torch.cuda.nvtx.range_push("a") == 0 and torch.cuda.nvtx.range_pop() == 0
    with torch.cuda.nvtx.range("b"):
        torch.cuda.nvtx.mark("c")
