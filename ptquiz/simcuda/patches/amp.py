"""autocast("cuda"): the tensors are the CPU's, so its cast lists are replaced by CUDA's for device tensors.

`torch.autocast("cuda")` sets CUDA's flags, which no CPU tensor looks at. While one of these blocks is open
the CPU's autocast is switched on below, with kernels of our own: they cast device tensors by CUDA's lists,
and host tensors by the CPU's if the user has asked for that.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import torch

from ptquiz.simcuda.context import Patcher
from ptquiz.simcuda.machine import Machine
from ptquiz.simcuda.storage import state_of

__all__ = ["install"]

Tensor = torch.Tensor


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LOWER = """_convolution conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d.input
conv_transpose3d.input convolution prelu addmm addmv addr matmul mm mv linalg_vecdot linear addbmm baddbmm bmm
chain_matmul linalg_multi_dot lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell scaled_dot_product_attention"""
FP32 = """acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar
pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm group_norm nuclear_norm nuclear_norm.dim
cosine_similarity poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d hinge_embedding_loss kl_div
l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss multilabel_margin_loss soft_margin_loss
triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits dist pdist cdist renorm logsumexp
frobenius_norm.dim norm.Scalar norm.ScalarOpt_dim upsample_nearest1d upsample_nearest2d upsample_nearest3d
upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d"""
SET_DTYPE = """prod prod.dim_int softmax.int log_softmax.int cumprod cumsum linalg_vector_norm
linalg_matrix_norm sum sum.dim_IntList"""
PROMOTE = "addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add"
BANNED = "binary_cross_entropy"
# What the CPU's own lists do with the same operators, for host tensors under autocast("cpu").
CPU_LOWER = _names(
    """_convolution conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d.input
    conv_transpose3d.input addmm matmul mm linalg_vecdot linear addbmm baddbmm bmm
    scaled_dot_product_attention"""
)
CPU_FP32 = _names(
    """prod prod.dim_int nuclear_norm nuclear_norm.dim cosine_embedding_loss nll_loss nll_loss2d
    hinge_embedding_loss poisson_nll_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss
    multilabel_margin_loss soft_margin_loss triplet_margin_loss multi_margin_loss cdist grid_sampler renorm
    logsumexp linalg_matrix_norm"""
)
CPU_PROMOTE = frozenset(("index_put",))


class _Flags(threading.local):
    def __init__(self) -> None:
        self.cpu = False  # what the user has asked for on the host
        self.cpu_dtype = torch.bfloat16
        self.cache: dict[int, tuple[Tensor, Tensor]] = {}


def install(machine: Machine, patcher: Patcher) -> None:
    """Autocast's switches. The cast lists are replaced at the first use: nobody pays who does not cast."""
    flags = _Flags()
    lists = _Lists(flags)
    patcher.on_close(lists.remove)
    _install_switches(patcher, flags, lists)
    available = torch._C._is_autocast_available
    patcher.set(torch._C, "_is_autocast_available", lambda kind: kind == "cuda" or available(kind))


def _install_switches(patcher: Patcher, flags: _Flags, lists: _Lists) -> None:
    set_enabled, is_enabled = torch.set_autocast_enabled, torch.is_autocast_enabled
    get_dtype = torch.get_autocast_dtype
    clear = torch.clear_autocast_cache

    def below() -> None:
        set_enabled("cpu", bool(flags.cpu or is_enabled("cuda")))

    def set_autocast_enabled(*args: Any, **kwargs: Any) -> None:
        kind, enabled = args if len(args) == 2 else ("cuda", args[0] if args else kwargs["enabled"])
        if kind == "cpu":
            flags.cpu = bool(enabled)
        else:
            set_enabled(kind, enabled)
        if kind == "cuda" and enabled:
            lists.replace()
        if kind in ("cpu", "cuda"):
            below()

    def is_autocast_enabled(device_type: str = "cuda") -> bool:
        return flags.cpu if device_type == "cpu" else bool(is_enabled(device_type))

    def clear_autocast_cache() -> None:
        flags.cache.clear()
        clear()

    flags.cpu = bool(is_enabled("cpu"))
    patcher.on_close(lambda: set_enabled("cpu", flags.cpu))
    patcher.set(torch, "set_autocast_enabled", set_autocast_enabled)
    patcher.set(torch, "is_autocast_enabled", is_autocast_enabled)
    patcher.set(torch, "clear_autocast_cache", clear_autocast_cache)
    patcher.set(torch, "set_autocast_cpu_enabled", lambda enabled: set_autocast_enabled("cpu", enabled))
    patcher.set(torch, "is_autocast_cpu_enabled", lambda: flags.cpu)
    lists.dtypes = get_dtype


class _Lists:
    """The kernels under the AutocastCPU key."""

    def __init__(self, flags: _Flags) -> None:
        self.flags = flags
        self.library: Any = None
        self.lock = threading.Lock()
        self.dtypes: Callable[[str], torch.dtype] = torch.get_autocast_dtype

    def replace(self) -> None:
        """Puts CUDA's lists in place of the CPU's, once."""
        with self.lock:
            if self.library is not None:
                return
            self.library = torch.library.Library("aten", "IMPL", "AutocastCPU")  # type: ignore[no-untyped-call]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the CPU's kernels are replaced is the purpose
                self._fill()

    def _fill(self) -> None:
        for names, policy in (
            (LOWER, "lower"),
            (FP32, "fp32"),
            (SET_DTYPE, "set_dtype"),
            (PROMOTE, "promote"),
            (BANNED, "banned"),
        ):
            for name in names.split():
                self._register(name, policy)

    def _register(self, name: str, policy: str) -> None:
        packet, _, overload = name.partition(".")
        op = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
        if op is None:
            return
        cpu = "lower" if name in CPU_LOWER else "fp32" if name in CPU_FP32 else ""
        cpu = "promote" if name in CPU_PROMOTE else cpu
        self.library.impl(name, self._kernel(op, policy, cpu), "AutocastCPU", allow_override=True)

    def _kernel(self, op: Any, policy: str, cpu_policy: str) -> Callable[..., Any]:
        below = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU)

        def kernel(*args: Any, **kwargs: Any) -> Any:
            with torch._C._ExcludeDispatchKeyGuard(below):
                if _on_device(args) or _on_device(kwargs.values()):
                    if torch._C.is_autocast_enabled("cuda"):
                        return self._cast(op, policy, "cuda", args, kwargs)
                elif self.flags.cpu and cpu_policy:
                    return self._cast(op, cpu_policy, "cpu", args, kwargs)
                return op(*args, **kwargs)

        return kernel

    def _cast(self, op: Any, policy: str, kind: str, args: Any, kwargs: Any) -> Any:
        if policy == "banned":
            raise RuntimeError(
                "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
                "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
                "In this case, combine the two layers using "
                "torch.nn.functional.binary_cross_entropy_with_logits\nor torch.nn.BCEWithLogitsLoss.  "
                "binary_cross_entropy_with_logits and BCEWithLogits are\n"
                "safe to autocast."
            )
        if policy == "set_dtype":
            return op(*args, **self._with_dtype(op, args, kwargs))
        low: torch.dtype = self.dtypes(kind)
        to = low if policy == "lower" else torch.float32
        if policy == "promote":
            to = torch.float32 if _has(torch.float32, (*args, *kwargs.values())) else low
        on_device = kind == "cuda"

        def one(value: Any) -> Any:
            if isinstance(value, Tensor):
                return self._tensor(value, to, on_device)
            if isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) for v in value):
                return [one(v) for v in value]
            return value

        return op(*[one(a) for a in args], **{name: one(value) for name, value in kwargs.items()})

    @staticmethod
    def _with_dtype(op: Any, args: Any, kwargs: Any) -> Any:
        """These take a dtype; without one, a low-precision argument is summed in float32."""
        names = [argument.name for argument in op._schema.arguments]
        given = kwargs.get("dtype")
        if given is None and "dtype" in names[: len(args)]:
            given = args[names.index("dtype")]
        if given is None and args[0].dtype in (torch.float16, torch.bfloat16):
            return {**kwargs, "dtype": torch.float32}
        return kwargs

    def _tensor(self, tensor: Tensor, to: torch.dtype, on_device: bool) -> Tensor:
        if not tensor.is_floating_point() or tensor.dtype in (to, torch.float64):
            return tensor
        if on_device and ((state := state_of(tensor)) is None or state.device < 0):
            return tensor
        if not (_cachable(tensor, to) and torch.is_autocast_cache_enabled()):
            return tensor.to(to)
        found = self.flags.cache.get(id(tensor))
        if found is None or found[1].dtype is not to:
            found = self.flags.cache[id(tensor)] = (tensor, tensor.to(to))
        return found[1]

    def remove(self) -> None:
        """The CPU's own lists again."""
        self.flags.cache.clear()
        if self.library is not None:
            self.library._destroy()
            self.library = None


def _cachable(tensor: Tensor, to: torch.dtype) -> bool:
    """Weights: they are cast once a block, as in PyTorch."""
    return (
        to is not torch.float32
        and tensor.dtype is torch.float32
        and tensor.requires_grad
        and tensor.is_leaf
        and torch.is_grad_enabled()
    )


def _on_device(values: Any) -> bool:
    for value in values:
        if isinstance(value, Tensor):
            state = state_of(value)
            if state is not None and state.device >= 0:
                return True
        elif isinstance(value, (list, tuple)) and _on_device(value):
            return True
    return False


def _has(dtype: torch.dtype, values: Any) -> bool:
    return any(
        value.dtype is dtype
        if isinstance(value, Tensor)
        else isinstance(value, (list, tuple)) and _has(dtype, value)
        for value in values
    )
