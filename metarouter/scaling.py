"""Bring gold and preference labels to one scale (Meta-Router, Remark 1)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from metarouter._validation import require_both_sources, validate_labels, validate_source
from metarouter.exceptions import DataError, MetaRouterError

FloatArray = NDArray[np.float64]
ScalingMethod = Literal["variance", "max", "wasserstein"]


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

    def __init__(self, method: ScalingMethod | None = "variance") -> None:
        self.method = method

    def fit(self, y: ArrayLike, is_gold: ArrayLike | None = None) -> GainScaler:
        """Find the constant.

        Parameters
        ----------
        y : array-like of shape (n,)
            Labels of both sources, each in its own units.
        is_gold : array-like of bool of shape (n,), optional
            Source of each label; None means that all are gold, and nothing is scaled.

        Raises
        ------
        DataError
            If one source is missing, or its labels leave the constant undefined.
        """
        labels = validate_labels(y)
        source = validate_source(is_gold, len(labels))
        if self.method not in (*_FACTORS, None):
            raise MetaRouterError(
                f"scaling method {self.method!r} is unknown; choose one of {sorted(_FACTORS)} "
                "or None."
            )
        if self.method is None or is_gold is None:
            self.factor_ = 1.0
            return self
        require_both_sources(source)
        self.factor_ = _FACTORS[self.method](labels[source], labels[~source])
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


def variance_factor(gold: FloatArray, preference: FloatArray) -> float:
    """Return c with Var(c r) = Var(y) (Remark 1, item 2)."""
    _require_spread("gold", gold)
    _require_spread("preference", preference)
    return float(np.std(preference) / np.std(gold))


def max_factor(gold: FloatArray, preference: FloatArray) -> float:
    """Return c with max |c r| = max |y| (Remark 1, item 1)."""
    for name, labels in (("gold", gold), ("preference", preference)):
        if not labels.any():
            raise DataError(
                f"all {len(labels)} {name} labels are 0, so their largest value cannot be matched; "
                "check the column, or use scaling=None."
            )
    return float(np.abs(preference).max() / np.abs(gold).max())


def wasserstein_factor(gold: FloatArray, preference: FloatArray) -> float:
    """Return the c > 0 that minimises the 2-Wasserstein distance (Remark 1, item 3).

    With the quantile functions Q_r and Q_y, W_2^2(c r, y) is the integral of (c Q_r - Q_y)^2, a
    parabola in c with its least point at (integral Q_r Q_y) / (integral Q_r^2). The integrals are
    exact: both quantile functions are steps that change at multiples of 1/n and 1/m only.
    """
    breaks = np.union1d(_steps(gold), _steps(preference))
    width, middle = np.diff(breaks), (breaks[:-1] + breaks[1:]) / 2
    gold_quantile = np.sort(gold)[(middle * len(gold)).astype(int)]
    preference_quantile = np.sort(preference)[(middle * len(preference)).astype(int)]
    power = np.sum(width * gold_quantile**2)
    product = np.sum(width * gold_quantile * preference_quantile)
    if power == 0 or product <= 0:
        raise DataError(
            f"no positive constant brings the {len(gold)} gold labels (mean {gold.mean():.3g}) "
            f"near the {len(preference)} preference labels (mean {preference.mean():.3g}) in "
            "Wasserstein distance; use scaling='variance'."
        )
    return float(product / power)


_FACTORS = {"variance": variance_factor, "max": max_factor, "wasserstein": wasserstein_factor}


def _steps(labels: FloatArray) -> FloatArray:
    return np.arange(len(labels) + 1) / len(labels)


def _require_spread(name: str, labels: FloatArray) -> None:
    if np.ptp(labels) == 0:
        raise DataError(
            f"all {len(labels)} {name} labels equal {labels[0]:g}, so their variance cannot be "
            "matched; check the column, or use scaling=None."
        )
