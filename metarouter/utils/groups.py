"""Which rows belong together, as whole numbers: one way for folds, splits and standard errors."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError
from metarouter.utils.parameters import shown

__all__ = ["as_labels", "count_groups", "group_codes"]


def group_codes(groups: ArrayLike) -> NDArray[np.intp]:
    """Give every row the number of its group, counted from 0 in the order of the groups' names.

    Groups are told apart by value, so that 1 and "1" are two groups and 1 and 1.0 are one. The
    numbers do not depend on the order of the rows.

    Parameters
    ----------
    groups : array-like of shape (n,)
        The group of every row: numbers, text, or a mixture.

    Returns
    -------
    ndarray of int of shape (n,)

    Raises
    ------
    DataError
        If a row has no group, or several.

    Examples
    --------
    >>> group_codes(["b", "a", "b", "c"])
    array([1, 0, 1, 2])
    """
    labels = as_labels("groups", groups)
    if labels.ndim != 1:
        raise DataError(f"groups has shape {labels.shape}; give one column with one group per row.")
    missing = np.array([_is_missing(value) for value in labels], dtype=bool)
    if missing.any():
        raise DataError(
            f"groups is missing in {int(missing.sum())} of {len(labels)} rows (first: row "
            f"{int(np.argmax(missing))}); give those rows groups of their own."
        )
    values = labels.tolist()
    names = sorted(dict.fromkeys(values), key=lambda value: (str(value), type(value).__name__))
    number = {value: k for k, value in enumerate(names)}
    return np.array([number[value] for value in values], dtype=np.intp)


def as_labels(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return labels of rows as an array, whose values can be told apart.

    Raises
    ------
    DataError
        If rows differ in length, are masked, or hold a value such as a dict.
    """
    try:
        labels = np.asarray(values)
    except ValueError:
        raise DataError(f"{name} has rows of different lengths; give one value per row.") from None
    if isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any():
        raise DataError(f"{name} has masked values; fill them in, or leave out those rows.")
    if labels.dtype == object:
        foreign = [value for value in labels.ravel() if not isinstance(value, Hashable)]
        if foreign:
            raise DataError(
                f"{name} holds {shown(foreign[0])}, which cannot be told apart from others; give "
                "numbers or text."
            )
    return labels


def count_groups(groups: ArrayLike) -> int:
    """Count the groups that some row belongs to.

    Examples
    --------
    >>> count_groups(["b", "a", "b", "c"])
    3
    """
    return int(group_codes(groups).max(initial=-1)) + 1


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA does not say whether it equals itself
        return True
