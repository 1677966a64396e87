"""Checks of training data, made once, at the edge."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d

from metarouter.exceptions import DataError
from metarouter.utils.features import first_text, require_real, validate_matrix
from metarouter.utils.groups import as_labels, group_codes
from metarouter.utils.parameters import shown


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
        If an argument is malformed; columns and row counts are named.
    """
    X = validate_matrix(estimator, X, reset=True)
    if y is None:
        raise DataError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None; "
            "give one label per row."
        )
    source = validate_source(is_gold, len(X))
    return TrainingData(
        X,
        validate_labels(y, len(X)),
        source,
        None if sample_weight is None else validate_weight(sample_weight, source),
        None if groups is None else _validate_groups(groups, len(X)),
    )


def validate_features(estimator: Any, X: Any) -> NDArray[Any]:
    """Check the features of new queries against those seen in ``fit``.

    Raises
    ------
    DataError
        If a feature is missing, unknown, in another place, not a number or not finite. Columns
        that do not match are listed in scikit-learn's words, one per line.
    """
    return validate_matrix(estimator, X, reset=False)


def learn_features(estimator: Any, X: Any) -> NDArray[Any]:
    """Check the first features that an estimator sees; remember their number and names.

    Raises
    ------
    DataError
        As `validate_features`.
    """
    return validate_matrix(estimator, X, reset=True)


def validate_labels(y: ArrayLike, n_rows: int | None = None) -> NDArray[np.float64]:
    """Return labels as finite floats of shape (n,)."""
    labels = _numbers("y", y)
    if n_rows is not None and len(labels) != n_rows:
        raise DataError(f"X has {n_rows} rows but y has {len(labels)}; give one label per row.")
    _require_finite("y", labels, "give every row a label, or leave the row out")
    return labels


def validate_source(is_gold: ArrayLike | None, n_rows: int) -> NDArray[np.bool_]:
    """Return the source of every label as booleans; None means that every label is gold."""
    if is_gold is None:
        return np.ones(n_rows, dtype=bool)
    source = np.asarray(is_gold)
    _require_shape("is_gold", source, n_rows, "boolean")
    if source.dtype.kind in "buif":
        known = np.isin(source, (0, 1))
    else:
        known = np.array([_is_boolean(value) for value in source], dtype=bool)
    if not known.all():
        row = int(np.argmin(known))
        raise DataError(
            f"is_gold holds {source.tolist()[row]!r} in row {row} ({int((~known).sum())} of "
            f"{n_rows} rows are neither True nor False); mark each label True (gold) or False "
            "(preference)."
        )
    return source.astype(bool)


def validate_weight(weight: ArrayLike | None, is_gold: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return weights of at least 0, shape (n,), with some on each source; None weighs all alike."""
    if weight is None:
        return np.ones(len(is_gold))
    weights = _nonnegative("sample_weight", weight, len(is_gold))
    _require_some_weight(weights, is_gold, "gold")
    _require_some_weight(weights, ~is_gold, "preference")
    return weights


def validate_gold_weight(
    weight: ArrayLike | None, is_gold: NDArray[np.bool_]
) -> NDArray[np.float64] | None:
    """Return the weights of the gold rows, with some above 0; None stays None."""
    if weight is None:
        return None
    weights = _nonnegative("sample_weight", weight, len(is_gold))
    _require_some_weight(weights, is_gold, "gold")
    return weights[is_gold]


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


def _validate_groups(groups: ArrayLike, n_rows: int) -> NDArray[np.intp]:
    labels = as_labels("groups", groups)
    _require_shape("groups", labels, n_rows, "group")
    # Folds are drawn from groups in the order in which they come, as scikit-learn's users know.
    first, codes = np.unique(group_codes(labels), return_index=True, return_inverse=True)[1:]
    return np.argsort(np.argsort(first))[codes]


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    require_real(name, values)
    try:
        column = np.asarray(column_or_1d(values, warn=True))
    except ValueError:
        given = np.asarray(values)
        if given.dtype.kind == "c":
            raise DataError(f"{name} holds complex numbers; give every row a real one.") from None
        raise DataError(
            f"{name} has shape {given.shape}; give one column with one number per row."
        ) from None
    bad = first_text(column)
    if bad is not None:
        raise DataError(
            f"{name} holds {shown(column.tolist()[bad])} in row {bad}, which is not a number; "
            "give every row a number."
        )
    return column.astype(np.float64)


def _nonnegative(name: str, values: ArrayLike, n_rows: int) -> NDArray[np.float64]:
    weights = _numbers(name, values)
    _require_shape(name, weights, n_rows, "weight")
    _require_finite(name, weights, "give every row a finite weight")
    if (weights < 0).any():
        raise DataError(
            f"{name} is negative in {int((weights < 0).sum())} of {n_rows} rows "
            f"(first: row {int(np.argmax(weights < 0))}); give weights of at least 0."
        )
    return weights


def _require_some_weight(
    weights: NDArray[np.float64], rows: NDArray[np.bool_], source: str
) -> None:
    if rows.any() and not weights[rows].any():
        raise DataError(
            f"sample_weight is zero in all {int(rows.sum())} {source} rows; give some of them a "
            "positive weight, or leave them out."
        )


def _require_shape(name: str, values: NDArray[Any], n_rows: int, unit: str) -> None:
    if values.shape != (n_rows,):
        raise DataError(
            f"{name} has shape {values.shape} but there are {n_rows} labels; "
            f"give one {unit} per label."
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


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool | int | float | np.bool_ | np.number) and value in (0, 1)
