"""How strong observed features are as confounders: a yardstick for unobserved ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from metarouter.exceptions import MetaRouterError
from metarouter.inference.intervals import FloatArray
from metarouter.inference.labels import ScaledLabels, column_names
from metarouter.nuisance import Nuisances
from metarouter.utils.random import seed_of, seeded

__all__ = ["benchmark_columns", "nuisances_without"]

_AUTOMATIC = 3


def benchmark_columns(data: Any, labels: ScaledLabels, benchmark: Any) -> dict[str, list[int]]:
    """Return the columns that each benchmark leaves out.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    labels : ScaledLabels
    benchmark : "auto", None, list of names or positions, or dict of str to such lists
        "auto" takes the three columns that are most related both to the source and to the labels
        of one source; a dict leaves out several columns at once, for example the length and the
        language of a query.

    Raises
    ------
    MetaRouterError
        If a column is unknown.
    """
    names = column_names(data)
    if benchmark is None:
        return {}
    if isinstance(benchmark, str) and benchmark == "auto":
        return {names[k]: [k] for k in _strongest(np.asarray(labels.rows.X, dtype=float), labels)}
    if isinstance(benchmark, Mapping):
        return {
            str(name): [_position(item, names) for item in items]
            for name, items in benchmark.items()
        }
    chosen = [benchmark] if isinstance(benchmark, str) else list(benchmark)
    return {names[_position(item, names)]: [_position(item, names)] for item in chosen}


def nuisances_without(
    labels: ScaledLabels, fitted: Nuisances, columns: list[int], needed: tuple[str, ...], seed: Any
) -> Nuisances:
    """Cross-fit the same recipe on the same folds, without some columns."""
    X = np.asarray(labels.rows.X, dtype=float)
    left = np.delete(X, columns, axis=1)
    if left.shape[1] == 0:
        left = np.zeros((len(X), 1))
    recipe = Nuisances(**fitted.get_params(deep=False))
    if fitted.folds_:
        recipe.set_params(cv=fitted.folds_)
    data = labels._replace(rows=replace(labels.rows, X=left)).training_data()
    return seeded(recipe, seed_of(seed)).fit_validated(data, needed)


def _position(item: Any, names: list[str]) -> int:
    if isinstance(item, str) and item in names:
        return names.index(item)
    if isinstance(item, int | np.integer) and 0 <= item < len(names):
        return int(item)
    raise MetaRouterError(
        f"benchmark names {item!r}, but X has {len(names)} columns ({', '.join(names[:5])}"
        f"{', ...' if len(names) > 5 else ''}); choose among them."
    )


def _strongest(X: FloatArray, labels: ScaledLabels) -> list[int]:
    is_gold = labels.is_gold
    centred = np.where(is_gold, labels.y[is_gold].mean(), labels.y[~is_gold].mean())
    product = np.abs(_correlations(X, is_gold.astype(float)) * _correlations(X, labels.y - centred))
    return [int(k) for k in np.argsort(-product, kind="stable")[:_AUTOMATIC]]


def _correlations(X: FloatArray, y: FloatArray) -> FloatArray:
    Z = X - X.mean(axis=0)
    norms = np.sqrt((Z**2).sum(axis=0)) * np.sqrt(((y - y.mean()) ** 2).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(Z.T @ (y - y.mean()) / norms)
