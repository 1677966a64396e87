"""Are Delta-hat and psi-hat calibrated? Best linear prediction by mean and differential parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import LIMITS, Verdict, about, rows_needed
from metarouter.inference._result import Finding, Judged
from metarouter.inference.intervals import (
    Covariance,
    FloatArray,
    choose_covariance,
    p_value_of,
    weighted_least_squares,
)
from metarouter.inference.labels import (
    Effect,
    LabelOptions,
    LabelTable,
    as_held_out,
    check_effect,
    check_either_sample_size,
)
from metarouter.utils.plotting import draw_dots, label_axes, new_axes

NAMES = ("mean prediction", "differential prediction")


@dataclass(frozen=True)
class CalibrationTest(Judged):
    """Coefficients of the mean and of the differential prediction; both are 1 when calibrated.

    The verdict is on the claim that predicted differences between queries are real.

    Parameters
    ----------
    coefficient, se, df, lower, upper : ndarray of shape (2,)
        Of the mean prediction, and of the differential prediction. Intervals are two-sided.
    p_value : ndarray of shape (2,)
        One-sided, against coefficients of at most 0: a mean effect of the predicted sign, and
        differences between queries that are found.
    p_calibrated : ndarray of shape (2,)
        Two-sided, against coefficients of 1.
    effect : {"shift", "gain"}
    scheme : str
        How the predictions were held out.
    covariance : {"HC3", "cluster"}
    n_gold, n_preference : int
        Labels that the test rests on.
    """

    coefficient: FloatArray
    se: FloatArray
    df: FloatArray
    lower: FloatArray
    upper: FloatArray
    p_value: FloatArray
    p_calibrated: FloatArray
    effect: Effect
    scheme: str
    covariance: str
    n_gold: int
    n_preference: int

    _TITLE = "Calibration of the predicted {self.effect}"
    _COLUMNS = (
        "regressor=_names, coefficient, se, ci_low=lower, ci_high=upper, p_value_above_0=p_value, "
        "p_value_is_1=p_calibrated"
    )
    _FACTS = {
        "gold labels": "{self.n_gold}",
        "preference labels": "{self.n_preference}",
        "held out": "{self.scheme}",
        "errors": "{self.covariance}",
        "level": "{self.level:g}",
        "verdict": "{self.verdict}",
    }
    _NOTES = (
        "A calibrated predictor has both coefficients 1. P values above 0 are one-sided.",
        "{self.reason}",
    )
    _names = NAMES

    def plot(self, ax: Any = None) -> Any:
        """Draw both coefficients with their intervals, beside 0 and 1."""
        ax = draw_dots(NAMES, self.coefficient, self.lower, self.upper, new_axes(ax, height=2.2))
        ax.axvline(1.0, color="#1A1A1A", linewidth=0.9, linestyle=":")
        scale = f"coefficient ({self.level:.0%} intervals; 1: calibrated, 0: no information)"
        return label_axes(ax, scale)


def calibration_test(
    data: Any,
    predictions: Any = None,
    *,
    effect: Effect = "shift",
    covariance: Covariance = "auto",
    **options: Unpack[LabelOptions],
) -> CalibrationTest:
    """Test whether predicted shifts (or gains) are right on average and in their differences.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    predictions : HeldOutPredictions, MetaRouter, ShiftLearner, array-like or None
        Held-out predictions, or the recipe of a model from which they are made; `MetaRouter()` by
        default. An array holds predictions, in units of the preference labels and in the order of
        the rows of `data`, of a model that was fitted on an independent sample: in-sample
        predictions void the test.
    effect : {"shift", "gain"}, default="shift"
        Which prediction is tested: Delta-hat on labels of both sources, or psi-hat on gold labels.
    covariance : {"auto", "HC3", "cluster"}, default="auto"
        "cluster" (jackknife over groups) where rows share a group, else HC3.
    **options
        Of `LabelOptions`: nuisances, scaling, level, seed. The test of Delta-hat needs gamma and
        p. The factor between the scales is held fixed: prediction and test use the same one.

    Raises
    ------
    MetaRouterError
        If a choice is unknown, or predictions do not belong to these labels.

    Notes
    -----
    For Delta-hat, with residuals o~ = o - gamma and t~ = t - p and the mean prediction m_k of the
    fold (all without an intercept)::

        o~ = a m_k t~ + b (Delta-hat - m_k) t~ + error,

    and for psi-hat on gold labels ``r = a m_k + b (psi-hat - m_k) + error``. This is the test of
    grf (`test_calibration`), with two repairs. Means are taken by fold: the mean prediction over
    all folds has, under no effect, the sign of the mean label by construction, which makes its
    one-sided test reject twice too often. And folds are predicted forward by default, since with
    cross-fitted predictions each fold tests a model that has learned from what it is later tested
    against (see `held_out_predictions`).

    The coefficient of the mean prediction is a ratio to it: where that is near zero it says little,
    and its interval shows so.

    References
    ----------
    Chernozhukov, Demirer, Duflo & Fernandez-Val (2018), Generic machine learning inference.
    Athey & Wager (2019), Estimating treatment effects with causal forests, section 4.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from metarouter import RLearner
    >>> from metarouter.datasets import make_judged_queries
    >>> data = make_judged_queries(3000, gold_share=0.3, random_state=0)
    >>> line = LinearRegression()
    >>> recipe = Nuisances(outcome=line, propensity="constant")
    >>> test = calibration_test(
    ...     data, RLearner(line, "constant", line), nuisances=recipe, random_state=0
    ... )
    >>> bool(test.p_value[1] < 0.01)
    True
    """
    check_effect(effect)
    table = LabelTable(data, options)
    shortage = check_either_sample_size(table.counts, "gold_rows_held_out")
    if shortage is not None:
        counts = {"n_gold": table.counts.gold, "n_preference": table.counts.preference}
        return CalibrationTest.inconclusive(shortage, 2, effect=effect, level=table.level, **counts)
    labels = table.labels
    kind = choose_covariance(covariance, labels.clusters, ("HC3", "cluster"))
    held_out = as_held_out(predictions, data, labels, effect, table.random_state)
    prediction, taken = held_out.of(effect), held_out.fold >= 0
    if effect == "shift":
        fitted = table.nuisances("marginal_outcome", "propensity")
        taken = taken & fitted.overlap_.in_overlap
        outcome = labels.y - fitted.marginal_outcome_
        multiplier = labels.is_gold - fitted.propensity_
    else:
        taken = taken & labels.is_gold
        outcome, multiplier = labels.y, np.ones(len(labels.y))
    share = labels.share_within(taken)
    mean = _fold_means(prediction, share, held_out.fold)
    differential = np.where(taken, prediction - mean, 0.0)
    _require_differences(differential, taken, effect)
    fit = weighted_least_squares(
        np.column_stack([multiplier * mean, multiplier * differential]),
        outcome,
        share,
        labels.is_gold,
        labels.clusters,
        kind,
        names=list(NAMES),
    )
    rests_on = taken & (labels.share > 0)
    n_gold = int((rests_on & labels.is_gold).sum())
    lower, upper = fit.interval(table.level)
    return CalibrationTest(
        coefficient=fit.coefficient,
        se=fit.se,
        df=fit.df,
        lower=lower,
        upper=upper,
        p_value=p_value_of(fit.coefficient / fit.se, fit.df, "greater"),
        p_calibrated=p_value_of((fit.coefficient - 1) / fit.se, fit.df),
        effect=effect,
        scheme=held_out.scheme,
        covariance=kind,
        n_gold=n_gold,
        n_preference=int(rests_on.sum()) - n_gold,
        level=table.level,
        **_judge(float(fit.coefficient[1]), float(lower[1]), float(upper[1]), n_gold)._asdict(),
    )


def _fold_means(prediction: FloatArray, share: FloatArray, fold: NDArray[np.intp]) -> FloatArray:
    mean = np.zeros(len(prediction))
    for number in np.unique(fold[share > 0]):
        rows = (fold == number) & (share > 0)
        mean[rows] = np.average(prediction[rows], weights=share[rows])
    return mean


def _require_differences(differential: FloatArray, taken: NDArray[np.bool_], effect: str) -> None:
    if np.ptp(differential[taken]) <= 1e-12:
        raise MetaRouterError(
            f"the predicted {effect} is the same for all {int(taken.sum())} labels, so there are "
            "no differences to test; give a model that tells queries apart."
        )


def _judge(slope: float, lower: float, upper: float, n_gold: int) -> Finding:
    limit = LIMITS["slope"]
    verdict = limit.judge(lower, upper)
    if verdict is Verdict.INCONCLUSIVE:
        needed = rows_needed(n_gold, (upper - lower) / 2, max(slope, limit.passes))
        return Finding(
            verdict,
            needed,
            "Whether predicted differences between queries are real is open; "
            f"{about(needed, n_gold)} held-out gold labels would settle it, {n_gold} are there.",
        )
    differences = "Predicted differences between queries"
    if verdict is Verdict.PASS and lower > 1 and upper > 1 / limit.passes:
        verdict = Verdict.CAUTION
        reason = "Predicted differences are real, and understated (coefficient above 1)."
    elif verdict is Verdict.PASS:
        reason = f"{differences} are real and not much exaggerated."
    elif verdict is Verdict.FAIL:
        reason = f"{differences} point the wrong way."
    elif lower > limit.fails:
        reason = "Predicted differences are real; they may be exaggerated (coefficient below 1)."
    else:
        reason = f"{differences} are mostly noise: shrink them, or use one shift."
    return Finding(verdict, None, reason)
