"""Can the data bear it? The overlap of gold and preference queries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import LIMITS, Verdict, rows_needed, worst
from metarouter.inference._verdict import about
from metarouter.inference.diagnostics._overlap_report_result import OverlapReport, support_bounds
from metarouter.inference.intervals import (
    UNKNOWN,
    FloatArray,
    Measured,
    log_interval,
    share_interval,
)
from metarouter.inference.labels import (
    Lack,
    ScaledLabels,
    as_rows,
    count_labels,
    fitted_nuisances,
    lack_of_either,
    scaled_labels,
)
from metarouter.nuisance import Nuisances
from metarouter.overlap import PropensityPolicy
from metarouter.utils.columns import as_level

__all__ = ["OverlapReport", "overlap_report"]


def overlap_report(
    data: Any,
    *,
    nuisances: Nuisances | None = None,
    scaling: Any = "variance",
    level: float = 0.95,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> OverlapReport:
    """Report propensities, effective sample sizes and the share of labels out of support.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    nuisances : Nuisances, optional
        Fitted on these labels after scaling, or a recipe for the propensity.
    scaling : {"variance", "max", "wasserstein"}, float, GainScaler or None, default="variance"
        Only needed to recognise fitted nuisances; propensities do not depend on labels.
    level : float, default=0.95
    random_state : int, RandomState or None
    n_jobs : int, optional

    Returns
    -------
    OverlapReport
        With too few labels the numbers are NaN and the verdict is INCONCLUSIVE.

    Raises
    ------
    DataError
        If only one source is there.
    MetaRouterError
        If fitted nuisances belong to other data.

    Notes
    -----
    The density of gold over preference queries is p (1 - kappa) / ((1 - p) kappa) with the gold
    share kappa (Meta-Router, section 5); it does not depend on how scarce gold labels are, as
    fixed bounds on p do.

    Labels of a source are weighted by w = 1/p or 1/(1 - p) to stand for all queries. Of n such
    labels as many as (sum w)^2 / sum w^2 are left (Kish 1965); as a share of n this tends to
    1 / (E p E(1/p)), which is estimated, since it uses the queries of both sources and has no
    squared weights.

    A flexible propensity model is noisy even where gold queries were drawn at random. Out-of-fold
    propensities are therefore recalibrated by a logistic curve in their logit, which pulls noise
    to the gold share and leaves real differences.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from metarouter.datasets import make_judged_queries
    >>> data = make_judged_queries(1000, gold_share=0.2, random_state=0)
    >>> recipe = Nuisances(propensity=LogisticRegression())
    >>> print(overlap_report(data, nuisances=recipe, random_state=0).verdict)
    PASS
    """
    level = as_level(level)
    rows = as_rows(data)
    counts = count_labels(rows)
    lack = lack_of_either(counts)
    if lack is not None:
        return _too_few(level, np.asarray(rows.is_gold, dtype=bool), lack)
    labels = scaled_labels(rows, scaling)
    fitted = fitted_nuisances(labels, nuisances, ("propensity",), random_state, n_jobs)
    report = _measured(labels, fitted, _recalibrated(labels, fitted), level)
    return _by_design(report) if counts.gold == counts.preference == counts.paired else report


def _by_design(report: OverlapReport) -> OverlapReport:
    """Say what needs no estimate: queries with both labels overlap, whatever a model believes."""
    nothing, everything = Measured(0.0, 0.0, 0.0), Measured(1.0, 1.0, 1.0)
    return replace(
        report,
        out_of_support=nothing,
        gold_out_of_support=nothing,
        effective_gold=everything,
        effective_preference=everything,
        verdicts=dict.fromkeys(report.verdicts, Verdict.PASS),
        verdict=Verdict.PASS,
        needed=None,
        reason="Every query carries both labels, so that the overlap is complete by design.",
        propensity=np.full(len(report.propensity), 0.5),
    )


def _recalibrated(labels: ScaledLabels, fitted: Nuisances) -> FloatArray:
    raw = fitted.propensity_
    if np.ptp(raw) == 0:
        return raw
    policy = PropensityPolicy(clip=None, calibrate="sigmoid")
    return policy.apply(raw, labels.is_gold, labels.share * len(raw)).propensity


def _measured(
    labels: ScaledLabels, fitted: Nuisances, propensity: FloatArray, level: float
) -> OverlapReport:
    is_gold, share = labels.is_gold, labels.share
    low, high = support_bounds(float(share @ is_gold))
    missing = share_interval(propensity < low, np.where(is_gold, 0.0, share), labels.units, level)
    reverse = share_interval(propensity > high, np.where(is_gold, share, 0.0), labels.units, level)
    gold = _effective(labels, propensity, level)
    preference = _effective(labels, 1 - propensity, level)
    verdicts = {
        "out_of_support": LIMITS["out_of_support"].judge(missing.lower, missing.upper),
        "effective_gold": LIMITS["effective_gold"].judge(gold.lower, gold.upper),
        "effective_preference": LIMITS["effective_preference"].judge(
            preference.lower, preference.upper
        ),
    }
    verdict = worst(list(verdicts.values()))
    needed, reason = _reason(verdict, missing, gold, labels)
    return OverlapReport(
        out_of_support=missing,
        gold_out_of_support=reverse,
        effective_gold=gold,
        effective_preference=preference,
        n_gold=labels.n_gold,
        n_preference=labels.n_preference,
        n_clipped=fitted.overlap_.n_clipped,
        n_trimmed=fitted.overlap_.n_trimmed,
        level=level,
        verdicts=verdicts,
        verdict=verdict,
        needed=needed,
        reason=reason,
        propensity=propensity,
        is_gold=is_gold,
    )


def _effective(labels: ScaledLabels, own: FloatArray, level: float) -> Measured:
    """Effective share of a source's labels, 1 / (E own E(1 / own)) with its propensity."""
    if np.ptp(own) == 0:
        return Measured(1.0, 1.0, 1.0)
    share = labels.share
    mean, inverse = float(share @ own), float(share @ (1 / own))
    pull = -share * ((own / mean - 1) + (1 / own / inverse - 1))
    found = log_interval(1 / (mean * inverse), pull, share, labels.is_gold, labels.units, level)
    return found._replace(upper=min(1.0, found.upper))


def _reason(
    verdict: Verdict, missing: Measured, gold: Measured, labels: ScaledLabels
) -> tuple[int | None, str]:
    if verdict is Verdict.PASS:
        return None, "Gold queries cover the ground of the preference queries."
    if verdict is Verdict.INCONCLUSIVE:
        wanted = (LIMITS["out_of_support"].fails - LIMITS["out_of_support"].passes) / 2
        needed = rows_needed(labels.n_preference, (missing.upper - missing.lower) / 2, wanted)
        where = "" if labels.units is None else ", in as many more groups,"
        return needed, (
            f"The overlap is open; {about(needed, labels.n_preference)} preference labels{where} "
            f"would settle it, {labels.n_preference} are there."
        )
    return None, (
        f"For {missing.value:.0%} of the preference labels hardly any gold query is alike; "
        f"{gold.value:.0%} of the gold labels are left after weighting. Trim (PropensityPolicy), "
        "or collect gold labels where they are missing."
    )


def _too_few(level: float, is_gold: NDArray[np.bool_], lack: Lack) -> OverlapReport:
    names = ("out_of_support", "effective_gold", "effective_preference")
    return OverlapReport(
        out_of_support=UNKNOWN,
        gold_out_of_support=UNKNOWN,
        effective_gold=UNKNOWN,
        effective_preference=UNKNOWN,
        n_gold=int(is_gold.sum()),
        n_preference=int((~is_gold).sum()),
        n_clipped=0,
        n_trimmed=0,
        level=level,
        verdicts=dict.fromkeys(names, Verdict.INCONCLUSIVE),
        verdict=Verdict.INCONCLUSIVE,
        needed=lack.needed,
        reason=lack.reason,
        propensity=np.empty(0),
        is_gold=np.empty(0, dtype=bool),
    )
