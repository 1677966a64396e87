"""Are predicted effects right? Their calibration, and effects in groups sorted by them (GATES)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import (
    DECISION_THRESHOLDS,
    MINIMUM_SAMPLE_SIZES,
    Verdict,
    about,
    rows_needed,
)
from metarouter.inference._result import Finding, Judged
from metarouter.inference.intervals import (
    FloatArray,
    RegressionCovariance,
    choose_covariance,
    interval_of,
    p_value_of,
)
from metarouter.inference.labels import (
    Effect,
    HeldOutPredictions,
    LabelOptions,
    LabelTable,
    as_held_out,
    check_sample_size,
    orthogonal_scores,
    ranks_within_folds,
)
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import NUMBERS, REGRESSOR
from metarouter.utils.plotting import draw_dots, label_axes, new_axes
from metarouter.utils.style import BAR, MEAN, reference_line

if TYPE_CHECKING:
    import pandas as pd


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
    _names = ("mean prediction", "differential prediction")

    def plot(self, ax: Any = None) -> Any:
        """Draw both coefficients with their intervals, beside 0 and 1."""
        ax = new_axes(ax, height=2.2)
        draw_dots(self._names, self.coefficient, self.lower, self.upper, ax)
        ax.axvline(1.0, color="#1A1A1A", linewidth=0.9, linestyle=":")
        scale = f"coefficient ({self.level:.0%} intervals; 1: calibrated, 0: no information)"
        return label_axes(ax, scale)


@validated(
    predictions=[HeldOutPredictions, REGRESSOR, NUMBERS, None], random_state=["random_state"]
)
def calibration_test(
    data: Any,
    predictions: Any = None,
    *,
    effect: Effect = "shift",
    covariance: RegressionCovariance = "auto",
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
    >>> from metarouter.nuisance import Nuisances
    >>> data = make_judged_queries(3000, gold_share=0.3, random_state=0)
    >>> line = LinearRegression()
    >>> recipe = Nuisances(outcome=line, propensity="constant")
    >>> test = calibration_test(
    ...     data, RLearner(line, "constant", line), nuisances=recipe, random_state=0
    ... )
    >>> bool(test.p_value[1] < 0.01)
    True
    """
    table = LabelTable(data, options)
    known: dict[str, Any] = {"effect": effect, "level": table.level}
    shortage = check_sample_size(table.counts, "gold_rows_held_out")
    if shortage is not None:
        counts = {"n_gold": table.counts.gold, "n_preference": table.counts.preference}
        return CalibrationTest.inconclusive(shortage, 2, **known, **counts)
    labels = table.labels
    kind = choose_covariance(covariance, labels.clusters)
    held_out = as_held_out(table, predictions, effect)
    taken = (held_out.fold >= 0) & (labels.share > 0)
    if effect == "shift":
        fitted = table.nuisances("marginal_outcome", "propensity")
        taken &= fitted.overlap_.in_overlap
        outcome = labels.y - fitted.marginal_outcome_
        multiplier = labels.is_gold - fitted.propensity_
    else:
        taken &= labels.is_gold
        outcome, multiplier = labels.y, np.ones(len(labels.y))
    share = labels.share_within(taken)
    prediction, mean = np.where(taken, held_out.of(effect), 0.0), np.zeros(len(share))
    for number in np.unique(held_out.fold[taken]):
        rows = taken & (held_out.fold == number)
        mean[rows] = np.average(prediction[rows], weights=share[rows])
    if np.ptp((prediction - mean)[taken]) <= 1e-12:
        raise MetaRouterError(
            f"the predicted {effect} is the same for all {int(taken.sum())} labels, so there are "
            "no differences to test; give a model that tells queries apart."
        )
    design = multiplier[:, None] * np.column_stack([mean, prediction - mean])
    fit = labels.regress(outcome, design, share, kind, list(CalibrationTest._names))
    n_gold = int((taken & labels.is_gold).sum())
    limits = fit.limits(table.level)
    columns = (fit.coefficient, limits["lower"], limits["upper"])
    slope, lower, upper = (float(column[1]) for column in columns)
    return CalibrationTest(
        coefficient=fit.coefficient,
        p_value=p_value_of(fit.coefficient / fit.se, fit.df, "greater"),
        p_calibrated=p_value_of((fit.coefficient - 1) / fit.se, fit.df),
        scheme=held_out.scheme,
        covariance=kind,
        n_gold=n_gold,
        n_preference=int(taken.sum()) - n_gold,
        **limits,
        **known,
        **_judge(slope, lower, upper, n_gold)._asdict(),
    )


def _judge(slope: float, lower: float, upper: float, n_gold: int) -> Finding:
    limit = DECISION_THRESHOLDS["slope"]
    verdict, needed = limit.judge(lower, upper), None
    if verdict is Verdict.INCONCLUSIVE:
        needed = rows_needed(n_gold, (upper - lower) / 2, max(slope, limit.passes))
        reason = (
            "Whether predicted differences between queries are real is open; "
            f"{about(needed, n_gold)} held-out gold labels would settle it, {n_gold} are there."
        )
    elif verdict is Verdict.PASS and lower > 1 and upper > 1 / limit.passes:
        verdict = Verdict.CAUTION
        reason = "Predicted differences are real, and understated (coefficient above 1)."
    elif verdict is Verdict.PASS:
        reason = "Predicted differences between queries are real and not much exaggerated."
    elif verdict is Verdict.FAIL:
        reason = "Predicted differences between queries point the wrong way."
    elif lower > limit.fails:
        reason = "Predicted differences are real; they may be exaggerated (coefficient below 1)."
    else:
        reason = "Predicted differences are mostly noise: shrink them, or use one shift."
    return Finding(verdict, needed, reason)


@dataclass(frozen=True)
class SortedGroupEffects(Judged):
    """Mean effect in groups of queries, from the lowest to the highest prediction.

    The verdict is on the claim that the prediction sorts queries by their effect.

    Parameters
    ----------
    predicted : ndarray of shape (n_groups,)
        Mean prediction in each group.
    value, se, df : ndarray of shape (n_groups,)
        Mean effect in each group, in units of the preference labels.
    lower, upper : ndarray of shape (n_groups,)
        Pointwise intervals.
    simultaneous_lower, simultaneous_upper : ndarray of shape (n_groups,)
        Intervals that cover all groups at once.
    n_rows, n_gold : ndarray of int of shape (n_groups,)
        Labels, and gold labels, in each group.
    contrast, contrast_se, contrast_lower, contrast_upper : float
        Highest minus lowest group, with its two-sided interval.
    contrast_p_value : float
        One-sided, against a contrast of at most 0: the prediction sorts as it should.
    effect, by : {"shift", "gain"}
        What is averaged, and by which prediction queries are sorted.
    scheme, covariance : str
    """

    predicted: FloatArray
    value: FloatArray
    se: FloatArray
    df: FloatArray
    lower: FloatArray
    upper: FloatArray
    simultaneous_lower: FloatArray
    simultaneous_upper: FloatArray
    n_rows: NDArray[np.intp]
    n_gold: NDArray[np.intp]
    contrast: float
    contrast_se: float
    contrast_lower: float
    contrast_upper: float
    contrast_p_value: float
    effect: Effect
    by: Effect
    scheme: str
    covariance: str

    _TITLE = "Mean {self.effect} in groups sorted by the predicted {self.by}"
    _COLUMNS = (
        "group=_group, labels=n_rows, gold=n_gold, predicted, mean=value, se, ci_low=lower, "
        "ci_high=upper, simultaneous_low=simultaneous_lower, simultaneous_high=simultaneous_upper"
    )
    _FACTS = {
        "held out": "{self.scheme}",
        "errors": "{self.covariance}",
        "level": "{self.level:g}",
        "p value of the contrast": "{self.contrast_p_value:.3g} (one-sided)",
        "verdict": "{self.verdict}",
    }
    _NOTES = ("Simultaneous intervals cover all groups at once.", "{self.reason}")

    @property
    def _group(self) -> list[str]:
        return [f"{k + 1} of {len(self.value)}" for k in range(len(self.value))]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per group, the lowest predictions first, and one for the contrast."""
        frame, count = super().to_frame(), len(self.value)
        frame.loc[count] = [
            f"{count} minus 1",
            int(self.n_rows[[0, -1]].sum()),
            int(self.n_gold[[0, -1]].sum()),
            self.predicted[-1] - self.predicted[0],
            self.contrast,
            self.contrast_se,
            *(2 * (self.contrast_lower, self.contrast_upper)),
        ]
        return frame

    def plot(self, ax: Any = None) -> Any:
        """Draw the group means with both intervals, and the mean prediction of each group."""
        ax = new_axes(ax)
        place = np.arange(1, len(self.value) + 1)
        ends = (self.simultaneous_lower, self.simultaneous_upper)
        ax.vlines(place, *ends, color=MEAN, linewidth=1.0, label=f"{self.level:.0%} simultaneous")
        pointwise = f"{self.level:.0%} pointwise"
        ax.vlines(place, self.lower, self.upper, color=MEAN, linewidth=3.0, label=pointwise)
        ax.plot(place, self.value, "o", color="#1A1A1A", markersize=5, label="mean")
        ax.plot(place + 0.12, self.predicted, "D", color=BAR, markersize=5, label="predicted")
        ax.axhline(0.0, **reference_line())
        ax.set_xticks(place)
        sorted_by = f"queries sorted by predicted {self.by}, lowest to highest"
        return label_axes(ax, sorted_by, f"mean {self.effect}", legend="above", ncols=4)


@validated(
    predictions=[HeldOutPredictions, REGRESSOR, NUMBERS, None], random_state=["random_state"]
)
def sorted_group_effects(
    data: Any,
    predictions: Any = None,
    *,
    effect: Effect = "shift",
    by: Effect | None = None,
    n_groups: int = 5,
    covariance: RegressionCovariance = "auto",
    **options: Unpack[LabelOptions],
) -> SortedGroupEffects:
    """Estimate the mean shift (or gain) of queries sorted by a prediction.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    predictions : HeldOutPredictions, MetaRouter, ShiftLearner, array-like or None
        As in `calibration_test`.
    effect : {"shift", "gain"}, default="shift"
        What is averaged in each group: Delta, or psi.
    by : {"shift", "gain"}, optional
        The prediction that sorts the queries; that of `effect` by default.
    n_groups : int, default=5
        Groups of equal size, cut within each fold, so that no model's level decides who is where.
        Labels with equal predictions stay together.
    covariance : {"auto", "HC3", "cluster"}, default="auto"
        As in `calibration_test`.
    **options
        Of `LabelOptions`: nuisances, scaling, level, seed; errors stand there.

    Returns
    -------
    SortedGroupEffects
        With fewer than ten gold labels in a group the numbers are NaN and the verdict is
        INCONCLUSIVE.

    Raises
    ------
    DataError
        If the predictions are so tied that a group is empty.

    Notes
    -----
    Means are of doubly robust scores. Sorting and averaging the same labels would find differences
    in pure noise; so predictions must be held out, and by default they are, forward.

    References
    ----------
    Chernozhukov, Demirer, Duflo & Fernandez-Val (2018), Generic machine learning inference.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from metarouter import RLearner
    >>> from metarouter.datasets import make_judged_queries
    >>> from metarouter.nuisance import Nuisances
    >>> data = make_judged_queries(3000, gold_share=0.3, random_state=0)
    >>> line = LinearRegression()
    >>> recipe = Nuisances(outcome=line, propensity="constant")
    >>> groups = sorted_group_effects(
    ...     data, RLearner(line, "constant", line), nuisances=recipe, random_state=0
    ... )
    >>> groups.value.shape, bool(groups.contrast_p_value < 0.01)
    ((5,), True)
    """
    by = effect if by is None else by
    if n_groups < 2:
        raise MetaRouterError(f"n_groups={n_groups} leaves nothing to compare; choose 2 or more.")
    table = LabelTable(data, options)
    known: dict[str, Any] = {"effect": effect, "by": by, "level": table.level}
    shortage = check_sample_size(table.counts, "gold_rows_held_out")
    if shortage is not None:
        return SortedGroupEffects.inconclusive(shortage, n_groups, **known)
    labels = table.labels
    kind = choose_covariance(covariance, labels.clusters)
    held_out = as_held_out(table, predictions, by)
    fitted = table.nuisances("propensity", "gold_outcome", "preference_outcome")
    scores = orthogonal_scores(labels, fitted)
    prediction = held_out.of(by)
    design = _groups(prediction, np.where(scores.inside, held_out.fold, -1), n_groups)
    n_gold = design[labels.is_gold].sum(axis=0).astype(np.intp)
    shortage = _group_shortage(int(n_gold.min()), table.counts.gold)
    if shortage is not None:
        return SortedGroupEffects.inconclusive(shortage, n_groups, **known)

    taken = design.sum(axis=1) > 0
    share = labels.share_within(taken)
    names = [f"group {k + 1}" for k in range(n_groups)]
    slope = scores.gold / labels.factor
    fit = labels.regress(scores.of(effect), design, share, kind, names, slope=slope)
    weights = np.zeros(n_groups)
    weights[0], weights[-1] = -1.0, 1.0
    contrast = float(weights @ fit.coefficient)
    se = float(np.sqrt(weights @ fit.covariance @ weights))
    df = float(fit.df[[0, -1]].min())
    low, high = map(float, interval_of(contrast, se, df, table.level))
    return SortedGroupEffects(
        predicted=(share * np.where(taken, prediction, 0.0)) @ design / (share @ design),
        value=fit.coefficient,
        n_rows=design.sum(axis=0).astype(np.intp),
        n_gold=n_gold,
        contrast=contrast,
        contrast_se=se,
        contrast_lower=low,
        contrast_upper=high,
        contrast_p_value=float(p_value_of(contrast / se, df, "greater")),
        scheme=held_out.scheme,
        covariance=kind,
        **fit.limits(table.level, first=0),
        **known,
        **_judge_contrast(contrast, low, high, int(n_gold.sum()))._asdict(),
    )


def _groups(prediction: FloatArray, fold: NDArray[np.intp], n_groups: int) -> FloatArray:
    """Return the membership of groups that are cut within every fold, shape (n, n_groups)."""
    place = np.nan_to_num(ranks_within_folds(prediction, fold))
    group = np.minimum((place * n_groups).astype(np.intp), n_groups - 1)
    design = (group[:, None] == np.arange(n_groups)) & (fold >= 0)[:, None]
    for number in np.unique(fold[fold >= 0]):
        rows = fold == number
        missing = np.flatnonzero(~design[rows].any(axis=0))
        if missing.size:
            raise DataError(
                f"the predictions of fold {number} take {np.unique(prediction[rows]).size} values, "
                f"too few for {n_groups} groups (group {missing[0] + 1} is empty); choose fewer "
                "groups, or a model that tells queries apart."
            )
    return design.astype(float)


def _judge_contrast(contrast: float, lower: float, upper: float, n_gold: int) -> Finding:
    if lower > 0:
        reason = "The highest group exceeds the lowest: the prediction sorts."
        return Finding(Verdict.PASS, None, reason)
    if upper < 0:
        reason = "The highest group lies below the lowest: it sorts backwards."
        return Finding(Verdict.FAIL, None, reason)
    needed = rows_needed(n_gold, (upper - lower) / 2, contrast)
    reason = (
        "No difference of highest and lowest group is shown; with a contrast of this size "
        f"{about(needed, n_gold)} held-out gold labels would settle it, {n_gold} are there."
    )
    return Finding(Verdict.INCONCLUSIVE, needed, reason)


def _group_shortage(least: int, n_gold: int) -> Finding | None:
    minimum = MINIMUM_SAMPLE_SIZES["rows_per_group"]
    if not minimum.missing(least):
        return None
    enough = int(np.ceil(n_gold * minimum.count / max(1, least)))
    return Finding(
        Verdict.INCONCLUSIVE,
        enough,
        f"The smallest group holds {least} held-out gold labels; {minimum.count} are needed, which "
        f"about {enough} gold labels in all would give, or fewer groups. {minimum.why}",
    )
