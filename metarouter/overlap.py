"""What is done where gold and preference queries hardly overlap, and how it is reported."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.base import BaseEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameters, number, one_of

FloatArray = NDArray[np.float64]

AUTO_CLIP = 0.01
LOUD_SHARE = 0.05


class OverlapWarning(UserWarning):
    """A propensity policy changed or excluded more than a few rows."""


@dataclass(frozen=True)
class Overlap:
    """Propensities after a policy, and what the policy did.

    Attributes
    ----------
    propensity : array of shape (n,)
        P(gold | s), calibrated and clipped.
    in_overlap : array of bool of shape (n,)
        False where a row was trimmed away.
    lower, upper : float
        The bounds of clipping.
    n_clipped, n_trimmed : int
        Rows that were clipped, rows that were trimmed.
    """

    propensity: FloatArray
    in_overlap: NDArray[np.bool_]
    lower: float
    upper: float
    n_clipped: int
    n_trimmed: int

    def summary(self) -> str:
        """Return one sentence for a report."""
        n = len(self.propensity)
        return (
            f"Propensities lie in [{self.propensity.min():.4g}, {self.propensity.max():.4g}]; "
            f"{self.n_clipped} of {n} rows were clipped to [{self.lower:.4g}, {self.upper:.4g}] "
            f"and {self.n_trimmed} were trimmed."
        )


class PropensityPolicy(BaseEstimator):
    """How propensities are calibrated, trimmed and clipped, in this order.

    Parameters
    ----------
    clip : float, "auto" or None, default="auto"
        Propensities are kept within [clip, 1 - clip]. Where gold labels are scarce a fixed bound
        would clip the whole sample, hence "auto": the lower bound is the smaller of 0.01 and a
        tenth of the gold share, the upper one likewise for the preference share.
    trim : float or None, default=None
        Rows with a propensity outside [trim, 1 - trim] are left out of the overlap: no shift is
        learned from them, the scale of the labels is set without them, and no preference label
        among them is used.
    density_ratio : float or None, default=None
        The bound of Meta-Router, section 5: rows where the density of gold queries over that of
        preference queries, p (1 - kappa) / ((1 - p) kappa) with the gold share kappa, lies
        outside [1 / density_ratio, density_ratio] are left out of the overlap.
    calibrate : {"isotonic", "sigmoid"} or None, default=None
        Recalibrate the out-of-fold propensities against the observed source.

    Examples
    --------
    >>> import numpy as np
    >>> policy = PropensityPolicy(clip=0.01, calibrate=None)
    >>> overlap = policy.apply(np.array([0.02, 0.5]), np.array([False, True]))
    >>> overlap.n_clipped, overlap.propensity
    (0, array([0.02, 0.5 ]))
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "clip": [number(above=0, below=0.5), one_of("auto"), None],
        "trim": [number(above=0, below=0.5), None],
        "density_ratio": [number(above=1), None],
        "calibrate": [one_of("isotonic", "sigmoid"), None],
    }

    def __init__(
        self,
        clip: float | Literal["auto"] | None = "auto",
        trim: float | None = None,
        density_ratio: float | None = None,
        calibrate: Literal["isotonic", "sigmoid"] | None = None,
    ) -> None:
        self.clip = clip
        self.trim = trim
        self.density_ratio = density_ratio
        self.calibrate = calibrate

    @property
    def trims(self) -> bool:
        """Whether rows may be left out of the overlap."""
        return self.trim is not None or self.density_ratio is not None

    def apply(
        self,
        propensity: FloatArray,
        is_gold: NDArray[np.bool_],
        sample_weight: FloatArray | None = None,
    ) -> Overlap:
        """Return the propensities, shape (n,), as this policy wants them.

        Parameters
        ----------
        propensity : array of shape (n,)
            Out-of-sample P(gold | s).
        is_gold : array of bool of shape (n,)
            Observed sources.
        sample_weight : array of shape (n,), optional
            The weights that the propensities were fitted with.

        Raises
        ------
        MetaRouterError
            If a parameter is outside its range.
        DataError
            If trimming leaves one of the sources empty.

        Warns
        -----
        OverlapWarning
            If more than 5% of the rows are clipped, or any row is trimmed.
        """
        check_parameters(self)
        kappa = float(np.average(is_gold, weights=sample_weight))
        raw = _CALIBRATORS[self.calibrate](propensity, is_gold, sample_weight)
        inside = self._inside(raw, kappa)
        lower, upper = self._bounds(kappa)
        clipped = np.clip(raw, lower, upper)
        report = Overlap(
            propensity=clipped,
            in_overlap=inside,
            lower=lower,
            upper=upper,
            n_clipped=int(np.sum(clipped != raw)),
            n_trimmed=int(np.sum(~inside)),
        )
        _require_sources(inside, is_gold)
        if report.n_clipped > LOUD_SHARE * len(raw) or report.n_trimmed:
            warnings.warn(report.summary(), OverlapWarning, stacklevel=2)
        return report

    def _bounds(self, kappa: float) -> tuple[float, float]:
        if self.clip == "auto":
            return min(AUTO_CLIP, kappa / 10), 1 - min(AUTO_CLIP, (1 - kappa) / 10)
        if self.clip is None:
            return 0.0, 1.0
        return self.clip, 1 - self.clip

    def _inside(self, propensity: FloatArray, kappa: float) -> NDArray[np.bool_]:
        inside = np.ones(len(propensity), dtype=bool)
        if self.trim is not None:
            inside &= (propensity >= self.trim) & (propensity <= 1 - self.trim)
        if self.density_ratio is not None:
            gold, preference = propensity * (1 - kappa), (1 - propensity) * kappa
            inside &= (gold <= self.density_ratio * preference) & (
                preference <= self.density_ratio * gold
            )
        return inside


def _isotonic(
    propensity: FloatArray, is_gold: NDArray[np.bool_], weight: FloatArray | None
) -> FloatArray:
    return IsotonicRegression(y_min=0, y_max=1).fit(propensity, is_gold, weight).predict(propensity)


def _sigmoid(
    propensity: FloatArray, is_gold: NDArray[np.bool_], weight: FloatArray | None
) -> FloatArray:
    scores = logit(np.clip(propensity, 1e-6, 1 - 1e-6))[:, None]
    return LogisticRegression(C=np.inf).fit(scores, is_gold, weight).predict_proba(scores)[:, 1]


def _as_they_are(propensity: FloatArray, *_: Any) -> FloatArray:
    return propensity


_CALIBRATORS = {"isotonic": _isotonic, "sigmoid": _sigmoid, None: _as_they_are}


def _require_sources(inside: NDArray[np.bool_], is_gold: NDArray[np.bool_]) -> None:
    for name, rows in (("gold", is_gold), ("preference", ~is_gold)):
        if rows.any() and not (rows & inside).any():
            raise DataError(
                f"none of the {int(rows.sum())} {name} rows lies within the overlap of the two "
                "sources; loosen trim or density_ratio, or collect labels on common queries."
            )
