"""Is there bias? The mean shift and its test, and the mean shift that a fitted router has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Unpack

import numpy as np
from scipy.special import betaincinv, stdtrit

from metarouter.datasets import TrainingRows
from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import (
    DECISION_THRESHOLDS,
    MINIMUM_SAMPLE_SIZES,
    MOST_SKEWNESS,
    Verdict,
    about,
    rows_needed,
)
from metarouter.inference._result import Finding, Judged
from metarouter.inference.intervals import (
    Alternative,
    Clusters,
    Covariance,
    FloatArray,
    choose_covariance,
    cluster_sums,
    interval_of,
    p_value_of,
    skewed_limits,
    skewness_of,
)
from metarouter.inference.labels import (
    LabelOptions,
    LabelTable,
    ShiftEstimate,
    check_sample_size,
    estimate_shift,
    scaled_labels,
)
from metarouter.routing import AdaptiveMetaRouter, MetaRouter
from metarouter.shift import ConstantShift, DRLearner, RLearner
from metarouter.utils.arguments import validated
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.style import BAR, MEAN, OUTLINE, reference_line

_ENOUGH_DEVIATING = 10
_MOST_STEPS = 25
_SHOWN_PERCENTILES = (0.5, 99.5)

MeanShiftMethod = Literal["auto", "paired", "aipw", "overlap", "difference"]


@dataclass(frozen=True)
class MeanShiftTest(Judged):
    """Estimate and test of E Delta, the mean of what must be added to a preference label.

    The verdict is on the claim that preference labels are unbiased on average; `needed` counts
    gold labels, or pairs.

    Parameters
    ----------
    value, se, df : float
        Estimate in units of the preference labels, its standard error and degrees of freedom.
    lower, upper : float
        Two-sided confidence interval, let out on the side of a long tail.
    skewness : float
        Skewness of a mean of labels ("paired", "difference"); above 0.4 a few rare and large ones
        decide. 0 with the other methods, whose intervals are Student's.
    statistic, p_value : float
        t statistic against `null`, and its p value for `alternative`.
    null : float
    alternative : {"two-sided", "less", "greater"}
    method : {"paired", "aipw", "overlap", "difference"}
    how : str
        What was averaged, in words.
    covariance : {"t", "HC3", "cluster"}
    n_gold, n_preference, n_paired, n_units : int
        Labels of either source, queries with both, independent units.
    factor : float
        What the gold labels were multiplied by.
    factor_is : str
        Where the factor comes from.
    unit : float
        Standard deviation of the preference labels, in which decision thresholds measure a shift.
    values : ndarray
        What was averaged: differences of labels, or doubly robust scores.
    """

    value: float
    se: float
    df: float
    lower: float
    upper: float
    skewness: float
    statistic: float
    p_value: float
    null: float
    alternative: Alternative
    method: str
    how: str
    covariance: str
    n_gold: int
    n_preference: int
    n_paired: int
    n_units: int
    factor: float
    factor_is: str
    unit: float
    values: FloatArray = field(repr=False)

    _TITLE = "Mean shift of the preference labels"
    _COLUMNS = (
        "quantity=_quantity, estimate=value, se, ci_low=lower, ci_high=upper, t=statistic, df, "
        "p_value, verdict"
    )
    _FACTS = {
        "method": "{self.method}",
        "errors": "{self.covariance}",
        "gold labels": "{self.n_gold}",
        "preference labels": "{self.n_preference}",
        "queries with both": "{self.n_paired}",
        "independent units": "{self.n_units}",
        "level": "{self.level:g}",
        "null": "{self.null:g} ({self.alternative})",
        "factor on gold labels": "{self.factor:.4g}",
        "factor is": "{self.factor_is}",
        "skewness of the mean": "{self.skewness:.2f}",
    }
    _NOTES = ("Estimate: {self.how}, in units of the preference labels.", "{self.reason}")
    _quantity = "mean shift"

    def plot(self, ax: Any = None) -> Any:
        """Draw the histogram of what was averaged, with the mean and its interval (figure S2).

        Raises
        ------
        MetaRouterError
            If the method averages nothing that could be drawn ("overlap", "difference").
        """
        values = self.values
        if not values.size and self.method in ("paired", "aipw"):
            raise MetaRouterError(f"there is nothing to draw: {self.reason}")
        if not values.size:
            raise MetaRouterError(
                f"a mean shift by method={self.method!r} averages nothing that could be drawn; use "
                "'paired' or 'aipw'."
            )
        ax = new_axes(ax)
        low, high = np.percentile(values, _SHOWN_PERCENTILES if self.method == "aipw" else (0, 100))
        shown = values[(values >= low) & (values <= high)]
        ax.hist(shown, bins=_bins(shown), color=BAR, edgecolor=OUTLINE, linewidth=0.4)
        ax.axvspan(self.lower, self.upper, color=MEAN, alpha=0.25, linewidth=0)
        interval = f"{self.level:.0%} interval {self.lower:+.3f} to {self.upper:+.3f}"
        ax.axvline(
            self.value, color=MEAN, linewidth=1.8, label=f"mean {self.value:+.3f} ({interval})"
        )
        ax.axvline(0.0, **reference_line(), label="no bias")
        paired, hidden = self.method == "paired", values.size - shown.size
        of_label = ("doubly robust score of a label", "gold minus preference label of a query")
        what = of_label[paired]
        what += f" ({hidden} of {values.size} lie outside)" if hidden else ""
        return label_axes(ax, what, "queries" if paired else "labels", legend="above", ncols=2)


def _bins(values: FloatArray) -> Any:
    """Bars on the steps of discrete labels where these are even, else numpy's own choice."""
    steps = np.unique(values)
    if 1 < len(steps) <= _MOST_STEPS and np.ptp(np.diff(steps)) < 1e-9 * np.ptp(steps):
        half = np.diff(steps)[0] / 2
        return np.concatenate([steps - half, [steps[-1] + half]])
    return min(80, max(10, len(np.histogram_bin_edges(values, bins="auto")) - 1))


@validated(random_state=["random_state"])
def mean_shift_test(
    data: Any,
    *,
    method: MeanShiftMethod = "auto",
    null: float = 0.0,
    alternative: Alternative = "two-sided",
    covariance: Covariance = "auto",
    **options: Unpack[LabelOptions],
) -> MeanShiftTest:
    """Test whether preference labels are biased on average.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    method : {"auto", "paired", "aipw", "overlap", "difference"}, default="auto"
        - ``"paired"``: mean of gold minus preference label over the queries with both;
        - ``"aipw"``: mean over all labelled rows of the doubly robust scores, from nuisances whose
          shrinkage is taken out (Notes);
        - ``"overlap"``: residual on residual, where p (1 - p) weighs the queries;
        - ``"difference"``: difference of the means, right only under a random draw of gold queries;
        - ``"auto"``: paired if at least half of the gold labels have a partner, else AIPW.
    null : float, default=0.0
    alternative : {"two-sided", "less", "greater"}, default="two-sided"
        Chosen before looking: the smaller of both tails is not a p value.
    covariance : {"auto", "t", "HC3", "cluster"}, default="auto"
        "cluster" wherever rows share a group (the jackknife over groups); else "t" for pairs and
        "HC3" for rows.
    **options
        Of `LabelOptions`: nuisances, scaling, level, seed; errors stand there.

    Notes
    -----
    With the factor c = sd(y) / sd(r) estimated, the estimate moves by E(r) per unit of c. This is
    added, label by label, before squaring; leaving it out is wrong unless E(r) = 0.
    Degrees of freedom are Welch's, since scarce gold labels may carry nearly all of the variance.

    Forests shrink both the outcomes and the propensity, and the bias of AIPW is the product of
    their errors: with default forests a true null was rejected in .10 to .19 of samples of 300.
    Before the scores are made, each outcome gets the least squares of its residuals on (1, mu, X)
    added, and the propensity is fitted anew by a penalised logistic regression on (logit p, X),
    both out of fold; then it is .045 to .053, and at 100 labels .06 to .08 (see
    `docs/inference_tests.md`). A propensity that is constant by design is kept.

    Pairs that nearly all differ by one amount have a standard error that knows nothing of the
    others. It is then not taken to be below what Clopper and Pearson's limit for the share of the
    others leaves open: 30 pairs that all agree do not show that shifts are small.

    Rare and large labels make a mean of them skewed: samples that hold too few of them have both
    too small a mean and too small an error. The interval is let out by Hall's cubic (see
    `docs/rare_gains.md`), and where the skewness is above 0.4 the verdict is INCONCLUSIVE: about
    six labels or fewer decide then. A tail of which no label has come yet cannot be seen.

    References
    ----------
    Meta-Router, section 4.1 and figure S2. Robins, Rotnitzky & Zhao (1994) for the augmented
    estimate, Kennedy (2023) for its scores. Hall (1992), On the removal of skewness by
    transformation.

    Examples
    --------
    >>> from metarouter.datasets import make_judged_queries
    >>> data = make_judged_queries(600, gold_share=0.5, pairing=1.0, random_state=0)
    >>> test = mean_shift_test(data)
    >>> test.method, bool(test.p_value < 1e-6), str(test.verdict)
    ('paired', True, 'FAIL')
    """
    table = LabelTable(data, options)
    counts = table.counts
    if method == "auto":
        enough = counts.paired >= MINIMUM_SAMPLE_SIZES["paired_queries"].count
        method = "paired" if enough and 2 * counts.paired >= counts.gold else "aipw"
    known: dict[str, Any] = {
        "null": null,
        "alternative": alternative,
        "level": table.level,
        "method": method,
        "n_gold": counts.gold,
        "n_preference": counts.preference,
        "n_paired": counts.paired,
    }
    shortage = check_sample_size(counts, "paired_queries" if method == "paired" else "gold_rows")
    if shortage is not None:
        known |= {"how": "nothing, there are too few labels", "factor_is": "not estimated"}
        return MeanShiftTest.inconclusive(shortage, **known)
    labels = table.labels
    estimate = estimate_shift(labels, method, table.nuisances)
    if method == "paired" and estimate.clusters is None and covariance in ("auto", "cluster"):
        # The two rows of one query are one difference, not a cluster: only larger groups are.
        covariance = "t"
    kind = choose_covariance(covariance, estimate.clusters)
    clusters = estimate.clusters if kind == "cluster" else None
    spread = estimate.variance(kind)
    critical = float(stdtrit(spread.df, 0.5 + table.level / 2))
    reach = float(np.ptp(labels.y[labels.share > 0]))
    n = counts.paired if method == "paired" else counts.gold
    least = _least_margin(estimate, clusters, method, counts.gold, table.level, reach) / critical
    own, skewness = float(np.sqrt(spread.variance)), 0.0
    se = max(own, least)
    # Of means of labels as they are. Where the floor stands for what was not seen, the few that
    # were have no say in its shape.
    if method in ("paired", "difference") and least <= own:
        skewness = skewness_of(cluster_sums(estimate.influence, clusters))
    lower, upper = map(float, skewed_limits(estimate.value, se, critical, skewness))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = float(np.divide(estimate.value - null, se))
    n_rows = int((estimate.leverage > 0).sum())
    return MeanShiftTest(
        value=estimate.value,
        se=se,
        df=spread.df,
        lower=lower,
        upper=upper,
        skewness=skewness,
        statistic=statistic,
        p_value=float(p_value_of(statistic, spread.df, alternative, skewness)),
        how=estimate.how,
        covariance=kind,
        n_units=n_rows if clusters is None else int(clusters.max()) + 1,
        factor=labels.factor,
        factor_is=labels.factor_is,
        unit=labels.preference_sd,
        values=estimate.values,
        **known,
        **_judge(estimate.value, lower, upper, skewness, labels.preference_sd, method, n)._asdict(),
    )


def _least_margin(
    estimate: ShiftEstimate,
    clusters: Clusters,
    method: str,
    n_gold: int,
    level: float,
    reach: float,
) -> float:
    """Return the smallest margin of error that so few differing values can vouch for.

    Where k of n differences deviate from the usual one, the share of deviations that were not seen
    is at most what Clopper and Pearson say for k of n (the rule of three where k = 0); each moves
    the mean by the largest deviation that was seen, or by the `reach` of the labels.
    """
    values = estimate.values
    if method == "paired" and values.size:
        usual, counts = np.unique(values, return_counts=True)
        deviation = np.abs(values - usual[np.argmax(counts)])
        rare = deviation > 1e-12 * max(1.0, float(np.abs(values).max()))
    elif not estimate.influence.any():
        deviation, rare = np.zeros(1), np.zeros(n_gold, dtype=bool)
    else:
        return 0.0
    n, k = int(rare.size), int(rare.sum())
    if k >= _ENOUGH_DEVIATING or 2 * k > n:
        return 0.0
    if clusters is not None:
        n = int(clusters.max()) + 1
    unseen = float(betaincinv(k + 1, max(1, n - k), 0.5 + level / 2)) - k / n
    return unseen * (float(deviation.max()) if k else reach + abs(estimate.value))


def _judge(
    value: float, lower: float, upper: float, skewness: float, unit: float, method: str, n: int
) -> Finding:
    """Judge the claim of no bias by n gold labels or pairs; `unit` is that of the threshold."""
    verdict, needed, limit = Verdict.INCONCLUSIVE, None, DECISION_THRESHOLDS["mean_shift"]
    bound = f"{limit.passes:g} standard deviations of the preference labels"
    noun = "queries with both labels" if method == "paired" else "gold labels"
    least, most, size = max(0.0, lower, -upper), max(abs(lower), abs(upper)), abs(value)
    if abs(skewness) > MOST_SKEWNESS:
        needed = rows_needed(n, abs(skewness), MOST_SKEWNESS)
        reason = (
            f"A few rare and large labels decide (skewness of the estimate {skewness:.2f}): "
            f"others that have not been seen may turn it; {about(needed, n)} {noun} would show "
            f"enough of them, {n} are there."
        )
    elif unit == 0:
        reason = "The preference labels are all equal: a shift cannot be measured in their spread."
    elif (verdict := limit.judge(least / unit, most / unit)) is Verdict.PASS:
        reason = f"The mean shift is shown to be smaller than {bound}."
    elif verdict is Verdict.FAIL:
        reason = f"The mean shift is larger than {bound}: labels need correcting."
    elif least > 0:
        verdict = Verdict.CAUTION
        reason = f"There is a mean shift; whether it exceeds {bound} is open."
    else:
        # Settled once the interval leaves zero or stays within the bound, whichever comes first.
        needed = rows_needed(n, (upper - lower) / 2, max(size, limit.passes * unit - size))
        reason = (
            f"The interval contains zero as well as shifts larger than {bound}; "
            f"{about(needed, n)} {noun} would settle it, {n} are there."
        )
    return Finding(verdict, needed, reason)


_METHODS = {DRLearner: "aipw", RLearner: "overlap", ConstantShift: "difference"}


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
def mean_shift(model: MetaRouter | AdaptiveMetaRouter, rows: TrainingRows) -> MeanShift | None:
    """Estimate the mean shift from what a fitted meta-router has kept.

    A mean of predictions Delta-hat inherits the bias of the final regression and has no simple
    standard error. The mean of the doubly robust pseudo-outcomes does (Kennedy 2023; it is the
    augmented inverse-propensity estimate), and so does the residual-on-residual slope. Rows that
    the propensity policy has trimmed tell nothing of a shift and are left out.

    Parameters
    ----------
    model : MetaRouter or AdaptiveMetaRouter
        Fitted on `rows`, with an R-, DR- or constant shift.
    rows : TrainingRows

    Returns
    -------
    MeanShift or None
        None where no shift is estimated, as by an `AdaptiveMetaRouter`.
    """
    shift = getattr(model, "shift_", None)
    methods = [method for kind, method in _METHODS.items() if isinstance(shift, kind)]
    if shift is None or not methods or shift.is_zero_:
        return None
    labels = scaled_labels(rows, model.scaler_)
    found = estimate_shift(labels, methods[0], lambda *_: shift.nuisances_)
    spread = found.variance(choose_covariance("auto", found.clusters))
    inside, how = shift.in_overlap_, found.how
    if not inside.all():
        how += f", over the {int(inside.sum())} of {inside.size} labels within the overlap"
    return MeanShift(found.value, float(np.sqrt(spread.variance)), spread.df, how)
