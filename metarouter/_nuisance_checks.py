"""What cross-fitted nuisances ask of their learners, folds and weights, checked before any fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.fitting import is_bagged_forest
from metarouter.utils.validation import TrainingData, require_both_sources

__all__ = [
    "require_folds",
    "require_forest",
    "require_partition",
    "require_weight",
]

Folds = list[tuple[NDArray[Any], NDArray[Any]]]


def require_forest(learner: Any) -> None:
    """Refuse a learner that has no out-of-bag predictions."""
    if not is_bagged_forest(learner):
        raise MetaRouterError(
            f"method='oob' needs forests with bootstrap=True, not {type(learner).__name__}; "
            "use method='cv'."
        )


def require_folds(data: TrainingData, n_folds: int) -> None:
    """Refuse more folds than a source has rows, or groups, to put in each."""
    unit = "rows" if data.groups is None else "groups"
    for name, rows in (("gold", data.is_gold), ("preference", ~data.is_gold)):
        n = int(rows.sum()) if data.groups is None else len(np.unique(data.groups[rows]))
        if n < n_folds:
            fewer_folds = f"lower cv to {n}, or " if n > 1 else ""
            raise DataError(
                f"cv={n_folds} needs at least {n_folds} {name} {unit}, one in each fold, but found "
                f"{n}; {fewer_folds}add {name} labels."
            )


def require_partition(folds: Folds, data: TrainingData) -> None:
    """Refuse folds that miss or repeat a row, lack a source, or separate a group."""
    predicted = np.concatenate([test for _, test in folds])
    if len(predicted) != len(data.y) or len(np.unique(predicted)) != len(data.y):
        raise MetaRouterError(
            f"the test folds of cv hold {len(np.unique(predicted))} of {len(data.y)} rows "
            f"({len(predicted)} entries); every row must be in exactly one test fold."
        )
    for train, test in folds:
        require_both_sources(data.is_gold[train])
        if data.groups is None:
            continue
        torn = np.intersect1d(data.groups[train], data.groups[test])
        if len(torn):
            raise MetaRouterError(
                f"a fold of cv separates the rows of {len(torn)} of "
                f"{len(np.unique(data.groups))} groups; give a splitter that respects groups, such "
                "as StratifiedGroupKFold, or an integer."
            )


def require_weight(folds: Folds, data: TrainingData) -> None:
    """Refuse folds outside which a source weighs nothing."""
    if data.sample_weight is None:
        return
    for number, (train, _) in enumerate(folds, start=1):
        for name, rows in (("gold", data.is_gold), ("preference", ~data.is_gold)):
            chosen = train[rows[train]]
            if not data.sample_weight[chosen].any():
                raise DataError(
                    f"sample_weight is zero in all {len(chosen)} {name} rows outside fold {number} "
                    f"of {len(folds)}, where nothing can be learned; leave out rows of weight 0, "
                    f"or give more of the {int(rows.sum())} {name} rows a positive weight."
                )
