"""The vocabulary of the hidden checks: each function states one claim and raises `Unmet` if it does not hold.

Every message says what was expected, what came, and what to look at. Words are English and Chinese pairs, or
one string that is the same in both languages (code, a number). Nothing here calls a method of the learner's
objects: types are read with `type`, tensors compared with functions bound before the submission is imported.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar, cast

import numpy
import torch

Words = str | tuple[str, str]
T = TypeVar("T")

# Bound before any submission is imported: replacing the public names later changes nothing here.
_Tensor, _Parameter = torch.Tensor, torch.nn.Parameter
_type, _isinstance, _len, _repr, _abs, _max = type, isinstance, len, repr, abs, max
_no_grad, _Untouched = torch.no_grad, torch._C.DisableTorchFunction
_float64, _complex128, _strided = torch.float64, torch.complex128, torch.strided
_NAMED = (torch.device, torch.dtype, torch.Size, torch.layout)
_language = "en"

# Relative tolerance by dtype; the absolute one is this times the largest expected value.
_TOLERANCE = {torch.float64: 1e-8, torch.float32: 3e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}
_TOLERANCE |= {torch.complex128: 1e-8, torch.complex64: 3e-5}


class Unmet(Exception):  # noqa: N818  (a claim is unmet; nothing went wrong here)
    """A claim that did not hold; its text is meant for the learner."""


def use_language(language: str) -> None:
    """Choose the language of the messages: `en` or `zh`."""
    global _language
    _language = language


def say(words: Words) -> str:
    """The words in the language of this grading."""
    if _isinstance(words, str):
        return cast(str, words)
    return words[1 if _language == "zh" else 0]


def fail(expected: Words, came: Words, look: Words = "") -> NoReturn:
    """Raise `Unmet` with what was expected, what came and what to look at."""
    labels = ("应为", "实为", "提示") if _language == "zh" else ("expected", "got", "look at")
    lines = [f"{labels[0]}: {say(expected)}", f"{labels[1]}: {say(came)}"]
    if look:
        lines.append(f"{labels[2]}: {say(look)}")
    raise Unmet("\n".join(map(_tidy, lines) if _language == "zh" else lines))


def _tidy(text: str) -> str:
    """No space between two Chinese characters, or beside a mark as wide as one."""
    return _LOOSE.sub("", text)


_WIDE, _MARK = "\u4e00-\u9fff", "\u3001-\u3011\uff01-\uff1f"
_LOOSE = re.compile(rf"(?<=[{_WIDE}]) (?=[{_WIDE}])|(?<=[{_MARK}]) (?=\S)|(?<=\S) (?=[{_MARK}])")


def that(condition: bool, expected: Words, came: Words, look: Words = "") -> None:
    """Claim that `condition`, a plain bool made by the check, is True."""
    if condition is not True:
        fail(expected, came, look)


def instance(value: Any, types: type[T] | tuple[type, ...], what: Words, look: Words = "") -> T:
    """Claim that `value` really is of one of `types` (what it says in `__class__` does not count)."""
    wanted = _kinds(types)
    if not any(kind in _type(value).__mro__ for kind in wanted):
        names = " | ".join(kind.__name__ for kind in wanted)
        sentence = (f"{say(what)} is {_article(names)} {names}", f"{say(what)} 的类型是 {names}")
        fail(sentence, summary(value), look)
    return cast(T, value)


def tensor(
    value: Any,
    what: Words,
    *,
    shape: Sequence[int] | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
    look: Words = "",
) -> torch.Tensor:
    """Claim a real, dense tensor (a Parameter is one), and its shape, dtype and device where given."""
    name = say(what)
    if _type(value) not in (_Tensor, _Parameter) or value.layout is not _strided:
        fail((f"{name} is a torch.Tensor", f"{name} 是 torch.Tensor"), summary(value), look)
    if shape is not None and tuple(value.shape) != tuple(shape):
        _fail_property(name, "shape", tuple(shape), tuple(value.shape), look)
    if dtype is not None and value.dtype is not dtype:
        _fail_property(name, "dtype", dtype, value.dtype, look)
    if device is not None and not _same_device(value.device, torch.device(device)):
        _fail_property(name, "device", device, value.device, look)
    return cast(torch.Tensor, value)


def close(
    actual: Any,
    expected: Any,
    what: Words,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    look: Words = "",
    dtype: bool = True,
    device: bool = True,
    shape: bool = True,
) -> None:
    """Claim that two tensors, or two numbers, are equal within the tolerance of their dtype; NaN never is."""
    if not _isinstance(expected, _Tensor):
        _close_numbers(actual, float(expected), what, rtol, atol, look)
        return
    tensor(
        actual,
        what,
        shape=tuple(expected.shape) if shape else None,
        dtype=expected.dtype if dtype else None,
        device=expected.device if device else None,
        look=look,
    )
    relative = _tolerance(actual, expected) if rtol is None else rtol
    _close_values(_wide(actual), _wide(expected), what, relative, atol, look)
    if not relative and not atol and actual.dtype is expected.dtype is torch.int64:
        same(actual, expected, what, look)  # float64 does not hold every int64


def same(actual: Any, expected: Any, what: Words, look: Words = "") -> None:
    """Claim exact equality, types included: tensors bit for bit, numbers, strings, nested containers."""
    where = _difference(actual, expected, "")
    if where is None:
        return
    path, wanted, came = where
    fail(f"{_at(say(what), path)} {wanted}", came, look)


def raises(
    errors: type[BaseException] | tuple[type[BaseException], ...],
    call: Callable[[], Any],
    what: Words,
    look: Words = "",
) -> BaseException:
    """Claim that `call()` raises one of `errors`; give the exception back. Another one passes through."""
    wanted = _kinds(errors)
    names = " | ".join(kind.__name__ for kind in wanted)
    sentence = (f"{say(what)} raises {names}", f"{say(what)} 抛出 {names}")
    try:
        value = call()
    except BaseException as error:
        if any(kind in _type(error).__mro__ for kind in wanted):
            return error
        if not _isinstance(error, Exception) or _isinstance(error, NotImplementedError | Unmet):
            raise
        came = f"{_type(error).__name__}: {_text(error)}"
        _fail_from(error, sentence, came, look)
    fail(sentence, (f"no error; it returned {summary(value)}", f"没有异常；返回了 {summary(value)}"), look)


def no_graph(value: Any, what: Words, look: Words = "") -> None:
    """Claim that `value` keeps no graph alive: a plain number, or a tensor without `grad_fn`."""
    if _type(value) in (float, int):
        return
    if _isinstance(value, _Tensor) and value.grad_fn is None:
        return
    wanted = (f"{say(what)} keeps no autograd graph", f"{say(what)} 不保留计算图")
    fail(wanted, summary(value), look)


def summary(value: Any) -> str:
    """One short line: shape, dtype, device and first values of a tensor; otherwise the type and the value."""
    kind = _type(value)
    if kind in (_Tensor, _Parameter):
        return _tensor_summary(value)
    if kind in (bool, int, float, str, bytes, type(None)):
        return _cut(_repr(value))
    if kind in (list, tuple, dict, set):
        return _container_summary(value)
    if kind in _NAMED:
        return str(value)
    if _tensor_like(value):
        return f"{kind.__module__}.{kind.__qualname__}"
    if kind is type(summary):
        return f"function {value.__qualname__}"
    if kind is type:
        return f"class {value.__qualname__}"
    return f"{_article(kind.__name__)} {kind.__name__}"


# --- how values are told apart


def _kinds(types: type | tuple[type, ...]) -> tuple[type, ...]:
    return types if isinstance(types, tuple) else (types,)


def _fail_property(name: str, prop: str, wanted: object, came: object, look: Words) -> NoReturn:
    joint = "." if _is_code(name) else "：" if _language == "zh" else ": "
    fail(f"{name}{joint}{prop} == {wanted}", f"{came}", look)


# A name, with dots, calls and indices behind it; whatever else stands in a label is prose.
_CODE = re.compile(r"\w+(?:\.\w+|\([^()]*(?:\([^()]*\)[^()]*)*\)|\[[^\[\]]*\])*", re.ASCII)


def _is_code(name: str) -> bool:
    return _CODE.fullmatch(name) is not None


def _at(name: str, path: str) -> str:
    """A place inside of what is called `name`: `f(x)[0]`, but `the gradient of x at [0]`."""
    if not path or _is_code(name):
        return name + path
    return f"{name}（{path} 处）" if _language == "zh" else f"{name} at {path}"


def _fail_from(error: BaseException, expected: Words, came: str, look: Words) -> NoReturn:
    try:
        fail(expected, came, look)
    except Unmet as unmet:
        raise unmet from error  # the learner's line is found in the cause


def _same_device(came: torch.device, wanted: torch.device) -> bool:
    if came.type != wanted.type:
        return False
    return wanted.index is None or came.index == wanted.index


def _tolerance(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return _max(_TOLERANCE.get(actual.dtype, 0.0), _TOLERANCE.get(expected.dtype, 0.0))


def _wide(value: torch.Tensor) -> torch.Tensor:
    """A copy on the host in the widest dtype of its kind; integers become float64 (exact up to 2**53)."""
    with _no_grad(), _Untouched():
        host = _Tensor.cpu(_Tensor.detach(value))
        return _Tensor.to(host, _complex128 if host.dtype.is_complex else _float64)


def _close_values(
    actual: torch.Tensor, expected: torch.Tensor, what: Words, rtol: float, atol: float | None, look: Words
) -> None:
    if tuple(actual.shape) != tuple(expected.shape):
        _fail_property(say(what), "shape", tuple(expected.shape), tuple(actual.shape), look)
    if expected.numel() == 0:
        return
    with _no_grad(), _Untouched():
        magnitude = _Tensor.abs(expected)
        finite = magnitude[_Tensor.isfinite(magnitude)]
        scale = float(_Tensor.max(finite)) if finite.numel() else 0.0
        floor = rtol * (scale or 1.0) if atol is None else atol
        error = _Tensor.abs(actual - expected)
        near = (error <= floor + rtol * magnitude) & _Tensor.isfinite(magnitude)
        good = near | (actual == expected)  # infinities are equal to themselves only
        if bool(_Tensor.all(good)):
            return
        _fail_values(actual, expected, error, good, what, look)


def _fail_values(
    actual: torch.Tensor,
    expected: torch.Tensor,
    error: torch.Tensor,
    good: torch.Tensor,
    what: Words,
    look: Words,
) -> NoReturn:
    wrong = _Tensor.nonzero(~good)
    first = tuple(int(i) for i in wrong[0]) if expected.dim() else ()
    at = f"[{', '.join(map(str, first))}]" if first else ""
    wanted, came = _number(expected[first].item()), _number(actual[first].item())
    if wanted == came:  # they differ behind the digits shown
        wanted, came = _repr(expected[first].item()), _repr(actual[first].item())
    name, count, total = say(what), int((~good).sum()), expected.numel()
    worst = _number(float(_Tensor.max(_Tensor.nan_to_num(error, nan=math.inf))))
    tail = ""
    if total > 1:
        tail = (
            f"（{total} 个值中有 {count} 个不对，最大误差 {worst}）"
            if _language == "zh"
            else f" ({count} of {total} values differ, worst error {worst})"
        )
    fail(f"{_at(name, at)} == {wanted}", came + tail, look)


def _close_numbers(
    actual: Any, expected: float, what: Words, rtol: float | None, atol: float | None, look: Words
) -> None:
    if not _is_number(actual):
        fail((f"{say(what)} is a number", f"{say(what)} 是一个数"), summary(actual), look)
    came = float(actual)
    relative = 1e-6 if rtol is None else rtol
    floor = (0.0 if expected else relative) if atol is None else atol
    if came == expected or _abs(came - expected) <= floor + relative * _abs(expected):
        return
    fail(f"{say(what)} == {_number(expected)}", _number(came), look)


def _is_number(value: Any) -> bool:
    kind = _type(value)
    return kind in (int, float) or numpy.floating in kind.__mro__ or numpy.integer in kind.__mro__


def _exactly(value: str) -> str:
    return say((f"is exactly {value}", f"恰好是 {value}"))


def _difference(actual: Any, expected: Any, path: str) -> tuple[str, str, str] | None:
    """Where two values differ first, as (path, what it should be, what came); None if they are the same."""
    if _isinstance(expected, _Tensor):
        return _tensor_difference(actual, expected, path)
    if _type(actual) is not _type(expected) and not _both_mappings(actual, expected):
        return path, _exactly(summary(expected)), summary(actual)
    if _isinstance(expected, Mapping):
        return _mapping_difference(actual, expected, path)
    if _isinstance(expected, list | tuple):
        return _sequence_difference(actual, expected, path)
    if _isinstance(expected, float):
        equal = struct.pack("d", actual) == struct.pack("d", expected) and expected == expected
        return None if equal else (path, _exactly(_repr(expected)), _repr(actual))
    equal = (expected == actual) is True  # the types are the same: it is the check's own `__eq__`
    return None if equal else (path, _exactly(summary(expected)), summary(actual))


def _both_mappings(actual: Any, expected: Any) -> bool:
    return dict in _type(actual).__mro__ and dict in _type(expected).__mro__


def _tensor_difference(actual: Any, expected: torch.Tensor, path: str) -> tuple[str, str, str] | None:
    if _type(actual) not in (_Tensor, _Parameter):
        return path, _exactly(summary(expected)), summary(actual)
    if tuple(actual.shape) != tuple(expected.shape) or actual.dtype is not expected.dtype:
        return (
            path,
            say((f"is a {_tensor_kind(expected)}", f"是 {_tensor_kind(expected)}")),
            _tensor_kind(actual),
        )
    with _no_grad(), _Untouched():
        a, e = _Tensor.cpu(_Tensor.detach(actual)), _Tensor.cpu(_Tensor.detach(expected))
        good = a == e if a.dtype.is_complex else (a == e) & (_Tensor.signbit(a) == _Tensor.signbit(e))
        if bool(_Tensor.all(good)):
            return None
        first = tuple(int(i) for i in _Tensor.nonzero(~good)[0]) if e.dim() else ()
    at = f"[{', '.join(map(str, first))}]" if first else ""
    return path + at, _exactly(_repr(e[first].item())), _repr(a[first].item())


def _mapping_difference(actual: Any, expected: Mapping[Any, Any], path: str) -> tuple[str, str, str] | None:
    ours, theirs = list(expected), list(dict.keys(actual)) if dict in _type(actual).__mro__ else list(actual)
    if _len(ours) != _len(theirs) or any(key not in theirs for key in ours):
        keys = _cut(_repr(ours))
        return path, say((f"has the keys {keys}", f"的键是 {keys}")), _cut(_repr(theirs))
    for key in ours:
        inner = actual[key] if dict not in _type(actual).__mro__ else dict.__getitem__(actual, key)
        found = _difference(inner, expected[key], f"{path}[{key!r}]")
        if found is not None:
            return found
    return None


def _sequence_difference(actual: Any, expected: Sequence[Any], path: str) -> tuple[str, str, str] | None:
    if _len(actual) != _len(expected):
        return path, say((f"has {_items(expected)}", f"有 {_items(expected)}")), _items(actual)
    for index, (a, e) in enumerate(zip(actual, expected, strict=True)):
        found = _difference(a, e, f"{path}[{index}]")
        if found is not None:
            return found
    return None


def _items(value: Sequence[Any]) -> str:
    count = _len(value)
    return say((f"{count} item{'' if count == 1 else 's'}", f"{count} 项"))


# --- how values are shown


def _tensor_kind(value: torch.Tensor) -> str:
    dtype = str(value.dtype).removeprefix("torch.")
    return f"tensor of shape {tuple(value.shape)}, {dtype}, {value.device}"


def _tensor_summary(value: torch.Tensor) -> str:
    if value.layout is not _strided or value.device.type == "meta":
        return f"{_tensor_kind(value)}, {value.layout}"
    with _no_grad(), _Untouched():
        flat = _Tensor.reshape(_Tensor.cpu(_Tensor.detach(value)), (-1,))[:4]
        first = [_number(item) for item in flat.tolist()]
    dots = ", …" if value.numel() > _len(first) else ""
    graph = ", with grad_fn" if value.grad_fn is not None else ""
    return f"{_tensor_kind(value)}{graph}: [{', '.join(first)}{dots}]"


def _container_summary(value: Any) -> str:
    name = _type(value).__name__
    if _len(value) > 4:
        return f"{name} of {_len(value)} items"
    if _type(value) is dict:
        return _cut("{" + ", ".join(f"{summary(k)}: {summary(v)}" for k, v in value.items()) + "}")
    inside = ", ".join(summary(item) for item in value)
    return _cut({"list": f"[{inside}]", "tuple": f"({inside})"}.get(name, "{" + inside + "}"))


def _tensor_like(value: Any) -> bool:
    return _Tensor in _type(value).__mro__


def _article(name: str) -> str:
    return "an" if name[:1].lower() in tuple("aeiou") else "a"


def _number(value: Any) -> str:
    return f"{value:.6g}" if _type(value) is float else _repr(value)


def _text(error: BaseException) -> str:
    try:
        return _cut(str(error))
    except BaseException:  # a learner's exception may raise in its own __str__
        return "(its text cannot be shown)"


def _cut(text: str, width: int = 160) -> str:
    return text if _len(text) <= width else text[: width - 1] + "…"
