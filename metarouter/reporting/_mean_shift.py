"""The mean of the shift over the queries, with its standard error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.evaluation._efficiency_gain import influence_error
from metarouter.evaluation._intervals import normal_quantile
from metarouter.shift import ConstantShift, DRLearner, RLearner
from metarouter.shift._pseudo_outcomes import doubly_robust

if TYPE_CHECKING:
    from metarouter.datasets import TrainingRows
    from metarouter.routing import MetaRouter

__all__ = ["MeanShift", "mean_shift"]

_Array = NDArray[np.float64]


@dataclass(frozen=True)
class MeanShift:
    """Estimate of E Delta, in units of the preference labels.

    Parameters
    ----------
    value, se : float
        Estimate and standard error, with the scaling factor held fixed.
    how : str
        What was averaged.
    """

    value: float
    se: float
    how: str

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of the mean shift."""
        margin = normal_quantile(level) * self.se
        return self.value - margin, self.value + margin

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.value:+.3f} (s.e. {self.se:.3f}, 95% interval {low:+.3f} to {high:+.3f})"


def mean_shift(model: MetaRouter, rows: TrainingRows) -> MeanShift | None:
    """Estimate the mean shift from what a fitted meta-router has kept.

    A mean of predictions Delta-hat inherits the bias of the final regression and has no simple
    standard error. The mean of the doubly robust pseudo-outcomes does (Kennedy 2023; it is the
    augmented inverse-propensity estimate), and so does the residual-on-residual slope.

    Parameters
    ----------
    model : MetaRouter
        Fitted on `rows`, with an R-, DR- or constant shift.
    rows : TrainingRows

    Returns
    -------
    MeanShift or None
        None where no shift is estimated.
    """
    shift = getattr(model, "shift_", None)
    labels = model.scaler_.transform(rows.y, rows.is_gold)
    share = _share(rows)
    if isinstance(shift, DRLearner):
        value, pulled, how = _doubly_robust_mean(shift.nuisances_, labels, rows.is_gold, share)
    elif isinstance(shift, RLearner):
        value, pulled, how = _residual_slope(shift.nuisances_, labels, rows.is_gold, share)
    elif isinstance(shift, ConstantShift):
        value, pulled, how = _difference_of_means(labels, rows.is_gold, share)
    else:
        return None
    groups = None
    if rows.groups is not None:
        groups = np.unique(rows.groups.astype(str), return_inverse=True)[1].astype(np.intp)
    return MeanShift(value, influence_error(pulled, np.ones_like(pulled), groups), how)


def _share(rows: TrainingRows) -> _Array:
    weight = np.ones(len(rows.y)) if rows.sample_weight is None else rows.sample_weight
    return np.asarray(weight / weight.sum())


def _doubly_robust_mean(
    nuisances: Any, labels: _Array, is_gold: NDArray[np.bool_], share: _Array
) -> tuple[float, _Array, str]:
    pseudo_outcome = doubly_robust(
        labels,
        is_gold,
        nuisances.propensity_,
        nuisances.gold_outcome_,
        nuisances.preference_outcome_,
    )
    value = float(share @ pseudo_outcome)
    return value, share * (pseudo_outcome - value), "mean of the doubly robust pseudo-outcomes"


def _residual_slope(
    nuisances: Any, labels: _Array, is_gold: NDArray[np.bool_], share: _Array
) -> tuple[float, _Array, str]:
    outcome_residual = labels - nuisances.marginal_outcome_
    source_residual = is_gold - nuisances.propensity_
    spread = float(share @ source_residual**2)
    value = float(share @ (outcome_residual * source_residual)) / spread
    left = source_residual * (outcome_residual - value * source_residual) / spread
    return value, share * left, "residual on residual, weighted towards overlap"


def _difference_of_means(
    labels: _Array, is_gold: NDArray[np.bool_], share: _Array
) -> tuple[float, _Array, str]:
    gold = np.where(is_gold, share, 0.0) / share[is_gold].sum()
    preference = np.where(is_gold, 0.0, share) / share[~is_gold].sum()
    of_gold, of_preference = float(gold @ labels), float(preference @ labels)
    pulled = gold * (labels - of_gold) - preference * (labels - of_preference)
    return of_gold - of_preference, pulled, "difference of the two means"
