"""The mean of the shift over the queries, from what a fitted meta-router has kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metarouter.inference.intervals import choose_covariance, interval_of, variance_of_mean
from metarouter.inference.labels import (
    augmented,
    difference_of_means,
    doubly_robust_mean,
    overlap_weighted_slope,
    scaled_labels,
)
from metarouter.shift import ConstantShift, DRLearner, RLearner
from metarouter.utils.arguments import validated

if TYPE_CHECKING:
    from metarouter.datasets import TrainingRows
    from metarouter.routing import MetaRouter


@dataclass(frozen=True)
class MeanShift:
    """Estimate of E Delta, in units of the preference labels.

    Parameters
    ----------
    value, se : float
        Estimate and standard error, as `mean_shift_test` computes them: where the factor between
        the two scales was estimated, its error is part of it.
    df : float
        Degrees of freedom of the standard error.
    how : str
        What was averaged.
    """

    value: float
    se: float
    df: float
    how: str

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of the mean shift."""
        lower, upper = interval_of(self.value, self.se, self.df, level)
        return float(lower), float(upper)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.value:+.3f} (s.e. {self.se:.3f}, 95% interval {low:+.3f} to {high:+.3f})"


@validated()
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
    if shift is None or shift.is_zero_:
        return None
    labels = scaled_labels(rows, model.scaler_)
    if isinstance(shift, DRLearner):
        found = doubly_robust_mean(labels, augmented(labels, shift.nuisances_))
    elif isinstance(shift, RLearner):
        found = overlap_weighted_slope(labels, shift.nuisances_)
    elif isinstance(shift, ConstantShift):
        found = difference_of_means(labels)
    else:
        return None
    spread = variance_of_mean(*found[1:5], choose_covariance("auto", found.clusters))
    inside, how = shift.in_overlap_, found.how
    if not inside.all():
        how += f", over the {int(inside.sum())} of {inside.size} labels within the overlap"
    return MeanShift(found.value, float(np.sqrt(spread.variance)), spread.df, how)
