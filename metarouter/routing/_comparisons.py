"""What comparisons of many models must be like, and their models as columns."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from metarouter.datasets import model_names
from metarouter.exceptions import DataError
from metarouter.utils.names import nearest
from metarouter.utils.validation import TrainingData

__all__ = [
    "Compared",
    "ComparisonWarning",
    "model_column",
    "require_one_piece",
    "require_one_sign",
    "validate_pairs",
    "warn_of_gold_pieces",
]


class ComparisonWarning(UserWarning):
    """Some models are compared by preference labels only."""


class Compared(NamedTuple):
    """Models of every comparison as columns, the lower one first, and how that turned the label.

    Attributes
    ----------
    first, second : ndarray of int, shape (n,)
        ``first < second`` in every row.
    sign : ndarray of shape (n,)
        -1 where the models were given the other way round.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    sign: NDArray[np.float64]

    def take(self, rows: NDArray[Any]) -> Compared:
        """Keep some rows."""
        return Compared(self.first[rows], self.second[rows], self.sign[rows])


def validate_pairs(pairs: Any, n_rows: int) -> tuple[Compared, tuple[str, ...]]:
    """Return the models of every comparison, and their names in alphabetical order.

    Raises
    ------
    DataError
        If pairs is not of shape (n, 2), or the names are not those of different models.
    """
    table = np.asarray(pairs, dtype=object)
    if table.ndim != 2 or table.shape[1] != 2:
        raise DataError(
            f"pairs has shape {table.shape}; give two columns, the names of the two models that "
            "each label compares."
        )
    if len(table) != n_rows:
        raise DataError(
            f"X has {n_rows} rows but pairs has {len(table)}; give one pair of models per row."
        )
    names = model_names(table)
    code = np.searchsorted(names, table.astype(str))
    turned = code[:, 0] > code[:, 1]
    return Compared(code.min(axis=1), code.max(axis=1), np.where(turned, -1.0, 1.0)), names


def model_column(name: Any, models: Sequence[str]) -> int:
    """Return the column of a model.

    Raises
    ------
    DataError
        If there is no such model.
    """
    if str(name) not in models:
        raise DataError(
            f"There is no model {name!r}{nearest(str(name), models)}; choose one of "
            f"{', '.join(models)}."
        )
    return list(models).index(str(name))


def pieces(first: NDArray[np.intp], second: NDArray[np.intp], n_models: int) -> list[list[int]]:
    """Group the models that comparisons connect, the largest group first.

    Examples
    --------
    >>> pieces(np.array([0, 2]), np.array([1, 3]), 5)
    [[0, 1], [2, 3], [4]]
    """
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n_models, n_models))
    label = connected_components(graph, directed=False)[1]
    groups = [np.flatnonzero(label == code).tolist() for code in range(label.max() + 1)]
    return sorted(groups, key=len, reverse=True)


def require_one_piece(compared: Compared, names: Sequence[str]) -> None:
    """Refuse comparisons that never connect some models with the others.

    Raises
    ------
    DataError
    """
    groups = pieces(compared.first, compared.second, len(names))
    if len(groups) > 1:
        raise DataError(
            f"the comparisons fall apart into {len(groups)} groups of models that are never "
            f"compared with each other ({_listed(groups, names)}); add comparisons between the "
            "groups, or fit one router per group."
        )


def warn_of_gold_pieces(
    compared: Compared, is_gold: NDArray[np.bool_], names: Sequence[str]
) -> None:
    """Say which models no gold label connects with the others.

    Warns
    -----
    ComparisonWarning
    """
    groups = pieces(compared.first[is_gold], compared.second[is_gold], len(names))
    if len(groups) > 1:
        warnings.warn(
            f"gold labels alone fall apart into {len(groups)} groups of models "
            f"({_listed(groups, names)}), so that how these compare rests on preference labels "
            "whose bias is a guess; add gold comparisons between the groups.",
            ComparisonWarning,
            stacklevel=3,
        )


def require_one_sign(data: TrainingData, compared: Compared, names: Sequence[str]) -> None:
    """Refuse labels that do not turn when their models are swapped.

    Where one query's models are compared in both orders, the labels should be opposite. Gold labels
    that are all equal instead, or preference labels in at least three such places, come from a
    table that was swapped without its labels.

    Parameters
    ----------
    data : TrainingData
        With labels as they were given.

    Raises
    ------
    DataError
    """
    for source, is_source, least in (("gold", data.is_gold, 1), ("preference", ~data.is_gold, 3)):
        both = _both_orders(data, compared, is_source)
        labels = data.y[both] if len(both) else np.empty((0, 2))
        if len(both) >= least and (labels[:, 0] == labels[:, 1]).all():
            i, j = both[0]
            a, b = names[compared.first[i]], names[compared.second[i]]
            raise DataError(
                f"rows {i} and {j} compare {a!r} and {b!r} on one query in opposite orders and "
                f"both have the {source} label {data.y[i]:g}, as {len(both)} of {len(both)} such "
                "pairs of rows do; y is the quality of the first minus that of the second, so "
                "change its sign where you swap the models."
            )


def _both_orders(
    data: TrainingData, compared: Compared, is_source: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Rows, two by two, that compare the same models on the same query in opposite orders."""
    rows = np.flatnonzero(is_source & (data.y != 0))
    seen: dict[tuple[Any, ...], int] = {}
    found = []
    for row in rows:
        key = (data.X[row].tobytes(), int(compared.first[row]), int(compared.second[row]))
        sign = float(compared.sign[row])
        other = seen.get((*key, -sign))
        if other is not None:
            found.append((other, row))
        seen.setdefault((*key, sign), int(row))
    return np.array(found, dtype=np.intp)


def _listed(groups: list[list[int]], names: Sequence[str]) -> str:
    return "; ".join(", ".join(repr(names[k]) for k in group) for group in groups)


def require_new_name(name: str, known: Sequence[str]) -> None:
    """Refuse a name that a known model has, or has but for case or blanks."""
    plain = " ".join(name.split()).casefold()
    for other in known:
        if " ".join(other.split()).casefold() == plain:
            like = "" if other == name else f", from which {name!r} differs by case or blanks only"
            raise DataError(
                f"There is a model {other!r} already{like}; give the new one another name, or fit "
                "anew."
            )
