"""Queries with gold labels, preference labels, or both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.datasets._truth import Truth
from metarouter.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabelledQueries", "TrainingRows", "take_rows"]

_OPTIONAL_ARRAYS = (
    "text",
    "groups",
    "domain",
    "weight",
    "preference_weight",
    "cost_primary",
    "cost_alternative",
    "input_tokens",
    "output_tokens",
    "row",
)


@dataclass(frozen=True)
class TrainingRows:
    """One row per label, in the form that estimators take.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_rows, n_features)
        Features of the query that each row came from.
    y : ndarray of shape (n_rows,)
        The labels: gold rows first, then preference rows, each in the order of the queries.
    is_gold : ndarray of bool of shape (n_rows,)
        Which evaluation produced `y`.
    sample_weight : ndarray of shape (n_rows,) or None
        The weights of the queries, where there are any, times those of the preference labels.
    groups : ndarray of shape (n_rows,) or None
        Rows with the same value must not be separated by a fold. None when the queries have no
        groups and no query carries both labels: then every row may go its own way.
    query : ndarray of int of shape (n_rows,)
        Index of the query that each row came from.
    """

    X: NDArray[np.float64] | pd.DataFrame
    y: NDArray[np.float64]
    is_gold: NDArray[np.bool_]
    sample_weight: NDArray[np.float64] | None
    groups: NDArray[Any] | None
    query: NDArray[np.intp]

    def interleaved(self) -> TrainingRows:
        """Return the same rows with gold rows spread evenly among the others.

        Splitters that cut rows in order, as scikit-learn's ``KFold`` does by default, then leave
        both sources in every fold. They know nothing of groups: where `groups` is not None, use
        ``GroupKFold``.

        Returns
        -------
        TrainingRows

        Examples
        --------
        >>> import numpy as np
        >>> nan = np.nan
        >>> labels = np.array([1.0, 1.0, nan, nan, nan, nan]), np.array([nan, nan, 0, 0, 0, 0])
        >>> LabelledQueries(np.zeros((6, 1)), *labels).training_rows().interleaved().y.tolist()
        [0.0, 1.0, 0.0, 0.0, 1.0, 0.0]
        """
        place = np.empty(self.y.size)
        for source in (True, False):
            rows = np.flatnonzero(self.is_gold == source)
            place[rows] = (np.arange(rows.size) + 0.5) / max(1, rows.size)
        order = np.argsort(place, kind="stable")
        return TrainingRows(
            X=take_rows(self.X, order),
            y=self.y[order],
            is_gold=self.is_gold[order],
            sample_weight=None if self.sample_weight is None else self.sample_weight[order],
            groups=None if self.groups is None else self.groups[order],
            query=self.query[order],
        )


@dataclass(frozen=True)
class LabelledQueries:
    """Queries with what is known about the quality gain of the primary model.

    A quality gain is the quality of the primary model's answer minus that of the alternative's.
    A gold label is the gain under the trustworthy evaluation, a preference label the gain under
    the cheap one. A query may carry either, both, or none.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_queries, n_features)
        Features of the queries: numbers, or one column of text for a pipeline that begins with
        an encoder.
    gold : ndarray of shape (n_queries,)
        Gold labels, NaN where there is none.
    preference : ndarray of shape (n_queries,)
        Preference labels, NaN where there is none.
    text : ndarray of object of shape (n_queries,), optional
        The queries as text.
    groups : ndarray of shape (n_queries,), optional
        Queries that share a value share a source, and belong on one side of every split.
    domain : ndarray of shape (n_queries,), optional
        Where each query comes from, for reports by domain.
    weight : ndarray of shape (n_queries,), optional
        Sample weights.
    preference_weight : ndarray of shape (n_queries,), optional
        Relative precision of each preference label, such as that of a mean of several draws; only
        read where there is such a label. Routers learn with it; estimates and tests, which are
        about the queries, do not use it.
    cost_primary, cost_alternative : ndarray of shape (n_queries,), optional
        Cost of each model's call on each query, in one unit.
    input_tokens, output_tokens : ndarray of shape (n_queries,), optional
        Tokens of each query, and of an answer to it, for prices of tokens.
    truth : Truth, optional
        The functions behind simulated labels.
    name : str, default="queries"
        What the data are called in tables and figures.
    notes : tuple of str, default=()
        What a reader must know, such as the number of rows dropped while reading.
    feature_names : list of str, optional
        The names of the columns of `X`.
    row : ndarray of int of shape (n_queries,), optional
        Place of each query in the table that it was read from, which may have more rows.

    Raises
    ------
    DataError
        If an array does not have one entry per query.

    Examples
    --------
    >>> import numpy as np
    >>> queries = LabelledQueries(
    ...     X=np.zeros((3, 2)),
    ...     gold=np.array([0.5, np.nan, 1.0]),
    ...     preference=np.array([1.0, -1.0, np.nan]),
    ... )
    >>> queries.n_gold, queries.n_preference, queries.n_paired
    (2, 2, 1)
    >>> queries.training_rows().y.tolist()
    [0.5, 1.0, 1.0, -1.0]
    """

    X: NDArray[np.float64] | pd.DataFrame
    gold: NDArray[np.float64]
    preference: NDArray[np.float64]
    text: NDArray[np.object_] | None = None
    groups: NDArray[Any] | None = None
    domain: NDArray[Any] | None = None
    weight: NDArray[np.float64] | None = None
    preference_weight: NDArray[np.float64] | None = None
    cost_primary: NDArray[np.float64] | None = None
    cost_alternative: NDArray[np.float64] | None = None
    input_tokens: NDArray[np.float64] | None = None
    output_tokens: NDArray[np.float64] | None = None
    truth: Truth | None = None
    name: str = "queries"
    notes: tuple[str, ...] = ()
    feature_names: list[str] | None = None
    row: NDArray[np.intp] | None = None

    def __post_init__(self) -> None:
        n = self.n_queries
        for field in ("gold", "preference", *_OPTIONAL_ARRAYS):
            values = getattr(self, field)
            if values is not None and np.shape(values) != (n,):
                raise DataError(
                    f"{field} has shape {np.shape(values)}, but X has {n} rows: give one entry "
                    "per query."
                )
        if self.truth is not None and self.truth.psi.shape != (n,):
            raise DataError(
                f"truth describes {self.truth.psi.shape[0]} queries, but X has {n} rows: give "
                "one entry per query."
            )
        if self.feature_names is not None and len(self.feature_names) != self.X.shape[1]:
            raise DataError(
                f"feature_names has {len(self.feature_names)} names, but X has "
                f"{self.X.shape[1]} columns: give one name per column."
            )

    @property
    def n_queries(self) -> int:
        """Number of queries."""
        return int(self.X.shape[0])

    @property
    def has_gold(self) -> NDArray[np.bool_]:
        """Which queries carry a gold label."""
        return np.asarray(~np.isnan(self.gold))

    @property
    def has_preference(self) -> NDArray[np.bool_]:
        """Which queries carry a preference label."""
        return np.asarray(~np.isnan(self.preference))

    @property
    def n_gold(self) -> int:
        """Number of queries with a gold label."""
        return int(self.has_gold.sum())

    @property
    def n_preference(self) -> int:
        """Number of queries with a preference label."""
        return int(self.has_preference.sum())

    @property
    def n_paired(self) -> int:
        """Number of queries that carry both labels."""
        return int((self.has_gold & self.has_preference).sum())

    def subset(self, rows: ArrayLike) -> LabelledQueries:
        """Return some of the queries, in the order asked for.

        Parameters
        ----------
        rows : array-like of int or bool
            Indices of the queries, or a mask with one entry per query.

        Returns
        -------
        LabelledQueries
            The chosen queries with all that is known about them.

        Raises
        ------
        DataError
            If a mask has not one entry per query, or an index lies outside the queries.
        """
        index = _as_index(rows, self.n_queries)
        chosen = {
            field: getattr(self, field)[index]
            for field in ("gold", "preference", *_OPTIONAL_ARRAYS)
            if getattr(self, field) is not None
        }
        truth = None if self.truth is None else self.truth.subset(index)
        return replace(self, X=take_rows(self.X, index), truth=truth, **chosen)

    def training_rows(self) -> TrainingRows:
        """Return one row per label.

        Returns
        -------
        TrainingRows
            `n_gold` gold rows followed by `n_preference` preference rows. A query that carries
            both labels stands as two rows with one `groups` value. The precisions of preference
            labels have mean 1, so that they move no weight between the sources.

        Examples
        --------
        >>> labels = np.array([1.0, np.nan, np.nan]), np.array([np.nan, 1.0, 0.0])
        >>> precision = np.array([np.nan, 3.0, 1.0])
        >>> queries = LabelledQueries(np.zeros((3, 1)), *labels, preference_weight=precision)
        >>> queries.training_rows().sample_weight.tolist()
        [1.0, 1.5, 0.5]
        """
        gold, preference = np.flatnonzero(self.has_gold), np.flatnonzero(self.has_preference)
        query = np.concatenate([gold, preference])
        groups = self.groups
        if groups is None and self.n_paired > 0:
            groups = np.arange(self.n_queries)
        return TrainingRows(
            X=take_rows(self.X, query),
            y=np.concatenate([self.gold[gold], self.preference[preference]]),
            is_gold=np.arange(query.size) < gold.size,
            sample_weight=self._row_weight(gold, preference),
            groups=None if groups is None else groups[query],
            query=query,
        )

    def _row_weight(
        self, gold: NDArray[np.intp], preference: NDArray[np.intp]
    ) -> NDArray[np.float64] | None:
        query = np.concatenate([gold, preference])
        weight = None if self.weight is None else self.weight[query]
        if self.preference_weight is None or not preference.size:
            return weight
        precision = self.preference_weight[preference]
        relative = np.concatenate([np.ones(gold.size), precision / precision.mean()])
        return relative if weight is None else weight * relative


def take_rows(X: Any, rows: NDArray[np.intp]) -> Any:
    """Rows of an array or of a data frame, by position."""
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _as_index(rows: ArrayLike, n_queries: int) -> NDArray[np.intp]:
    index = np.asarray(rows)
    if index.dtype == bool:
        if index.shape != (n_queries,):
            raise DataError(
                f"The mask has shape {index.shape}, but there are {n_queries} queries: give one "
                "entry per query."
            )
        return np.flatnonzero(index)
    if index.size and (index.min() < -n_queries or index.max() >= n_queries):
        raise DataError(
            f"Row {index[(index < -n_queries) | (index >= n_queries)][0]} was asked for, but "
            f"there are {n_queries} queries: use indices from 0 to {n_queries - 1}."
        )
    return index.astype(np.intp)
