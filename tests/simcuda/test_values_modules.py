"""Modules and functions on the simulated device give the CPU's values and gradients."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ptquiz.simcuda import Machine

MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2)), (3, 4)),
    "conv": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.ConvTranspose2d(8, 2, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ),
        (2, 3, 12, 12),
    ),
    "norms": (lambda: nn.Sequential(nn.LayerNorm(4), nn.BatchNorm1d(4), nn.RMSNorm(4)), (5, 4)),
    "groupnorm": (lambda: nn.Sequential(nn.GroupNorm(2, 4), nn.InstanceNorm1d(4)), (2, 4, 6)),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), (2, 5, 8)),
    "bilinear": (lambda: nn.Sequential(nn.Linear(4, 4), nn.Softmax(-1), nn.PReLU()), (3, 4)),
}


@pytest.mark.parametrize("name", MODULES)
def test_module_equals_the_cpus(machine: Machine, name: str) -> None:
    """Output, gradients and buffers equal the CPU's and live on the device."""
    make, shape = MODULES[name]
    torch.manual_seed(0)
    reference = make()
    model = copy.deepcopy(reference).to("cuda:1")
    x = torch.randn(shape)
    out, want = model(x.to("cuda:1")), reference(x)
    assert out.device == torch.device("cuda", 1)
    torch.testing.assert_close(out.cpu(), want)
    (out**2).sum().backward()
    (want**2).sum().backward()
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        assert ours.grad is not None and ours.grad.get_device() == 1
        torch.testing.assert_close(ours.grad.cpu(), theirs.grad)
    for ours, theirs in zip(model.buffers(), reference.buffers(), strict=True):
        assert ours.get_device() == 1
        torch.testing.assert_close(ours.cpu(), theirs)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers(machine: Machine, kind: Any) -> None:
    """Recurrent layers run, packed sequences too, and their gradients stay on the device."""
    layer = kind(4, 8, 2, batch_first=True, bidirectional=True).cuda()
    reference = copy.deepcopy(layer).cpu()
    x = torch.randn(2, 5, 4)
    out, _ = layer(x.cuda())
    torch.testing.assert_close(out.cpu(), reference(x)[0])
    packed = nn.utils.rnn.pack_padded_sequence(x.cuda(), torch.tensor([5, 3]), batch_first=True)
    padded, lengths = nn.utils.rnn.pad_packed_sequence(layer(packed)[0], batch_first=True)
    padded.sum().backward()
    assert padded.is_cuda and lengths.tolist() == [5, 3]
    assert layer.weight_hh_l0.grad.is_cuda


def test_attention(machine: Machine) -> None:
    """Multi-head attention, with weights, in training and evaluation, and the functional form."""
    layer = nn.MultiheadAttention(8, 2, batch_first=True).cuda()
    x = torch.randn(2, 5, 8, device="cuda")
    out, weights = layer(x, x, x)
    out.sum().backward()
    assert out.is_cuda and weights.is_cuda and layer.in_proj_weight.grad.is_cuda
    layer.eval()
    with torch.no_grad():
        torch.testing.assert_close(layer(x, x, x, need_weights=False)[0].cpu(), out.detach().cpu())
    heads = x.view(2, 1, 5, 8)
    assert F.scaled_dot_product_attention(heads, heads, heads, is_causal=True).is_cuda


def test_embedding_and_losses(machine: Machine) -> None:
    """Integer targets, embeddings and the usual losses."""
    table = nn.Embedding(5, 3, device="cuda")
    rows = table(torch.tensor([[1, 4], [0, 2]], device="cuda"))
    F.cross_entropy(rows.flatten(0, 1), torch.tensor([0, 1, 2, 0], device="cuda")).backward()
    assert table.weight.grad is not None and table.weight.grad.is_cuda
    logits = torch.randn(4, device="cuda", requires_grad=True)
    F.binary_cross_entropy_with_logits(logits, torch.ones(4, device="cuda")).backward()
    assert logits.grad is not None and logits.grad.is_cuda
    log_probs = torch.randn(5, 2, 4, device="cuda").log_softmax(2)
    lengths = torch.tensor([5, 5]), torch.tensor([3, 2])
    loss = F.ctc_loss(log_probs, torch.ones(2, 3, dtype=torch.long, device="cuda"), *lengths)
    assert loss.is_cuda and torch.isfinite(loss).item()


FUNCTIONS: dict[str, Callable[[torch.Tensor], Any]] = {
    "one_hot": lambda x: F.one_hot(x.argmax(1)),
    "einsum": lambda x: torch.einsum("ij,kj->ik", x, x),
    "sort": lambda x: x.sort()[0],
    "topk": lambda x: x.topk(2)[1],
    "svd": lambda x: torch.linalg.svdvals(x),
    "solve": lambda x: torch.linalg.solve(x @ x.T + torch.eye(3, device=x.device), x),
    "cumprod": lambda x: x.cumprod(0),
    "mask": lambda x: x[x > 0],
    "where": lambda x: torch.where(x > 0, x, torch.tensor(0.0)),
    "host index": lambda x: x[torch.tensor([0, 2])],
    "unique": lambda x: x.round().unique(),
    "nonzero": lambda x: x.nonzero(),
    "fft": lambda x: torch.fft.rfft(x).abs(),
    "pad": lambda x: F.pad(x, (1, 1)),
    "interpolate": lambda x: F.interpolate(x[None, None], scale_factor=2.0, mode="bilinear"),
    "unfold": lambda x: F.unfold(x[None, None], 2),
    "cdist": lambda x: torch.cdist(x, x),
    "bincount": lambda x: torch.bincount(x.argmax(1)),
    "scatter": lambda x: torch.zeros_like(x).scatter_(1, x.argmax(1, keepdim=True), 1.0),
    "meshgrid": lambda x: torch.meshgrid(x[0], x[1], indexing="ij")[1],
    "combinations": lambda x: torch.combinations(x[0]),
    "tril": lambda x: torch.tril(x) + torch.ones_like(x).triu(),
    "repeat": lambda x: x.repeat_interleave(torch.tensor([1, 2, 0], device=x.device), dim=0),
    "complex": lambda x: torch.view_as_real(torch.complex(x, x) * 2j),
    "chunk": lambda x: torch.stack(x.chunk(2, 1)).permute(2, 0, 1).contiguous(),
    "set item": lambda x: _assigned(x.clone()),
}


def _assigned(x: torch.Tensor) -> torch.Tensor:
    x[0] = 1.0
    x[1, 1:] = torch.tensor([5.0, 6.0, 7.0])
    x[x < 0] = 0.0
    x[torch.tensor([2]), 0] = torch.tensor(3.0)
    return x


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_equals_the_cpus(machine: Machine, name: str) -> None:
    """The function gives the CPU's values, on the device, from a matrix of 3 x 4."""
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    out = FUNCTIONS[name](x.cuda())
    assert out.is_cuda
    torch.testing.assert_close(out.cpu(), FUNCTIONS[name](x))


def test_in_place_results_and_other_memory(machine: Machine) -> None:
    """`out=`, `resize_`, `set_`, `.data =` and `copy_` keep track of where the memory is."""
    x = torch.randn(3, 4, device="cuda")
    out = torch.empty(0, device="cuda")
    torch.add(x, x, out=out)
    assert out.is_cuda and torch.equal(out.cpu(), (x * 2).cpu())
    out.resize_(1000)
    assert out.is_cuda and out.untyped_storage().nbytes() == 4000
    out.set_(x)
    assert out.data_ptr() == x.data_ptr()
    x.data = torch.zeros(2)
    assert x.device == torch.device("cpu")
    x.data = torch.zeros(2, device="cuda:1")
    assert x.device == torch.device("cuda", 1)


def test_distributions(machine: Machine) -> None:
    """Distributions draw where their parameters live."""
    normal = torch.distributions.Normal(torch.zeros(2, device="cuda"), torch.ones(2, device="cuda"))
    assert normal.rsample((3,)).is_cuda and normal.log_prob(normal.sample()).is_cuda
    assert torch.distributions.Categorical(logits=torch.zeros(3, device="cuda")).sample().is_cuda
