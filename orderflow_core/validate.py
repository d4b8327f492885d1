"""Contracts of the public functions, each checked once, at the wrapper and never in a kernel.

Every error names the argument, the rule and the value found. Arrays come back as read-only views: no
kernel writes an input, and to the compiler a writeable array is another type, so that a kernel called
with both kinds would be compiled twice.
"""

import math
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from orderflow_core.types import Bool, Float64, Int8, Int64

INT64_MAX = int(np.iinfo(np.int64).max)
Scalar = TypeVar("Scalar", bound=np.generic)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return a contiguous view that cannot be written; the array itself stays as it is."""
    view = np.ascontiguousarray(array)[:]
    view.flags.writeable = False
    return view


def require_int64(name: str, values: ArrayLike) -> Int64:
    """Return ``values`` as a contiguous int64 vector; narrower integers are widened, nothing else is cast."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    if array.size == 0 and array.dtype.kind == "f":  # np.array([]) is float64 by default
        return read_only(np.empty(0, np.int64))
    if array.dtype.kind != "i" and array.dtype not in (np.uint8, np.uint16, np.uint32):
        raise TypeError(f"{name} must hold integers, got dtype {array.dtype}")
    return read_only(np.asarray(array, np.int64))


def require_float64(name: str, values: ArrayLike) -> Float64:
    """Return ``values`` as a contiguous float64 vector."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    if array.dtype.kind != "f":
        raise TypeError(f"{name} must hold floats, got dtype {array.dtype}")
    return read_only(np.asarray(array, np.float64))


def require_sign(name: str, values: ArrayLike) -> Int8:
    """Return ``values`` as a contiguous int8 vector whose elements are all -1, 0 or +1."""
    array = np.asarray(values)
    wide = array if array.dtype == np.int8 and array.ndim == 1 else require_int64(name, array)
    outside = (wide < -1) | (wide > 1)
    if outside.any():
        i = int(np.argmax(outside))
        raise ValueError(f"{name} must be in {{-1, 0, +1}}, got {wide[i]} at position {i}")
    return read_only(np.asarray(wide, np.int8))


def narrow_sign(name: str, values: ArrayLike) -> Int8:
    """Return ``values`` as a contiguous int8 vector; int8 already, its domain is left to the kernel."""
    array = np.asarray(values)
    if array.dtype == np.int8 and array.ndim == 1:
        return read_only(array)
    return require_sign(name, array)


def require_bool(name: str, values: ArrayLike) -> Bool:
    """Return ``values`` as a contiguous vector of booleans."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {array.shape}")
    if array.size and array.dtype != np.bool_:
        raise TypeError(f"{name} must hold booleans, got dtype {array.dtype}")
    return read_only(np.asarray(array, np.bool_))


def require_same_length(**arrays: np.ndarray) -> int:
    """Return the common length of the arrays."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"arrays must have one length, got {lengths}")
    return next(iter(lengths.values()), 0)


def require_sorted(name: str, values: Int64, *, strict: bool = False) -> None:
    """Demand that ``values`` never decrease (with ``strict``: always increase)."""
    backward = values[1:] <= values[:-1] if strict else values[1:] < values[:-1]
    if backward.any():
        i = int(np.argmax(backward)) + 1
        rule = "strictly increasing" if strict else "non-decreasing"
        raise ValueError(
            f"{name} must be {rule}, got {values[i]} after {values[i - 1]} at position {i}"
        )


def require_positive(name: str, values: Int64) -> None:
    """Demand that every element is greater than zero."""
    bad = values <= 0
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"{name} must be positive, got {values[i]} at position {i}")


def require_not_negative(name: str, values: Int64) -> None:
    """Demand that no element is below zero."""
    bad = values < 0
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"{name} must not be negative, got {values[i]} at position {i}")


def require_positive_scalar(name: str, value: int) -> int:
    """Return ``value`` as an int greater than zero."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value <= 0:
        raise ValueError(f"{name} must be positive, got {value}")
    if value > INT64_MAX:
        raise ValueError(f"{name} must be below 2**63, got {value}")
    return int(value)


def require_amount(name: str, value: float, *, is_zero_allowed: bool) -> float:
    """Return ``value`` as a finite float that is not negative, nor zero unless allowed."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value) or value < 0 or (value == 0 and not is_zero_allowed):
        rule = "zero or positive" if is_zero_allowed else "positive"
        raise ValueError(f"{name} must be finite and {rule}, got {value}")
    return float(value)


def require_count(name: str, value: int, *, least: int = 0) -> int:
    """Return ``value`` as an int of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    if value > INT64_MAX:
        raise ValueError(f"{name} must be below 2**63, got {value}")
    return int(value)


def require_room(name: str, array: np.ndarray, n: int, dtype: DTypeLike) -> None:
    """Demand that results of ``n`` elements can be written over ``array``, which the caller owns."""
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != (n,):
        found = getattr(array, "dtype", type(array)), getattr(array, "shape", None)
        raise ValueError(f"{name} must be {np.dtype(dtype)} of shape ({n},), got {found}")
    if not (array.flags.c_contiguous and array.flags.writeable):
        raise ValueError(f"{name} must be contiguous and writeable")


def require_apart(out: Mapping[str, np.ndarray], inputs: Mapping[str, np.ndarray]) -> None:
    """Demand that no array in ``out`` shares memory with another one or with an input."""
    seen = list(inputs.items())
    for name, array in out.items():
        for other, taken in seen:  # bounds tell all, as both are contiguous
            if np.may_share_memory(array, taken):
                raise ValueError(f"{name} must not share memory with {other}")
        seen.append((name, array))


def require_session_starts(name: str, starts: ArrayLike, n: int) -> Int64:
    """Return ``starts`` as positions that begin at 0, strictly increase and lie below ``n``.

    With no element to divide (``n == 0``) both an empty vector and ``[0]`` are accepted.
    """
    array = require_int64(name, starts)
    if n == 0:
        return array[:0]
    if len(array) == 0 or array[0] != 0:
        first = array[0] if len(array) else "nothing"
        raise ValueError(f"{name} must start at 0, got {first}")
    require_sorted(name, array, strict=True)
    if array[-1] >= n:
        raise ValueError(f"{name} must lie below {n}, got {array[-1]}")
    return array


def require_positions(name: str, positions: ArrayLike, n: int) -> Int64:
    """Return ``positions`` as strictly increasing positions in 0..n - 1; there may be none."""
    array = require_int64(name, positions)
    require_sorted(name, array, strict=True)
    if len(array) and (array[0] < 0 or array[-1] >= n):
        outside = array[0] if array[0] < 0 else array[-1]
        raise ValueError(f"{name} must lie in 0..{n - 1}, got {outside}")
    return array


def require_sum_fits(name: str, max_abs: int, n: int) -> None:
    """Demand that ``n`` terms of at most ``max_abs`` each cannot overflow an int64 sum."""
    if max_abs * n > INT64_MAX:
        raise ValueError(f"{name} may overflow int64: {n} terms of up to {max_abs}")


def require_differences_fit(name: str, values: Int64) -> None:
    """Demand that no difference of two elements leaves int64: all lie within 2**62."""
    largest = max(-int(values.min(initial=0)), int(values.max(initial=0)))
    if largest > INT64_MAX // 2:
        raise ValueError(f"{name} must lie within 2**62, got {values.min()} to {values.max()}")


def require_window_fits(name: str, ts_ns: Int64, window_ns: int) -> None:
    """Demand that the window before the first of some times, which do not run back, begins in int64."""
    if len(ts_ns) and int(ts_ns[0]) - window_ns < -INT64_MAX:
        raise ValueError(f"{name} of {ts_ns[0]} puts the window's start beyond int64")


def require_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Demand that ``value`` is one of the words in ``allowed``."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {allowed}, got {value!r}")
