"""Checks of contexts, preferences and feedback."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bandits._caps import COSTS
from metarouter.exceptions import DataError
from metarouter.routing.preference_reward import off_simplex
from metarouter.utils.features import as_floats
from metarouter.utils.validation import learn_features, validate_features

__all__ = [
    "LARGEST_OUTCOME",
    "check_matrix",
    "check_outcome",
    "check_preference",
    "check_propensity",
    "contexts",
    "preferences_to_play",
]

QUALITY_ALONE = np.array([1.0, 0.0])
_WANTED = "(w_quality, w_cost) or (w_quality, w_cost, w_latency), once or one per row"
_NOT_NEGATIVE = tuple(name for name, _ in COSTS)

# Squares and products of larger outcomes overflow; nobody means them.
LARGEST_OUTCOME = 1e100
LARGEST_FLOAT = float(np.finfo(np.float64).max)


def contexts(router: Any, X: Any, *, first: bool = False) -> NDArray[np.float64]:
    """Return the contexts as finite float64 of shape (n, d), in the order that was learned.

    Raises
    ------
    DataError
        If a feature is missing, unknown, in another place, not a number, not finite, or larger than
        the router can tell from rounding errors.
    """
    largest = getattr(router, "_largest_feature", LARGEST_FLOAT)
    # A service asks for one query at a time: a plain array needs none of the longer way.
    if not first and type(X) is np.ndarray and X.dtype == np.float64 and X.ndim == 2:
        plain = X.shape[1] == router.n_features_in_ and X.flags.c_contiguous
        plain = plain and len(X) > 0 and "feature_names_in_" not in vars(router)
        # One pass over the data: no feature is larger than the root of the sum of their squares.
        if plain and math.sqrt(np.vdot(X, X)) <= largest:  # neither infinite nor NaN
            return X
    learned = learn_features(router, X) if first else validate_features(router, X)
    matrix = np.ascontiguousarray(learned, dtype=np.float64)
    size = np.abs(matrix)
    if size.max(initial=0.0) > largest:
        row, column = np.unravel_index(np.argmax(size), matrix.shape)
        raise DataError(
            f"X holds {matrix[row, column]:g} in row {row} of column {column}, so large that the "
            f"others drown in its rounding errors; scale the features to the order of 1 (at most "
            f"{largest:g})."
        )
    return matrix


def check_preference(
    preference: ArrayLike | None, n_rows: int, n_outcomes: int
) -> NDArray[np.float64]:
    """Return the weights of the outcomes on the simplex, of shape (k,) or (n, k).

    Parameters
    ----------
    preference : weights, array of shape (n, 2) or (n, 3), or None
        (w_quality, w_cost), or (w_quality, w_cost, w_latency); a pair gives latency no weight. None
        weighs all known outcomes alike.
    n_rows : int
    n_outcomes : int
        Outcomes that are known: quality, cost, latency. Of quality alone k is 2, with (1, 0).

    Raises
    ------
    DataError
        If a weight is negative or missing, weights do not sum to 1, or an outcome has weight that
        is not known.
    """
    if preference is None:
        return np.full(n_outcomes, 1.0 / n_outcomes) if n_outcomes > 1 else QUALITY_ALONE
    try:
        weights = np.asarray(preference, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"preference is {preference!r}; give {_WANTED}.") from None
    *outer, width = weights.shape or (0,)
    if width not in (2, 3):
        raise DataError(f"preference has shape {weights.shape}; give {_WANTED}.")
    if outer not in ([], [n_rows]):
        raise DataError(
            f"preference has shape {weights.shape} but there are {n_rows} rows; give {_WANTED}."
        )
    # One pair needs none of the longer way of many rows.
    if not outer and width == 2 and n_outcomes < 3 and _is_plain(weights.tolist(), n_outcomes):
        return weights
    _require_simplex(weights, n_rows)
    for position, (name, many) in enumerate(COSTS, start=1):
        if n_outcomes <= position < width and weights[..., position].any():
            raise DataError(
                f"preference weighs {name}, but this router has seen no {many}: pass {name}= when "
                f"training, or give it no weight."
            )
    known = max(n_outcomes, 2)
    if width < known:
        return np.concatenate([weights, np.zeros((*outer, 1))], axis=-1)
    return weights[..., :known]


def _require_simplex(weights: NDArray[np.float64], n_rows: int) -> None:
    rows = np.atleast_2d(weights)
    off = off_simplex(rows)
    if off.any():
        row = int(np.argmax(off))
        where = "" if weights.ndim == 1 else f" in row {row} ({int(off.sum())} of {n_rows} rows)"
        number = {2: "two", 3: "three"}[rows.shape[1]]
        raise DataError(
            f"preference is ({', '.join(f'{weight:g}' for weight in rows[row])}){where}; give "
            f"{number} weights of at least 0 that sum to 1."
        )


def preferences_to_play(
    preference: ArrayLike | None,
    n_rows: int,
    n_outcomes: int,
    rng: Generator,
    concentration: float = 1.0,
) -> NDArray[np.float64]:
    """Return the preference of every round, shape (n, 2) or, with latencies, (n, 3).

    None draws them on the simplex of the known outcomes from a Dirichlet distribution, which is
    uniform with a concentration of 1; of quality alone it is (1, 0).
    """
    if preference is None and n_outcomes > 2:
        return rng.dirichlet(np.full(n_outcomes, concentration), n_rows)
    if preference is None and n_outcomes == 2:
        uniform = concentration == 1.0
        weight = rng.random(n_rows) if uniform else rng.beta(concentration, concentration, n_rows)
        return np.column_stack([weight, 1.0 - weight])
    weights = check_preference(
        QUALITY_ALONE if preference is None else preference, n_rows, n_outcomes
    )
    return np.array(np.broadcast_to(weights, (n_rows, weights.shape[-1])))


def _is_plain(pair: list[float], n_outcomes: int) -> bool:
    """Say whether one pair is as it should be."""
    w_quality, w_cost = pair
    on_simplex = w_quality >= 0 and w_cost >= 0 and abs(w_quality + w_cost - 1.0) <= 1e-6
    return on_simplex and (n_outcomes > 1 or w_cost == 0)


def check_matrix(name: str, values: Any, shape: tuple[int, int] | None) -> NDArray[np.float64]:
    """Return the log of all arms as floats of shape (n, n_arms); NaN is a missing record.

    Raises
    ------
    DataError
        If the shape differs, a value is infinite or not a number, or a cost is negative.
    """
    matrix = np.array(_floats(name, values))
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2 or (shape is not None and matrix.shape != shape):
        expected = "two dimensions" if shape is None else f"shape {shape}"
        raise DataError(
            f"{name} has shape {np.shape(values)}, but {expected} is needed: one row per query "
            "and one column per arm."
        )
    too_large = np.abs(matrix) > LARGEST_OUTCOME
    if too_large.any():
        row, column = np.argwhere(too_large)[0]
        raise DataError(
            f"{name} is {_size(matrix[row, column])} in row {row}, column {column}; give numbers "
            f"of at most {LARGEST_OUTCOME:g}."
        )
    if name in _NOT_NEGATIVE and (matrix < 0).any():
        row, column = np.argwhere(matrix < 0)[0]
        raise DataError(
            f"{name} is negative in {int((matrix < 0).sum())} cells (first: row {row}, column "
            f"{column}); give numbers of at least 0."
        )
    return matrix


def check_outcome(
    name: str, values: Any, n_rows: int, largest: float = LARGEST_OUTCOME
) -> NDArray[np.float64]:
    """Return one finite number of some largest size per row; costs and latencies are not negative.

    Raises
    ------
    DataError
    """
    column = _floats(name, values)
    if column.shape != (n_rows,):
        raise DataError(
            f"{name} has shape {column.shape} but there are {n_rows} rows; give one number per row."
        )
    least = 0.0 if name in _NOT_NEGATIVE else -largest
    if n_rows and least <= column.min() and column.max() <= largest:  # nor is one NaN
        return column
    bad = ~np.isfinite(column)
    if bad.any():
        raise DataError(
            f"{name} is NaN or infinite in {int(bad.sum())} of {n_rows} rows (first: row "
            f"{int(np.argmax(bad))}); leave out rows without feedback."
        )
    if (np.abs(column) > largest).any():
        row = int(np.argmax(np.abs(column)))
        raise DataError(
            f"{name} is {column[row]:g} in row {row}; give numbers of at most {largest:g}."
        )
    if name in _NOT_NEGATIVE and (column < 0).any():
        raise DataError(
            f"{name} is negative in {int((column < 0).sum())} of {n_rows} rows (first: row "
            f"{int(np.argmax(column < 0))}); give numbers of at least 0."
        )
    return column


def check_propensity(propensity: Any, n_rows: int) -> NDArray[np.float64]:
    """Return the probabilities with which the actions were chosen, in (0, 1].

    Raises
    ------
    DataError
    """
    column = check_outcome("propensity", propensity, n_rows)
    off = (column <= 0) | (column > 1)
    if off.any():
        raise DataError(
            f"propensity is {column[off][0]:.10g} in row {int(np.argmax(off))} "
            f"({int(off.sum())} of {n_rows} rows are not above 0 and at most 1); log the "
            "probability with which each action was chosen."
        )
    return column


def _floats(name: str, values: Any) -> NDArray[np.float64]:
    return as_floats(name, values, f"{name} holds something that is not a number; give numbers.")


def _size(value: float) -> str:
    return "infinite" if np.isinf(value) else f"{value:g}"
