"""What every cost model shares: its protocol, and the check of what is given per query."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from metarouter.exceptions import DataError, MetaRouterError

__all__ = ["CostModel", "counted", "is_real", "n_rows", "per_query_pair"]


class CostModel(BaseEstimator, ABC):
    """Base of the cost functions of both models (Meta-Router, section 2.2).

    A cost model says what each query costs with the alternative and with the primary model. What
    it has to know about the queries beside their features reaches it by keyword, and
    ``query_inputs`` names those keywords; `ThresholdRouter` hands on what it is given.

    A subclass writes ``_costs(X, n, **inputs)``.
    """

    query_inputs: ClassVar[tuple[str, ...]] = ()

    def fit(self, X: Any, y: Any = None) -> CostModel:
        """Do nothing: the cost of a query is known a priori, as section 2.2 assumes.

        Parameters
        ----------
        X, y : ignored

        Returns
        -------
        CostModel
            The cost model itself.
        """
        return self

    def costs(self, X: Any, **inputs: Any) -> NDArray[np.float64]:
        """Give the cost of each query with each model.

        Parameters
        ----------
        X : array-like of shape (n, d), or a list of n texts
            The queries.
        **inputs
            Per-query inputs, by the names listed in ``query_inputs``.

        Returns
        -------
        ndarray of shape (n, 2)
            The columns are the alternative and the primary model, in that order.

        Raises
        ------
        DataError
            If a per-query input is missing, unknown, of another length than `X`, negative or not
            finite.
        """
        given = {name: values for name, values in inputs.items() if values is not None}
        self._refuse_unknown(given)
        return self._costs(X, n_rows(X), **given)

    def extra_cost(self, X: Any, **inputs: Any) -> NDArray[np.float64]:
        """Give what the primary model costs beyond the alternative, C_p - C_a of equation (4).

        Parameters
        ----------
        X : array-like of shape (n, d), or a list of n texts
            The queries.
        **inputs
            Per-query inputs, by the names listed in ``query_inputs``.

        Returns
        -------
        ndarray of shape (n,)
            Negative where the primary model is the cheaper one.
        """
        alternative, primary = self.costs(X, **inputs).T
        return primary - alternative

    @abstractmethod
    def _costs(self, X: Any, n: int, **inputs: Any) -> NDArray[np.float64]: ...

    def _refuse_unknown(self, given: Collection[str]) -> None:
        unknown = sorted(set(given) - set(self.query_inputs))
        if unknown:
            takes = ", ".join(self.query_inputs) or "nothing"
            raise MetaRouterError(
                f"{type(self).__name__} does not use {', '.join(unknown)} "
                f"(per query it takes {takes}); leave it out or choose another cost model."
            )

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.no_validation = True
        tags.requires_fit = False
        return tags


def n_rows(X: Any) -> int:
    """Count the queries in an array, a frame, a sparse matrix or a list of texts."""
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def is_real(value: Any) -> bool:
    """Tell whether `value` is a finite real number, and not a truth value."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def counted(count: int, noun: str) -> str:
    """Write a count with its noun, as in '1 row' and '3 rows'."""
    plural = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"


def per_query_pair(
    name: str, values: ArrayLike, n: int, *, missing_allowed: bool = False
) -> NDArray[np.float64]:
    """Check one per-query input and lay it out with a column for each model.

    Parameters
    ----------
    name : str
        What the input is called; errors name it.
    values : array-like of shape (n,) or (n, 2)
        One number for both models, or the columns [alternative, primary].
    n : int
        The number of queries.
    missing_allowed : bool
        Whether NaN may stand for "not known".

    Returns
    -------
    ndarray of shape (n, 2)
        Non-negative and finite, NaN where that is allowed.

    Raises
    ------
    DataError
        If the shape, the sign or the kind of the numbers is wrong.

    Examples
    --------
    >>> per_query_pair("input_tokens", [120, 80], 2)
    array([[120., 120.],
           [ 80.,  80.]])
    """
    try:
        pair = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"{name} must hold numbers; convert it or leave it out.") from None
    if pair.ndim == 0 or pair.ndim > 2 or (pair.ndim == 2 and pair.shape[1] != 2):
        raise DataError(
            f"{name} has shape {pair.shape}; give one number per query, or two columns "
            "[alternative, primary]."
        )
    if len(pair) != n:
        raise DataError(
            f"{name} has {counted(len(pair), 'row')} where X has {n}; give one row per query."
        )
    if pair.ndim == 1:
        pair = np.column_stack([pair, pair])
    unusable = np.isinf(pair) if missing_allowed else ~np.isfinite(pair)
    for rows, what in ((unusable, "missing or infinite"), (pair < 0, "negative")):
        if rows.any():
            wrong = np.flatnonzero(rows.any(axis=1))
            raise DataError(
                f"{name} is {what} in {counted(len(wrong), 'row')} of {n} "
                f"(the first is row {wrong[0]}); give a finite number of at least 0 for each query."
            )
    return pair
