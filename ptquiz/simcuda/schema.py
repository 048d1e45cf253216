"""What an operator does, read from its schema once: where its tensors are, which it writes, how it is to
be run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["Plan", "flops"]

aten = torch.ops.aten

# Operators that change what their schema calls an input: names of the arguments.
SILENT_WRITES: dict[str, tuple[str, ...]] = {
    "native_batch_norm": ("running_mean", "running_var"),
    "cudnn_batch_norm": ("running_mean", "running_var"),
    "miopen_batch_norm": ("running_mean", "running_var"),
}
# They take memory and launch nothing.
EMPTY = frozenset(
    (
        "empty",
        "empty_strided",
        "empty_permuted",
        "empty_like",
        "new_empty",
        "new_empty_strided",
        "_efficientzerotensor",
    )
)
# Their result's size or value is needed on the host: on a GPU they wait for the stream.
ALWAYS_WAIT = frozenset(
    (
        "nonzero", "argwhere", "masked_select", "_unique", "_unique2", "unique_dim", "unique_consecutive",
        "unique_dim_consecutive", "equal", "bincount", "is_nonzero", "allclose", "_local_scalar_dense",
        "linalg_lstsq", "_linalg_check_errors", "_ctc_loss", "histc", "nonzero_numpy",
    )
)  # fmt: skip
# With a mask of bool or uint8 among the indices they count its elements first.
MASKED = frozenset(
    ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put")
)
# Named `wrapper_CUDA_name` in PyTorch's messages; the others are `wrapper_CUDA_overload_name`.
STRUCTURED = frozenset(
    (
        "mm",
        "addmm",
        "bmm",
        "baddbmm",
        "cat",
        "gather",
        "scatter",
        "scatter_add",
        "nll_loss_forward",
        "addmv",
        "index_add",
    )
)
# They take zero-dimensional host tensors beside device ones although they are not pointwise.
HOST_SCALARS = frozenset(
    ("fill_", "fill", "masked_fill", "masked_fill_", "where", "index_put_", "index_put", "_index_put_impl_",
     "lerp", "mse_loss", "smooth_l1_loss", "huber_loss", "index_fill_", "index_fill", "linspace", "logspace",
     "copy_", "_foreach_copy_")
)  # fmt: skip


class Plan:
    """How to run one operator overload.

    `positional`: (index, name, is a list, is written) of each tensor argument that has a place; `keyword`
    likewise by name. `launches`: it puts work on the stream (views and `empty` do not).
    """

    __slots__ = (
        "creates", "empty", "factory", "flops", "func", "generator", "host_scalars", "keyword", "launches",
        "masked", "mutates", "name", "overload", "pointwise", "positional", "resizes", "resizes_memory",
        "seeded", "special", "tensors", "view", "waits",
    )  # fmt: skip

    def __init__(self, func: Any) -> None:
        schema = func._schema
        self.func = func
        self.name = schema.name.rpartition("::")[2]
        self.overload = schema.overload_name
        tags = func.tags
        silent = SILENT_WRITES.get(self.name, ())
        self.positional: list[tuple[int, str, bool, bool]] = []
        self.keyword: dict[str, tuple[bool, bool]] = {}
        for index, argument in enumerate(schema.arguments):
            kind = str(argument.type)
            if "Tensor" not in kind:
                continue
            alias = argument.alias_info
            written = (alias is not None and alias.is_write) or argument.name in silent
            is_list = "List" in kind
            if not argument.kwarg_only:
                self.positional.append((index, argument.name, is_list, written))
            self.keyword[argument.name] = (is_list, written)
        returns = schema.returns
        aliases = [r.alias_info for r in returns if "Tensor" in str(r.type)]
        self.mutates = any(written for _, written in self.keyword.values())
        self.tensors = bool(self.keyword)
        self.factory = not self.keyword and bool(aliases)
        self.creates = self.factory or self.name.startswith("new_") or self.name.endswith("_like")
        self.view = (
            bool(aliases) and all(a is not None and not a.is_write for a in aliases) and not self.mutates
        )
        self.resizes = torch.Tag.inplace_view in tags or self.name in ("resize_", "resize_as_", "set_")
        self.resizes_memory = self.resizes or self.overload.endswith("out") or "out" in self.keyword
        self.empty = self.name in EMPTY
        self.launches = not (self.view or self.empty or self.resizes)
        self.pointwise = torch.Tag.pointwise in tags
        self.host_scalars = self.pointwise or self.name in HOST_SCALARS or self.name.startswith("_f")
        self.seeded = torch.Tag.nondeterministic_seeded in tags
        self.generator = any(a.name == "generator" for a in schema.arguments)
        self.waits = self.name in ALWAYS_WAIT
        self.masked = self.name in MASKED
        self.flops = flops(self.name)
        self.special: Callable[..., Any] | None = None

    @property
    def method(self) -> str:
        """The kernel's name in PyTorch's messages."""
        if self.name in STRUCTURED:
            return f"wrapper_CUDA_{self.name}"
        return f"wrapper_CUDA_{self.overload if self.overload != 'default' else ''}_{self.name}"


def flops(name: str) -> Callable[[tuple[Any, ...], Any], int] | None:
    """(args, result) -> floating-point operations, for the operators where they count."""
    return _FLOPS.get(name)


def _mm(args: tuple[Any, ...], out: Any) -> int:
    return int(2 * out.numel() * args[0].shape[-1])


def _addmm(args: tuple[Any, ...], out: Any) -> int:
    return int(2 * out.numel() * args[1].shape[-1])


def _convolution(args: tuple[Any, ...], out: Any) -> int:
    weight = args[1]
    if args[6]:  # transposed
        return int(2 * args[0].numel() * math.prod(weight.shape[1:]))
    return int(2 * out.numel() * math.prod(weight.shape[1:]))


def _convolution_backward(args: tuple[Any, ...], out: Any) -> int:
    return int(4 * args[0].numel() * math.prod(args[2].shape[1:]))


def _attention(args: tuple[Any, ...], out: Any) -> int:
    query, key = args[0], args[1]
    return int(4 * query.numel() * key.shape[-2])


_FLOPS: dict[str, Callable[[tuple[Any, ...], Any], int]] = {
    "mm": _mm,
    "bmm": _mm,
    "addmm": _addmm,
    "baddbmm": _addmm,
    "convolution": _convolution,
    "_convolution": _convolution,
    "convolution_backward": _convolution_backward,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
}
