"""Which bytes an operation touches, exactly.

A footprint is a plain tuple, so that it hashes and compares in C and costs nothing to carry:

    (lo, hi)                                  every byte of [lo, hi)
    (lo, hi, run, (n, s), (m, t), …)          runs of `run` bytes at lo + i*s + j*t + …, 0 <= i < n, 0 <= j <
    m

`hi` is one past the last byte. Two views of one matrix may interleave without sharing a byte (columns, odd
and even elements); `overlap` answers that question exactly.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import Any

__all__ = ["Footprint", "contains", "nbytes", "overlap", "strided", "whole"]

Footprint = tuple[Any, ...]

_BUDGET = 20_000  # steps of the exact search; views that occur in practice need fewer than a hundred


def whole(address: int, size: int) -> Footprint:
    """Every byte of `[address, address + size)`."""
    return (address, address + size)


def strided(address: int, shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> Footprint:
    """The bytes of a strided view. `address`: of its first element; `strides` in elements, as torch counts
    them.

    An empty view has the empty footprint `(address, address)`.
    """
    extent, run, dims = _pattern(tuple(shape), tuple(strides), itemsize)
    if not dims:
        return (address, address + extent)
    return (address, address + extent, run, *dims)


@lru_cache(maxsize=4096)
def _pattern(
    shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int
) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    """(shape, strides in elements) -> (extent in bytes, bytes of a run, the repetitions that are left)."""
    if 0 in shape:
        return 0, 0, ()
    run = itemsize
    dims: list[tuple[int, int]] = []
    for step, count in sorted((s * itemsize, n) for n, s in zip(shape, strides, strict=True) if n > 1 and s):
        if not dims and step <= run:
            run += step * (count - 1)
        elif dims and step == dims[-1][0] * dims[-1][1]:
            dims[-1] = (dims[-1][0] * count, dims[-1][1])
        else:
            dims.append((count, step))
    extent = run + sum((count - 1) * step for count, step in dims)
    return extent, run, tuple(dims)


def nbytes(footprint: Footprint) -> int:
    """How many bytes there are, counting a byte as often as the view visits it."""
    if len(footprint) == 2:
        return int(footprint[1] - footprint[0])
    total = int(footprint[2])
    for count, _ in footprint[3:]:
        total *= count
    return total


def contains(outer: Footprint, inner: Footprint) -> bool:
    """Is every byte of `inner` in `outer`? May say no of interleaved views that do contain one another."""
    if len(outer) == 2:
        return bool(outer[0] <= inner[0] and inner[1] <= outer[1])
    return outer == inner


def overlap(a: Footprint, b: Footprint) -> bool:
    """Do the two share a byte?"""
    if a[0] >= b[1] or b[0] >= a[1] or a[0] == a[1] or b[0] == b[1]:
        return False
    if len(a) == 2 and len(b) == 2:
        return True
    if len(a) == 4 and len(b) == 4 and a[3][1] == b[3][1]:
        return _combs_meet(a, b)
    if len(a) + len(b) == 6 and len(a) != len(b):
        return _comb_meets_range(a, b) if len(a) == 4 else _comb_meets_range(b, a)
    return _search(a, b)


def _comb_meets_range(comb: Footprint, plain: Footprint) -> bool:
    """Does the first run that ends behind the beginning of `plain` begin in front of its end?"""
    low, _, run, (count, step) = comb
    first = max(0, (plain[0] - low - run) // step + 1)
    return bool(first < count and low + first * step < plain[1])


def _combs_meet(a: Footprint, b: Footprint) -> bool:
    """Two rows of runs with one and the same step: arithmetic, no search (a thousand columns are many pairs).

    Is there a k = i - j, 1 - count_b <= k <= count_a - 1, with distance - run_a < k * step < distance +
    run_b?
    """
    step = a[3][1]
    distance = b[0] - a[0]
    low = max((distance - a[2]) // step + 1, 1 - b[3][0])
    high = min(-(-(distance + b[2]) // step) - 1, a[3][0] - 1)
    return bool(low <= high)


def _search(a: Footprint, b: Footprint) -> bool:
    """The general case: is there a choice of indices that brings a run of `a` onto a run of `b`?

    With b's indices counted from behind all coefficients are positive, and the question becomes: can
    sum(c_k * step_k), 0 <= c_k < count_k, fall into [low, high]?
    """
    run_a, dims_a = (a[2], a[3:]) if len(a) > 2 else (a[1] - a[0], ())
    run_b, dims_b = (b[2], b[3:]) if len(b) > 2 else (b[1] - b[0], ())
    reach_b = sum((count - 1) * step for count, step in dims_b)
    distance = b[0] - a[0] + reach_b
    steps: dict[int, int] = {}
    for count, step in (*dims_a, *dims_b):
        steps[step] = steps.get(step, 0) + count - 1
    terms = sorted(steps.items(), reverse=True)
    return _reachable(terms, distance - run_a + 1, distance + run_b - 1)


def _reachable(terms: list[tuple[int, int]], low: int, high: int) -> bool:
    """Can sum(c_k * step_k) with 0 <= c_k <= most_k fall into [low, high]? `terms`: (step, most), steps
    falling.
    """
    reach = [0] * (len(terms) + 1)
    common = [0] * (len(terms) + 1)
    for k in range(len(terms) - 1, -1, -1):
        step, most = terms[k]
        reach[k] = reach[k + 1] + step * most
        common[k] = gcd(common[k + 1], step)
    stack = [(0, low, high)]
    for _ in range(_BUDGET):
        if not stack:
            return False
        k, low, high = stack.pop()
        if high < 0 or low > reach[k]:
            continue
        if low <= 0:
            return True
        if common[k] == 0 or high // common[k] * common[k] < low:
            continue
        step, most = terms[k]
        first = max(0, -((reach[k + 1] - low) // step))
        last = min(most, high // step)
        stack.extend(
            (k + 1, low - c * step, high - c * step) for c in range(first, min(last, first + _BUDGET) + 1)
        )
    return False  # not decided: no alarm without proof
