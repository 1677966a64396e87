"""The promises that training data must keep, checked once, at the edge."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import validate_data

from metarouter.exceptions import DataError


class TrainingData(NamedTuple):
    """Validated arrays, one row per label."""

    X: NDArray[Any]
    y: NDArray[np.float64]
    is_gold: NDArray[np.bool_]
    sample_weight: NDArray[np.float64] | None
    groups: NDArray[Any] | None

    def take(self, rows: NDArray[Any]) -> TrainingData:
        """Keep some rows, given as a mask or as positions."""
        return TrainingData(
            self.X[rows],
            self.y[rows],
            self.is_gold[rows],
            None if self.sample_weight is None else self.sample_weight[rows],
            None if self.groups is None else self.groups[rows],
        )


def validate_training(
    estimator: Any,
    X: Any,
    y: ArrayLike,
    is_gold: ArrayLike | None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> TrainingData:
    """Check training data for ``estimator`` and remember its features.

    Raises
    ------
    DataError
        One sentence that names the column, the row counts and the mend.
    """
    X, y = validate_data(
        estimator, X, y, ensure_all_finite=False, dtype=[np.float64, np.float32], multi_output=True
    )
    names = getattr(estimator, "feature_names_in_", None)
    _require_finite_columns(X, names)
    labels = validate_labels(y, len(X))
    return TrainingData(
        X,
        labels,
        validate_source(is_gold, len(X)),
        _validate_weight(sample_weight, len(X)),
        _validate_groups(groups, len(X)),
    )


def validate_features(estimator: Any, X: Any) -> NDArray[Any]:
    """Check the features of new queries against those seen in ``fit``."""
    X = validate_data(
        estimator, X, reset=False, ensure_all_finite=False, dtype=[np.float64, np.float32]
    )
    _require_finite_columns(X, getattr(estimator, "feature_names_in_", None))
    return X


def validate_labels(y: ArrayLike, n_rows: int | None = None) -> NDArray[np.float64]:
    """Return labels as finite floats of shape (n,)."""
    labels = np.asarray(column_or_1d(y, warn=True))
    if labels.dtype.kind not in "buif":
        try:
            labels = labels.astype(np.float64)
        except (TypeError, ValueError):
            bad = next(i for i, value in enumerate(labels) if not _is_number(value))
            raise DataError(
                f"y holds {labels[bad]!r} in row {bad}, which is not a number; "
                "give every quality gain as a number."
            ) from None
    labels = labels.astype(np.float64)
    _require_finite("y", labels, "give every row a label, or leave the row out")
    if n_rows is not None and len(labels) != n_rows:
        raise DataError(f"X has {n_rows} rows but y has {len(labels)}; give one label per row.")
    return labels


def validate_source(is_gold: ArrayLike | None, n_rows: int) -> NDArray[np.bool_]:
    """Return the source of every label as booleans; None means that every label is gold."""
    if is_gold is None:
        return np.ones(n_rows, dtype=bool)
    source = np.asarray(is_gold)
    if source.shape != (n_rows,):
        raise DataError(
            f"is_gold has shape {source.shape} but there are {n_rows} labels; "
            "give one boolean per label."
        )
    try:
        known = np.isin(source.astype(np.float64), (0.0, 1.0))
    except (TypeError, ValueError):
        known = np.zeros(n_rows, dtype=bool)
    if not known.all():
        row = int(np.argmin(known))
        raise DataError(
            f"is_gold holds {source[row]!r} in row {row} ({int((~known).sum())} of {n_rows} rows "
            "are neither True nor False); mark each label True (gold) or False (preference)."
        )
    return source.astype(bool)


def require_both_sources(is_gold: NDArray[np.bool_]) -> None:
    """Refuse labels of one source only, where a shift between the two is to be learned."""
    n_gold, n_rows = int(is_gold.sum()), len(is_gold)
    if n_gold == n_rows:
        raise DataError(
            f"all {n_rows} labels are gold and none is a preference label, so there is no bias to "
            "learn; add preference rows, or leave is_gold out to regress the gold labels alone."
        )
    if n_gold == 0:
        raise DataError(
            f"all {n_rows} labels are preference labels and none is gold, so their bias cannot be "
            "learned; add gold rows, or use MetaRouter(sources='preference')."
        )


def _validate_weight(weight: ArrayLike | None, n_rows: int) -> NDArray[np.float64] | None:
    if weight is None:
        return None
    weights = check_array(
        weight, ensure_2d=False, ensure_all_finite=False, dtype=np.float64, input_name="weight"
    )
    if weights.shape != (n_rows,):
        raise DataError(
            f"sample_weight has shape {weights.shape} but there are {n_rows} labels; "
            "give one weight per label."
        )
    _require_finite("sample_weight", weights, "give every row a finite weight")
    if (weights < 0).any() or not weights.any():
        raise DataError(
            f"sample_weight is negative in {int((weights < 0).sum())} of {n_rows} rows and "
            f"positive in {int((weights > 0).sum())}; weights must be at least 0 and not all 0."
        )
    return weights


def _validate_groups(groups: ArrayLike | None, n_rows: int) -> NDArray[Any] | None:
    if groups is None:
        return None
    labels = column_or_1d(groups)
    check_consistent_length(labels, np.empty(n_rows))
    return np.unique(labels, return_inverse=True)[1]


def _require_finite_columns(X: NDArray[Any], names: NDArray[Any] | None) -> None:
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


def _require_finite(what: str, values: NDArray[np.float64], mend: str) -> None:
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    kind = "NaN" if np.isnan(values).any() else "infinite (inf)"
    raise DataError(
        f"{what} is {kind} in {int(bad.sum())} of {len(values)} rows "
        f"(first: row {int(np.argmax(bad))}); {mend}."
    )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
