"""Queries with the quality, and perhaps the cost, of every model's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.exceptions import DataError
from metarouter.utils.names import nearest

__all__ = ["ModelMatrix"]


@dataclass(frozen=True)
class ModelMatrix:
    """One row per query, one column per model.

    Parameters
    ----------
    X : ndarray of shape (n_queries, n_features)
        Features of the queries.
    quality : ndarray of shape (n_queries, n_models)
        Quality of each model's answer, in [0, 1].
    cost : ndarray of shape (n_queries, n_models) or None
        Cost of each model's call, in US dollars; None where no cost is recorded.
    models : tuple of str
        The names of the columns.
    task : ndarray of shape (n_queries,)
        Where each query comes from.
    text : ndarray of object of shape (n_queries,)
        The queries as text.
    groups : ndarray of shape (n_queries,), optional
        Queries that share a value belong on one side of every split.
    name : str
        What the data are called in tables and figures.
    notes : tuple of str
        What a reader must know.
    latency : ndarray of shape (n_queries, n_models), optional
        Seconds until each model's answer.

    Raises
    ------
    DataError
        If a matrix does not have one row per query and one column per model.

    Examples
    --------
    >>> import numpy as np
    >>> matrix = ModelMatrix(
    ...     X=np.zeros((2, 3)),
    ...     quality=np.array([[1.0, 0.0], [0.5, 1.0]]),
    ...     cost=None,
    ...     models=("large", "small"),
    ...     task=np.array(["math", "law"]),
    ...     text=np.array(["1 + 1?", "May I?"], dtype=object),
    ... )
    >>> matrix.pair("large", "small").gold.tolist()
    [1.0, -0.5]
    """

    X: NDArray[np.floating[Any]]
    quality: NDArray[np.float64]
    cost: NDArray[np.float64] | None
    models: tuple[str, ...]
    task: NDArray[Any]
    text: NDArray[np.object_]
    groups: NDArray[Any] | None = None
    name: str = "models"
    notes: tuple[str, ...] = ()
    latency: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        shape = (self.n_queries, len(self.models))
        for field in ("quality", "cost", "latency"):
            values = getattr(self, field)
            if values is not None and values.shape != shape:
                raise DataError(
                    f"{field} has shape {values.shape}, but there are {shape[0]} queries and "
                    f"{shape[1]} models: give one row per query and one column per model."
                )

    @property
    def n_queries(self) -> int:
        """Number of queries."""
        return int(self.X.shape[0])

    def pair(self, primary: str, alternative: str) -> LabelledQueries:
        """Return the gold gains of one model over another; there are no preference labels.

        Parameters
        ----------
        primary, alternative : str
            Names of two different models.

        Returns
        -------
        LabelledQueries
            With ``gold = quality(primary) - quality(alternative)`` and the two costs.

        Raises
        ------
        DataError
            If a model is unknown or both are the same.
        """
        if primary == alternative:
            raise DataError(f"The pair names {primary!r} twice: name two different models.")
        first, second = self._column(primary), self._column(alternative)
        return LabelledQueries(
            X=self.X,
            gold=self.quality[:, first] - self.quality[:, second],
            preference=np.full(self.n_queries, np.nan),
            text=self.text,
            groups=self.groups,
            domain=self.task,
            cost_primary=None if self.cost is None else self.cost[:, first],
            cost_alternative=None if self.cost is None else self.cost[:, second],
            name=self.name,
            notes=(f"{primary} over {alternative}", *self.notes),
            feature_names=[f"e{k}" for k in range(self.X.shape[1])],
        )

    def _column(self, model: str) -> int:
        if model not in self.models:
            raise DataError(
                f"{self.name} has no model {model!r}{nearest(model, self.models)}: choose one of "
                f"{', '.join(self.models)}."
            )
        return self.models.index(model)
