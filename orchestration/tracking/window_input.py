"""The input of a served network: footprint windows by name, checked as strictly as a feature matrix."""

from collections.abc import Mapping

import numpy as np

from models.footprint_batch import Float32
from models.footprint_windows import FootprintWindows
from orchestration.tracking.naming import named
from orderflow_core.footprint_tensor import N_BARS, N_ROWS, SIDE_COLUMNS

# Shape of each input, one window a row; all float32, as `normalised_tensors` scales lots.
SHAPES = {
    "footprint": (-1, N_BARS, N_ROWS, 2),
    "overflow": (-1, N_BARS, len(SIDE_COLUMNS) - 1),
    "unsigned": (-1, N_BARS),
}


def window_input(windows: FootprintWindows) -> dict[str, Float32]:
    """Return windows as a served network takes them."""
    rows, beside = windows.read()
    return {"footprint": rows, "overflow": beside[:, :, :-1], "unsigned": beside[:, :, -1]}


def checked_tensors(given: object) -> tuple[Float32, Float32]:
    """Return the tensors that a network takes: rows (n, 100, 20, 2) and beside (n, 100, 5).

    Parameters
    ----------
    given : mapping of str to ndarray of float32
        ``footprint`` (n, 100, 20, 2), buys and sells; ``overflow`` (n, 100, 4), `SIDE_COLUMNS` without
        the last; ``unsigned`` (n, 100). Volumes are scaled as by
        `orderflow_core.footprint_tensor.normalised_tensors`: finite, not negative.

    Raises
    ------
    TypeError
        It is no mapping, or an input is no array of float32.
    ValueError
        An input is missing or unknown, has another shape or number of windows, is not finite, or is negative.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"model_input must be a mapping of names to arrays, got {type(given)}")
    missing = [name for name in SHAPES if name not in given]
    if missing:
        raise ValueError(f"model_input lacks {named(missing)}, which the network reads")
    extra = [name for name in given if name not in SHAPES]
    if extra:
        raise ValueError(f"model_input has {named(extra)}, which the network does not know")
    for name, shape in SHAPES.items():
        _check(name, given[name], shape)
    counts = {name: len(given[name]) for name in SHAPES}
    if len(set(counts.values())) > 1:
        raise ValueError(f"model_input must hold as many windows in each input, got {counts}")
    beside = np.concatenate([given["overflow"], given["unsigned"][:, :, None]], axis=2)
    return np.ascontiguousarray(given["footprint"]), beside


def _check(name: str, values: object, shape: tuple[int, ...]) -> None:
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        kind = values.dtype if isinstance(values, np.ndarray) else type(values)
        raise TypeError(f"{name} must be an array of float32, got {kind}")
    if values.shape[1:] != shape[1:] or values.ndim != len(shape):
        raise ValueError(f"{name} must have the shape {shape}, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite, got NaN or an infinity")
    if (values < 0).any():
        raise ValueError(f"{name} must not be negative, got {values.min()}")
