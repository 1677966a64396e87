"""The mean of the shift over the queries, with its standard error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.evaluation._efficiency_gain import influence_error
from metarouter.evaluation._intervals import normal_quantile
from metarouter.shift import ConstantShift, DRLearner, RLearner
from metarouter.shift._pseudo_outcomes import doubly_robust
from metarouter.utils.groups import group_codes

if TYPE_CHECKING:
    from metarouter.datasets import TrainingRows
    from metarouter.routing import MetaRouter

__all__ = ["MeanShift", "mean_shift"]

_Array = NDArray[np.float64]
_Rows = NDArray[np.bool_]
_Estimate = tuple[float, _Array, str]  # value, what each row pulls it by, what was averaged


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
    augmented inverse-propensity estimate), and so does the residual-on-residual slope. Rows that
    the propensity policy has trimmed tell nothing of a shift and are left out.

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
    estimate = next((how for kind, how in _ESTIMATES.items() if isinstance(shift, kind)), None)
    if shift is None or estimate is None or shift.is_zero_:
        return None
    inside = shift.in_overlap_
    weight = np.ones(len(rows.y)) if rows.sample_weight is None else rows.sample_weight
    labels = _Labels(
        model.scaler_.transform(rows.y, rows.is_gold)[inside],
        rows.is_gold[inside],
        np.asarray(weight[inside] / weight[inside].sum()),
    )
    value, pulled, how = estimate(shift, labels, inside)
    if not inside.all():
        how += f", over the {int(inside.sum())} of {inside.size} labels within the overlap"
    groups = None if rows.groups is None else group_codes(rows.groups[inside])
    return MeanShift(value, influence_error(pulled, np.ones_like(pulled), groups), how)


class _Labels(NamedTuple):
    """Scaled labels within the overlap, their sources, and weights that sum to one."""

    y: _Array
    is_gold: _Rows
    share: _Array


def _doubly_robust_mean(shift: Any, labels: _Labels, inside: _Rows) -> _Estimate:
    nuisances = shift.nuisances_
    pseudo_outcome = doubly_robust(
        labels.y,
        labels.is_gold,
        nuisances.propensity_[inside],
        nuisances.gold_outcome_[inside],
        nuisances.preference_outcome_[inside],
    )
    value = float(labels.share @ pseudo_outcome)
    pulled = labels.share * (pseudo_outcome - value)
    return value, pulled, "mean of the doubly robust pseudo-outcomes"


def _residual_slope(shift: Any, labels: _Labels, inside: _Rows) -> _Estimate:
    nuisances = shift.nuisances_
    outcome_residual = labels.y - nuisances.marginal_outcome_[inside]
    source_residual = labels.is_gold - nuisances.propensity_[inside]
    spread = float(labels.share @ source_residual**2)
    value = float(labels.share @ (outcome_residual * source_residual)) / spread
    left = source_residual * (outcome_residual - value * source_residual) / spread
    return value, labels.share * left, "residual on residual, weighted towards overlap"


def _difference_of_means(shift: Any, labels: _Labels, inside: _Rows) -> _Estimate:
    is_gold, share = labels.is_gold, labels.share
    gold = np.where(is_gold, share, 0.0) / share[is_gold].sum()
    preference = np.where(is_gold, 0.0, share) / share[~is_gold].sum()
    of_gold, of_preference = float(gold @ labels.y), float(preference @ labels.y)
    pulled = gold * (labels.y - of_gold) - preference * (labels.y - of_preference)
    return of_gold - of_preference, pulled, "difference of the two means"


_ESTIMATES: dict[type, Callable[[Any, _Labels, _Rows], _Estimate]] = {
    DRLearner: _doubly_robust_mean,
    RLearner: _residual_slope,
    ConstantShift: _difference_of_means,
}
