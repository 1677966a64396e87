"""Where is the bias? Mean effects in groups of queries sorted by a prediction (GATES)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import MINIMA, Verdict, about, rows_needed
from metarouter.inference._result import Finding, Judged
from metarouter.inference.intervals import (
    Covariance,
    FloatArray,
    choose_covariance,
    interval_of,
    p_value_of,
)
from metarouter.inference.labels import (
    Effect,
    LabelOptions,
    LabelTable,
    as_held_out,
    check_effect,
    check_either_sample_size,
    orthogonal_scores,
    regressed_scores,
)
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.style import BAR, MEAN, reference_line

if TYPE_CHECKING:
    import pandas as pd


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
        words = f"{self.level:.0%} pointwise"
        ax.vlines(place, self.lower, self.upper, color=MEAN, linewidth=3.0, label=words)
        ax.plot(place, self.value, "o", color="#1A1A1A", markersize=5, label="mean")
        ax.plot(place + 0.12, self.predicted, "D", color=BAR, markersize=5, label="predicted")
        ax.axhline(0.0, **reference_line())
        ax.set_xticks(place)
        sorted_by = f"queries sorted by predicted {self.by}, lowest to highest"
        return label_axes(ax, sorted_by, f"mean {self.effect}", legend="above", ncols=4)


def sorted_group_effects(
    data: Any,
    predictions: Any = None,
    *,
    effect: Effect = "shift",
    by: Effect | None = None,
    n_groups: int = 5,
    covariance: Covariance = "auto",
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
    check_effect(effect)
    check_effect(by, "by")
    if n_groups < 2:
        raise MetaRouterError(f"n_groups={n_groups} leaves nothing to compare; choose 2 or more.")
    table = LabelTable(data, options)
    known: dict[str, Any] = {"effect": effect, "by": by, "level": table.level}
    shortage = check_either_sample_size(table.counts, "gold_rows_held_out")
    if shortage is not None:
        return SortedGroupEffects.inconclusive(shortage, n_groups, **known)
    labels = table.labels
    kind = choose_covariance(covariance, labels.clusters, ("HC3", "cluster"))
    held_out = as_held_out(predictions, data, labels, by, table.random_state)
    fitted = table.nuisances("propensity", "gold_outcome", "preference_outcome")
    scores = orthogonal_scores(labels, fitted)
    taken = scores.inside & (held_out.fold >= 0)
    group = _groups(held_out.of(by), held_out.fold, taken, n_groups)
    n_gold = np.bincount(group[taken & labels.is_gold], minlength=n_groups)
    shortage = _group_shortage(int(n_gold.min()), table.counts.gold)
    if shortage is not None:
        return SortedGroupEffects.inconclusive(shortage, n_groups, **known)

    share = labels.share_within(taken)
    design = (group[:, None] == np.arange(n_groups)).astype(float)
    names = [f"group {k + 1}" for k in range(n_groups)]
    fit = regressed_scores(labels, scores, effect, design, share, kind, names)
    inside = [group == k for k in range(n_groups)]
    known |= {
        "predicted": np.array(
            [np.average(held_out.of(by)[rows], weights=share[rows]) for rows in inside]
        ),
        "n_rows": np.bincount(group[taken], minlength=n_groups),
        "n_gold": n_gold,
        "scheme": held_out.scheme,
        "covariance": kind,
    }
    lower, upper = fit.interval(table.level)
    margin = fit.margin(table.level)
    weights = np.zeros(n_groups)
    weights[0], weights[-1] = -1.0, 1.0
    contrast = float(weights @ fit.coefficient)
    se = float(np.sqrt(weights @ fit.covariance @ weights))
    df = float(fit.df[[0, -1]].min())
    low, high = map(float, interval_of(contrast, se, df, table.level))
    return SortedGroupEffects(
        value=fit.coefficient,
        se=fit.se,
        df=fit.df,
        lower=lower,
        upper=upper,
        simultaneous_lower=fit.coefficient - margin,
        simultaneous_upper=fit.coefficient + margin,
        contrast=contrast,
        contrast_se=se,
        contrast_lower=low,
        contrast_upper=high,
        contrast_p_value=float(p_value_of(contrast / se, df, "greater")),
        **known,
        **_judge(contrast, low, high, int(n_gold.sum()))._asdict(),
    )


def _groups(
    prediction: FloatArray, fold: NDArray[np.intp], taken: NDArray[np.bool_], n_groups: int
) -> NDArray[np.intp]:
    """Return groups 0 to n_groups - 1, cut within every fold; -1 for rows not taken."""
    group = np.full(len(prediction), -1, dtype=np.intp)
    for number in np.unique(fold[taken]):
        rows = np.flatnonzero(taken & (fold == number))
        value, place, count = np.unique(prediction[rows], return_inverse=True, return_counts=True)
        if len(value) < n_groups:
            raise DataError(
                f"the predictions of fold {number} take {len(value)} values, too few for "
                f"{n_groups} groups; choose fewer groups, or a model that tells queries apart."
            )
        middle = (np.cumsum(count) - count / 2) / len(rows)
        group[rows] = np.minimum((middle * n_groups).astype(np.intp), n_groups - 1)[place]
        missing = np.setdiff1d(np.arange(n_groups), group[rows])
        if missing.size:
            raise DataError(
                f"equal predictions leave group {missing[0] + 1} of {n_groups} empty in fold "
                f"{number}; choose fewer groups."
            )
    return group


def _judge(contrast: float, lower: float, upper: float, n_gold: int) -> Finding:
    if lower > 0:
        reason = "The highest group exceeds the lowest: the prediction sorts."
        return Finding(Verdict.PASS, None, reason)
    if upper < 0:
        reason = "The highest group lies below the lowest: it sorts backwards."
        return Finding(Verdict.FAIL, None, reason)
    needed = rows_needed(n_gold, (upper - lower) / 2, contrast)
    more = ""
    if needed is not None:
        more = (
            f"; with a contrast of this size {about(needed, n_gold)} held-out gold labels would "
            f"settle it, {n_gold} are there"
        )
    reason = f"No difference of highest and lowest group is shown{more}."
    return Finding(Verdict.INCONCLUSIVE, needed, reason)


def _group_shortage(least: int, n_gold: int) -> Finding | None:
    minimum = MINIMA["rows_per_group"]
    if not minimum.missing(least):
        return None
    enough = int(np.ceil(n_gold * minimum.count / max(1, least)))
    return Finding(
        Verdict.INCONCLUSIVE,
        enough,
        f"The smallest group holds {least} held-out gold labels; {minimum.count} are needed, which "
        f"about {enough} gold labels in all would give, or fewer groups. {minimum.why}",
    )
