"""Checks of a table of features."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.validation import validate_data

from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameters, shown

__all__ = ["as_floats", "first_text", "require_real", "validate_matrix"]


def validate_matrix(estimator: Any, X: Any, *, reset: bool) -> NDArray[Any]:
    """Return features as finite floats of shape (n, d).

    Parameters
    ----------
    estimator : estimator
        Remembers the number and names of its features.
    X : array-like of shape (n, d)
    reset : bool
        Whether these are the first features that the estimator sees, as in ``fit``: its declared
        parameters are then checked before them.

    Raises
    ------
    DataError
        If X is malformed; columns and row counts are named.
    TypeError
        If it holds an object, such as a dict, that is neither a number nor text.
    """
    if reset:
        check_parameters(estimator)
    _require_distinct_names(X)
    _require_table(X)
    try:
        matrix = validate_data(
            estimator,
            X,
            reset=reset,
            ensure_all_finite=False,
            dtype=[np.float64, np.float32],
            ensure_min_samples=int(reset),  # nothing is learned of no rows; of none, none are asked
            order="C",  # a frame and an array with the same numbers give the same bits
        )
    except (ValueError, OverflowError) as error:
        # What scikit-learn says of text names no column, and of no rows no mend.
        _require_numeric_columns(X)
        if np.shape(X)[:1] == (0,):
            raise DataError("X has 0 rows; give at least one labelled query.") from None
        raise DataError(str(error)) from None
    except TypeError:
        raise TypeError(_sentence_on_objects(X)) from None
    _require_finite_columns(matrix, getattr(estimator, "feature_names_in_", None))
    return matrix


def require_real(name: str, values: Any) -> None:
    """Refuse what numpy would make numbers of by losing a part: masks, times, imaginary parts.

    Parameters
    ----------
    name : str
        What the sentence calls the values.
    values : array-like or frame

    Raises
    ------
    DataError

    Examples
    --------
    >>> require_real("y", np.array(["2026-11-29"], dtype="datetime64[D]"))
    Traceback (most recent call last):
    ...
    metarouter.exceptions.DataError: y holds dates or times; give numbers, such as days since one.
    """
    masked = int(np.ma.getmaskarray(values).sum()) if isinstance(values, np.ma.MaskedArray) else 0
    if masked:
        raise DataError(
            f"{name} is a masked array with {masked} masked value{'s' * (masked > 1)}; fill them "
            "in, or leave out those rows."
        )
    if hasattr(values, "columns") and hasattr(values, "dtypes"):
        kinds = [getattr(of, "kind", "O") for of in values.dtypes]
        special = next((k for k, kind in enumerate(kinds) if kind in "mMc"), None)
        kind = "" if special is None else kinds[special]
        where = "" if special is None else f" in column {list(values.columns)[special]!r}"
    else:
        kind, where = getattr(getattr(values, "dtype", None), "kind", ""), ""
    if kind and kind in "mM":
        raise DataError(
            f"{name} holds dates or times{where}; give numbers, such as days since one."
        )
    if kind == "c":
        raise DataError(f"{name} holds complex numbers{where}; give every row a real one.")


def as_floats(name: str, values: Any, otherwise: str) -> NDArray[np.float64]:
    """Return real numbers as floats of the same shape.

    Parameters
    ----------
    name : str
        What sentences call the values.
    values : array-like
    otherwise : str
        The sentence about values that are no numbers.

    Raises
    ------
    DataError
    """
    if type(values) is np.ndarray and values.dtype == np.float64:
        return values
    require_real(name, values)
    try:
        given = np.asarray(values)
    except (TypeError, ValueError, OverflowError):
        raise DataError(otherwise) from None
    require_real(name, given)  # what a list holds is known only now
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise DataError(otherwise) from None


def _require_table(X: Any) -> None:
    """Refuse what is no dense table of real numbers, in one sentence."""
    if sparse.issparse(X):
        raise DataError("X is sparse, but a dense table is needed; give X.toarray().")
    if hasattr(X, "columns"):
        require_real("X", X)
        return
    try:
        table = np.asarray(X)
    except ValueError:
        raise DataError("X has rows of different lengths; give one row per query.") from None
    if table.ndim != 2:
        raise DataError(
            f"X has shape {table.shape}; give a table, one row per query. Reshape your data "
            "with reshape(1, -1) if it is a single one."
        )
    if table.dtype.kind == "c":
        raise DataError("Complex data not supported: X is complex; give real numbers.")
    require_real("X", X if isinstance(X, np.ma.MaskedArray) else table)


def _require_distinct_names(X: Any) -> None:
    counts = Counter(getattr(X, "columns", ()))
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        more = f" (and {len(repeated) - 1} more names repeat)" if len(repeated) > 1 else ""
        raise DataError(
            f"X has {counts[repeated[0]]} columns named {repeated[0]!r}{more}; rename them or "
            "keep one of each."
        )


def _require_numeric_columns(X: Any) -> None:
    table = np.asarray(X)
    if table.ndim != 2:
        return
    for position, name in enumerate(getattr(X, "columns", range(table.shape[1]))):
        bad = first_text(table[:, position])
        if bad is not None and _is_too_large(table[bad, position]):
            raise DataError(
                f"X holds {shown(table[bad, position])} in row {bad} of column {name!r}, which is "
                "too large for a float; scale the column, or leave it out."
            )
        if bad is not None:
            raise DataError(
                f"X holds {table[bad, position]!r} in row {bad} of column {name!r}, which is not a "
                "number; encode text as numbers (metarouter.encoding), or leave the column out."
            )


def _sentence_on_objects(X: Any) -> str:
    """Say where X holds what is neither number nor text, in words that scikit-learn uses too."""
    table = np.asarray(X)
    for position, name in enumerate(getattr(X, "columns", range(table.shape[1]))):
        bad = first_text(table[:, position])
        if bad is not None:
            return (
                f"X holds {shown(table[bad, position])} in row {bad} of column {name!r}; an "
                "argument must be made of strings of digits or of numbers."
            )
    return "X holds something that is not a number; give numbers."


def first_text(column: NDArray[Any]) -> int | None:
    """Return the first row of a column that is not a number, or None."""
    if column.dtype.kind in "buifc":
        return None
    return next((row for row, value in enumerate(column) if not _is_number(value)), None)


def _require_finite_columns(X: NDArray[Any], names: NDArray[Any] | None) -> None:
    with np.errstate(over="ignore"):
        if np.isfinite(X.sum()) or np.isfinite(X).all():
            return
    bad = ~np.isfinite(X)
    column = int(np.argmax(bad.any(axis=0)))
    name = f"column {column}" if names is None else f"column {names[column]!r}"
    rows = np.flatnonzero(bad[:, column])
    kind = "NaN" if np.isnan(X[:, column]).any() else "infinite (inf)"
    more = int(bad.any(axis=0).sum()) - 1
    others = f" and {more} more column{'s' * (more > 1)}" if more else ""
    raise DataError(
        f"X is {kind} in {len(rows)} of {len(X)} rows of {name}{others} (first: row {rows[0]}); "
        "fill in the values, or leave out those rows or columns."
    )


def _is_too_large(value: Any) -> bool:
    try:
        float(value)
    except OverflowError:
        return True
    except (TypeError, ValueError):
        return False
    return False


def _is_number(value: Any) -> bool:
    if isinstance(value, np.datetime64 | np.timedelta64):
        return False
    try:
        float(value)
    except OverflowError:  # an integer beyond every float
        return False
    except (TypeError, ValueError):
        return value is None  # numpy reads None as NaN, which is reported as such
    return True
