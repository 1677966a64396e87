"""Bring gold and preference labels to one scale (Meta-Router, Remark 1)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameters, one_of
from metarouter.utils.validation import (
    require_both_sources,
    validate_labels,
    validate_source,
    validate_weight,
)

FloatArray = NDArray[np.float64]
ScalingMethod = Literal["variance", "max", "wasserstein"]


class Labels(NamedTuple):
    """Labels of one source and their positive weights, each of shape (n,)."""

    values: FloatArray
    weight: FloatArray


class GainScaler(BaseEstimator):
    """Multiply the gold labels by one constant, so that they lie on the preference scale.

    Parameters
    ----------
    method : {"variance", "max", "wasserstein"} or None, default="variance"
        What the constant ``c`` makes equal (Remark 1):

        - ``"variance"``: Var(c r) = Var(y);
        - ``"max"``: max |c r| = max |y|;
        - ``"wasserstein"``: ``c`` minimises the 2-Wasserstein distance between c r and y;
        - ``None``: nothing, ``c = 1``.

    Attributes
    ----------
    factor_ : float
        The constant ``c`` > 0; 1 when every label is gold.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([0.0, 20.0, -1.0, 1.0])
    >>> is_gold = np.array([True, True, False, False])
    >>> GainScaler("variance").fit(labels, is_gold).transform(labels, is_gold)
    array([ 0.,  2., -1.,  1.])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "method": [one_of(*get_args(ScalingMethod)), None],
    }

    def __init__(self, method: ScalingMethod | None = "variance") -> None:
        self.method = method

    def fit(
        self,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> GainScaler:
        """Find the constant.

        Parameters
        ----------
        y : array-like of shape (n,)
            Labels of both sources, each in its own units.
        is_gold : array-like of bool of shape (n,), optional
            Source of each label; None means that all are gold, and nothing is scaled.
        sample_weight : array-like of shape (n,), optional

        Raises
        ------
        DataError
            If one source is missing, or its labels leave the constant undefined.
        """
        check_parameters(self)
        labels = validate_labels(y)
        source = validate_source(is_gold, len(labels))
        if self.method is None or is_gold is None:
            self.factor_ = 1.0
            return self
        require_both_sources(source)
        weight = validate_weight(sample_weight, source)
        gold, preference = (
            Labels(labels[rows], weight[rows])
            for rows in (source & (weight > 0), ~source & (weight > 0))
        )
        with np.errstate(all="ignore"):
            factor = float(_FACTORS[self.method](gold, preference))
        if not (np.isfinite(factor) and factor > 0):
            raise DataError(
                f"the {int(source.sum())} gold and {int((~source).sum())} preference labels differ "
                f"too much in size to be brought to one scale (factor {factor:g}); rescale one of "
                "the columns."
            )
        self.factor_ = factor
        return self

    def transform(self, y: ArrayLike, is_gold: ArrayLike | None = None) -> FloatArray:
        """Return the labels, shape (n,), with the gold ones multiplied by ``factor_``."""
        check_is_fitted(self)
        labels = validate_labels(y)
        return np.where(validate_source(is_gold, len(labels)), labels * self.factor_, labels)

    def inverse_transform(self, gain: ArrayLike) -> FloatArray:
        """Bring gains from the common scale back to the units of the gold labels."""
        check_is_fitted(self)
        return np.asarray(gain, dtype=np.float64) / self.factor_

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.target_tags.one_d_labels = True
        return tags


def variance_factor(gold: Labels, preference: Labels) -> float:
    """Return c with Var(c r) = Var(y) (Remark 1, item 2)."""
    _require_spread("gold", gold.values)
    _require_spread("preference", preference.values)
    return float(np.sqrt(np.divide(_variance(preference), _variance(gold))))


def max_factor(gold: Labels, preference: Labels) -> float:
    """Return c with max |c r| = max |y| (Remark 1, item 1)."""
    for name, labels in (("gold", gold), ("preference", preference)):
        if not labels.values.any():
            raise DataError(
                f"all {len(labels.values)} {name} labels are 0, so their largest value cannot be "
                "matched; check the column, or use scaling=None."
            )
    return float(np.abs(preference.values).max() / np.abs(gold.values).max())


def wasserstein_factor(gold: Labels, preference: Labels) -> float:
    """Return the c > 0 that minimises the 2-Wasserstein distance (Remark 1, item 3).

    With the quantile functions Q_r and Q_y, W_2^2(c r, y) is the integral of (c Q_r - Q_y)^2, a
    parabola in c with its least point at (integral Q_r Q_y) / (integral Q_r^2). The integrals are
    exact: both quantile functions are steps that change at cumulated weights only.
    """
    breaks = np.union1d(_steps(gold), _steps(preference))
    width, middle = np.diff(breaks), (breaks[:-1] + breaks[1:]) / 2
    gold_quantile, preference_quantile = _quantile(gold, middle), _quantile(preference, middle)
    power = np.sum(width * gold_quantile**2)
    product = np.sum(width * gold_quantile * preference_quantile)
    if power == 0 or product <= 0:
        means = [_mean(labels) for labels in (gold, preference)]
        raise DataError(
            f"no positive constant brings the {len(gold.values)} gold labels (mean {means[0]:.3g}) "
            f"near the {len(preference.values)} preference labels (mean {means[1]:.3g}) in "
            "Wasserstein distance; use scaling='variance'."
        )
    return float(product / power)


_FACTORS = {"variance": variance_factor, "max": max_factor, "wasserstein": wasserstein_factor}


def _mean(labels: Labels) -> float:
    return float(np.average(labels.values, weights=labels.weight))


def _variance(labels: Labels) -> float:
    return _mean(labels._replace(values=(labels.values - _mean(labels)) ** 2))


def _steps(labels: Labels) -> FloatArray:
    cumulated = np.cumsum(labels.weight[np.argsort(labels.values, kind="stable")])
    return np.concatenate([[0.0], cumulated / cumulated[-1]])


def _quantile(labels: Labels, level: FloatArray) -> FloatArray:
    step = np.searchsorted(_steps(labels), level, side="right") - 1
    return np.sort(labels.values)[step]


def _require_spread(name: str, labels: FloatArray) -> None:
    if len(labels) == 1:
        raise DataError(
            f"1 {name} label is too few to match its variance; give at least 2 that differ, or use "
            "scaling=None."
        )
    if np.ptp(labels) == 0:
        raise DataError(
            f"all {len(labels)} {name} labels equal {labels[0]:g}, so their variance cannot be "
            "matched; check the column, or use scaling=None."
        )
