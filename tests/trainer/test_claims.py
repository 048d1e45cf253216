"""The vocabulary of the checks: what each claim accepts, refuses and says."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ptquiz.worker import claims

X = torch.arange(6, dtype=torch.float64).reshape(2, 3) + 1
Pair = namedtuple("Pair", "a b")


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    claims.use_language("en")
    yield
    claims.use_language("en")


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(claims.Unmet) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (X, X.clone()),
        (X * (1 + 1e-12), X),
        (X.float() * (1 + 1e-6), X.float()),
        (torch.nn.Parameter(X), X),
        (X.clone().requires_grad_() * 1, X),
        (torch.zeros(0, 3), torch.zeros(0, 3)),
        (torch.tensor(3), torch.tensor(3)),
        (torch.tensor([True]), torch.tensor([True])),
        (torch.tensor([torch.inf]), torch.tensor([torch.inf])),
        (1.0, 1.0 + 1e-9),
        (2, 2.0),
        (numpy.float32(0.5), 0.5),
        (torch.tensor([1 + 2j]), torch.tensor([1 + 2j])),
    ],
)
def test_close_accepts(actual: Any, expected: Any) -> None:
    """Equal up to rounding is close, whatever the tensor's kind."""
    claims.close(actual, expected, "f(x)")


@pytest.mark.parametrize(
    ("actual", "expected", "says"),
    [
        (X + 1e-3, X, r"f(x)[0, 0] == 1"),
        (X.float(), X, "dtype == torch.float64"),
        (X.T.contiguous(), X, "shape == (2, 3)"),
        (X * torch.nan, X * torch.nan, "got: nan"),
        (None, X, "is a torch.Tensor"),
        ([1.0], X, "is a torch.Tensor"),
        (X.to_sparse(), X, "is a torch.Tensor"),
        (torch.tensor([-torch.inf]), torch.tensor([torch.inf]), "inf"),
        (torch.tensor([2**53 + 1]), torch.tensor([2**53]), "9"),
        (torch.tensor([torch.inf]), torch.tensor([1.0]), "inf"),
        (float("nan"), 1.0, "nan"),
        (float("nan"), float("nan"), "nan"),
        (True, 1.0, "is a number"),
        (torch.tensor(1.0), 1.0, "is a number"),
        ("1.0", 1.0, "is a number"),
        (torch.zeros(3, device="meta"), torch.zeros(3), "device == cpu"),
    ],
)
def test_close_refuses(actual: Any, expected: Any, says: str) -> None:
    """A value, dtype, shape, kind or device that is not the expected one; NaN is never equal."""
    assert says in refused(lambda: claims.close(actual, expected, "f(x)"))


def test_close_may_leave_the_dtype_and_the_shape_open() -> None:
    """`dtype=False` compares values across dtypes."""
    claims.close(X.float(), X, "f(x)", dtype=False)


def test_the_worst_error_and_the_count_are_told() -> None:
    """A wrong tensor is summarised by its first wrong place, how many are wrong, and the worst error."""
    wrong = X.clone()
    wrong[1, 2] += 5
    text = refused(lambda: claims.close(wrong, X, "f(x)", look="the last one"))
    assert "f(x)[1, 2] == 6" in text
    assert "11 (1 of 6 values differ, worst error 5)" in text
    assert "look at: the last one" in text


@given(st.floats(1e-6, 1e6), st.sampled_from([torch.float32, torch.float64]))
@settings(derandomize=True, max_examples=30, deadline=None)
def test_the_tolerance_follows_the_values(scale: float, dtype: torch.dtype) -> None:
    """An error of a thousandth is refused at every scale, one of a few roundings accepted."""
    expected = X.to(dtype) * scale
    claims.close(expected * (1 + 4 * torch.finfo(dtype).eps), expected, "f(x)")
    refused(lambda: claims.close(expected * 1.001, expected, "f(x)"))


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "a",
        1.5,
        True,
        [1, [2]],
        (1, "b"),
        {"a": X, 3: [X, None]},
        OrderedDict(a=1),
        Pair(1, X),
        torch.float32,
    ],
)
def test_same_accepts_what_is_identical(value: Any) -> None:
    """Nested values equal themselves."""
    claims.same(value, value, "v")


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (1, 1.0),
        (True, 1),
        ([1], (1,)),
        ((1, 2), Pair(1, 2)),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": X}, {"a": X.float()}),
        (torch.tensor([0.0]), torch.tensor([-0.0])),
        (torch.tensor([torch.nan]), torch.tensor([torch.nan])),
        (torch.tensor([2**60 + 1]), torch.tensor([2**60])),
        (0.0, -0.0),
        ("a", "b"),
        (None, 0),
    ],
)
def test_same_refuses_what_differs_in_type_or_a_bit(actual: Any, expected: Any) -> None:
    """Types, keys, lengths, bits."""
    refused(lambda: claims.same(actual, expected, "v"))


def test_same_names_the_place() -> None:
    """The path into a nested value is shown."""
    assert "v['a'][1][0]" in refused(lambda: claims.same({"a": [1, (2,)]}, {"a": [1, (3,)]}, "v"))


def test_instance_reads_the_real_type() -> None:
    """What an object says in `__class__` does not count; subclasses do."""

    class Liar:
        __class__ = dict  # type: ignore[assignment]

    assert "Liar" in refused(lambda: claims.instance(Liar(), dict, "v"))
    assert claims.instance(OrderedDict(), dict, "v") == {}
    assert claims.instance(3, (int, str), "v") == 3


def test_raises_gives_the_error_back_and_names_another_one() -> None:
    """The wanted error is returned; none, or another one, is refused; a gap in the stub is not swallowed."""

    def boom(error: BaseException) -> Callable[[], Any]:
        def call() -> None:
            raise error

        return call

    wanted = ValueError("x")
    assert claims.raises(ValueError, boom(wanted), "f()") is wanted
    assert "no error; it returned 3" in refused(lambda: claims.raises(ValueError, lambda: 3, "f()"))
    assert "KeyError: 1" in refused(lambda: claims.raises((ValueError, TypeError), boom(KeyError(1)), "f()"))
    with pytest.raises(NotImplementedError):
        claims.raises(ValueError, boom(NotImplementedError()), "f()")
    with pytest.raises(SystemExit):
        claims.raises(ValueError, boom(SystemExit()), "f()")


def test_no_graph() -> None:
    """Numbers and detached tensors keep no graph."""
    w = torch.ones(2, requires_grad=True)
    claims.no_graph(1.5, "loss")
    claims.no_graph((w * 2).detach(), "loss")
    assert "autograd graph" in refused(lambda: claims.no_graph(w * 2, "loss"))


def test_that_wants_a_plain_true() -> None:
    """A tensor or another truthy object is no True."""
    claims.that(True, "a", "b")
    refused(lambda: claims.that(torch.tensor(True), "a", "b"))  # type: ignore[arg-type]


def test_words_follow_the_language() -> None:
    """A pair is English and Chinese, and so are the labels."""
    claims.use_language("zh")
    text = refused(lambda: claims.fail(("one", "一"), ("two", "二"), ("three", "三")))
    assert text == "应为: 一\n实为: 二\n提示: 三"


class Shouting:
    def __repr__(self) -> str:
        raise RuntimeError("no")


ODDITIES = [
    *(
        X,
        X.to_sparse(),
        torch.zeros(3, device="meta"),
        torch.tensor(3),
        torch.zeros(0),
        torch.nn.Linear(1, 1),
    ),
    *([X, X], {"a": X}, {1, 2}, (), [Shouting()]),
    *(Shouting(), Shouting, len, "y" * 999, None, float("nan"), 10**400),
]


@pytest.mark.parametrize("value", ODDITIES)
def test_a_summary_is_one_short_line_and_never_fails(value: Any) -> None:
    """Whatever it is, hostile objects included."""
    text = claims.summary(value)
    assert text
    assert len(text) < 300
    assert "\n" not in text


def test_replacing_public_functions_later_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons are bound before the submission is imported."""
    monkeypatch.setattr(torch, "allclose", lambda *a, **k: True)
    monkeypatch.setattr(torch, "equal", lambda *a, **k: True)
    refused(lambda: claims.close(X + 1, X, "f(x)"))
    refused(lambda: claims.same(X + 1, X, "f(x)"))


def test_an_instance_attribute_does_not_stand_in_for_a_method() -> None:
    """`y.detach = …` on a tensor is not called."""
    y = X + 1
    y.cpu = y.detach = y.to = lambda *a, **k: X  # type: ignore[method-assign]
    refused(lambda: claims.close(y, X, "f(x)"))


def test_a_summary_names_devices_and_dtypes() -> None:
    """`got: cuda:1`, not `got: a device`."""
    values = (torch.device("cpu"), torch.float16, torch.Size((2, 3)))
    assert [claims.summary(value) for value in values] == ["cpu", "torch.float16", "torch.Size([2, 3])"]
