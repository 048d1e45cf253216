"""Footprints against sets of bytes: the slow and obvious model."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptquiz.simcuda.core.footprint import Footprint, contains, nbytes, overlap, strided, whole

FIXED = settings(derandomize=True, max_examples=300, deadline=None)


def byte_set(address: int, shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> set[int]:
    """Every byte that the view touches, one by one."""
    found = set()
    for index in product(*(range(n) for n in shape)):
        at = address + itemsize * sum(i * s for i, s in zip(index, strides, strict=True))
        found.update(range(at, at + itemsize))
    return found


def views() -> st.SearchStrategy[tuple[int, tuple[int, ...], tuple[int, ...], int]]:
    """Any view of up to three dimensions, overlapping ones and empty ones among them."""
    dims = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=3)
    return st.builds(
        lambda at, dims, size: (at, tuple(n for n, _ in dims), tuple(s for _, s in dims), size),
        st.integers(0, 40),
        dims,
        st.sampled_from([1, 2, 4]),
    )


def bytes_of(foot: Footprint) -> set[int]:
    """The bytes of a footprint, from its definition."""
    if len(foot) == 2:
        return set(range(*foot))
    starts = [
        foot[0] + sum(i * s for i, (_, s) in zip(index, foot[3:], strict=True))
        for index in product(*(range(n) for n, _ in foot[3:]))
    ]
    return {at + k for at in starts for k in range(foot[2])}


@FIXED
@given(views())
def test_a_footprint_is_exactly_the_bytes_of_the_view(view):
    """A strided footprint holds the bytes of the view, no more and no fewer, and its extent is tight."""
    expected = byte_set(*view)
    foot = strided(*view)
    assert bytes_of(foot) == expected
    if expected:
        assert (foot[0], foot[1]) == (min(expected), max(expected) + 1)


@FIXED
@given(views(), views())
def test_overlap_is_exact(a, b):
    """Two views overlap if and only if they share a byte."""
    assert overlap(strided(*a), strided(*b)) == bool(byte_set(*a) & byte_set(*b))


@FIXED
@given(views(), views())
def test_contains_never_claims_too_much(a, b):
    """What is said to lie inside lies inside; of contiguous memory the answer is exact."""
    inside = contains(strided(*a), strided(*b))
    really = byte_set(*b) <= byte_set(*a)
    if byte_set(*b):
        assert not inside or really
        if len(strided(*a)) == 2:
            assert inside == really


@pytest.mark.parametrize(
    ("a", "b", "meet"),
    [
        pytest.param((0, (100,), (2,), 4), (4, (100,), (2,), 4), False, id="odd and even elements"),
        pytest.param((0, (64,), (64,), 4), (4, (64,), (64,), 4), False, id="neighbouring columns"),
        pytest.param((0, (64, 2), (64, 1), 4), (4, (64,), (64,), 4), True, id="a column inside two"),
        pytest.param((0, (64,), (64,), 4), (256, (64,), (1,), 4), True, id="a column and a row"),
        pytest.param((0, (8, 8), (64, 2), 4), (4, (8, 8), (64, 2), 4), False, id="odd and even columns"),
        pytest.param((0, (3,), (0,), 4), (0, (1,), (1,), 4), True, id="an expanded scalar"),
    ],
)
def test_views_that_occur_in_practice(a, b, meet):
    """Columns, rows, odd and even elements of one matrix."""
    assert overlap(strided(*a), strided(*b)) is meet


def test_large_interleaved_views_are_decided_quickly():
    """A gigabyte of interleaved elements is arithmetic, not enumeration."""
    n = 1 << 14
    a = strided(0, (n, n // 2), (n, 2), 4)
    b = strided(4, (n, n // 2), (n, 2), 4)
    assert not overlap(a, b)
    assert overlap(a, whole(4 * n, 4))
    assert not overlap(a, whole(4 * n + 4, 4))
    assert nbytes(a) == 2 * n * n
