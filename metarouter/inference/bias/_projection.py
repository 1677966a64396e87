"""Where is the bias? The best linear projection of the shift."""

from __future__ import annotations

from typing import Any

import numpy as np

from metarouter.inference._limits import LIMITS, MINIMA, Verdict, rows_needed
from metarouter.inference._verdict import about
from metarouter.inference.bias._effect import Effect, check_effect
from metarouter.inference.bias._projection_result import BestLinearProjection
from metarouter.inference.intervals import (
    Covariance,
    FloatArray,
    WaldTest,
    choose_covariance,
    correlation_of,
    interval_of,
    p_value_of,
    require_full_rank,
    sup_t_quantile,
    wald_test,
    weighted_least_squares,
)
from metarouter.inference.labels import (
    Lack,
    Scaling,
    as_rows,
    chosen_features,
    count_labels,
    fitted_nuisances,
    lack_of_either,
    orthogonal_scores,
    scaled_labels,
)
from metarouter.nuisance import Nuisances
from metarouter.utils.columns import as_level

__all__ = ["BestLinearProjection", "best_linear_projection"]


def best_linear_projection(
    data: Any,
    features: Any = None,
    *,
    effect: Effect = "shift",
    nuisances: Nuisances | None = None,
    scaling: Scaling = "variance",
    covariance: Covariance = "auto",
    level: float = 0.95,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> BestLinearProjection:
    """Project the shift (or the gain) on a few features.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    features : None, "domain", list of names or positions, or array-like of shape (n, k)
        None takes all columns of `X`, if they are at most 20. "domain" compares every domain with
        the commonest.
    effect : {"shift", "gain"}, default="shift"
        Project Delta, or psi itself; both in units of the preference labels.
    nuisances : Nuisances, optional
        Fitted on these labels after scaling, or a recipe; the default forests otherwise.
    scaling : {"variance", "max", "wasserstein"}, float, GainScaler or None, default="variance"
    covariance : {"auto", "HC3", "cluster"}, default="auto"
        "cluster" (jackknife over groups) where rows share a group, else HC3.
    level : float, default=0.95
    random_state : int, RandomState or None
    n_jobs : int, optional

    Returns
    -------
    BestLinearProjection
        With too few gold labels for the number of features the numbers are NaN and the verdict is
        INCONCLUSIVE.

    Raises
    ------
    DataError
        If a feature is missing somewhere, constant, or a combination of others.
    MetaRouterError
        If a choice is unknown.

    Notes
    -----
    The doubly robust scores are regressed on the features, which are centred: least squares
    estimates the projection whether or not the effect is linear, and errors of the nuisances enter
    as products only.

    References
    ----------
    Semenova & Chernozhukov (2021), Debiased machine learning of conditional average treatment
    effects. The function of the same name in grf.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from metarouter.datasets import make_judged_queries
    >>> data = make_judged_queries(2000, gold_share=0.3, random_state=0)
    >>> recipe = Nuisances(outcome=LinearRegression(), propensity="constant")
    >>> projection = best_linear_projection(data, ["x1", "x6"], nuisances=recipe, random_state=0)
    >>> projection.names, bool(projection.joint.p_value < 0.001)
    (('mean', 'x1', 'x6'), True)
    """
    level = as_level(level)
    check_effect(effect)
    rows = as_rows(data)
    table, names = chosen_features(data, rows, features)
    counts = count_labels(rows)
    known: dict[str, Any] = {
        "names": ("mean", *names),
        "effect": effect,
        "level": level,
        "n_gold": counts.gold,
        "n_preference": counts.preference,
    }
    lack = lack_of_either(counts)
    fewest = MINIMA["rows_per_coefficient"].count * (1 + len(names))
    if lack is not None or counts.gold < fewest:
        return _too_few(known, lack, fewest)

    labels = scaled_labels(rows, scaling)
    kind = choose_covariance(covariance, labels.units, ("HC3", "cluster"))
    needed = ("propensity", "gold_outcome", "preference_outcome")
    fitted = fitted_nuisances(labels, nuisances, needed, random_state, n_jobs)
    scores = orthogonal_scores(labels, fitted)
    outcome = scores.shift if effect == "shift" else scores.gold
    share = labels.share_within(scores.inside)
    design = np.column_stack([np.ones(len(share)), table - share @ table])
    require_full_rank(design, share, ["mean", *names])
    fit = weighted_least_squares(
        design,
        outcome,
        share,
        labels.is_gold,
        labels.units,
        kind,
        names=["mean", *names],
        further_pull=np.outer(
            labels.factor_pull, _projected(design, share, scores.gold) / labels.factor
        )
        + _centring_pull(design, share, outcome),
    )
    slopes = list(range(1, 1 + len(names)))
    joint = wald_test(fit, slopes)
    lower, upper = interval_of(fit.coefficient, fit.se, fit.df, level)
    correlation = correlation_of(fit.covariance[1:, 1:])
    margin = sup_t_quantile(correlation, float(fit.df[slopes].min()), level) * fit.se[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = fit.coefficient / fit.se
    size = margin * np.sqrt(share @ design[:, 1:] ** 2) / labels.preference_sd
    reach = np.abs(fit.coefficient[1:]) * size / margin + size
    verdict, enough, reason = _judge(joint.p_value < 1 - level, reach, size, known)
    return BestLinearProjection(
        coefficient=fit.coefficient,
        se=fit.se,
        df=fit.df,
        lower=lower,
        upper=upper,
        simultaneous_lower=np.append(lower[0], fit.coefficient[1:] - margin),
        simultaneous_upper=np.append(upper[0], fit.coefficient[1:] + margin),
        statistic=statistic,
        p_value=p_value_of(statistic, fit.df),
        joint=joint,
        covariance=kind,
        verdict=verdict,
        needed=enough,
        reason=reason,
        **known,
    )


def _judge(
    differs: bool, reach: FloatArray, margin: FloatArray, known: dict[str, Any]
) -> tuple[Verdict, int | None, str]:
    """Judge the claim of one effect everywhere; sizes are per standard deviation of a feature."""
    effect, limit = known["effect"], LIMITS["mean_shift"].passes
    small = f"{limit:g} standard deviations of the preference labels per standard deviation"
    if reach.max() <= limit:
        return Verdict.PASS, None, f"No slope exceeds {small} of its feature."
    if differs:
        return Verdict.FAIL, None, f"The {effect} depends on these features."
    needed = rows_needed(known["n_gold"], float(margin.max()), limit)
    return (
        Verdict.INCONCLUSIVE,
        needed,
        f"No dependence of the {effect} on these features is shown, nor that it is below {small}; "
        f"{about(needed, known['n_gold'])} gold labels would settle it, "
        f"{known['n_gold']} are there.",
    )


def _projected(design: FloatArray, share: FloatArray, outcome: FloatArray) -> FloatArray:
    weighted = share[:, None] * design
    return np.asarray(np.linalg.solve(weighted.T @ design, weighted.T @ outcome), dtype=np.float64)


def _centring_pull(design: FloatArray, share: FloatArray, outcome: FloatArray) -> FloatArray:
    """Return the pull on the mean effect through the estimated means of the features.

    The first coefficient is the mean of the scores, whose variance holds that of the features;
    the regression's residuals do not.
    """
    slopes = _projected(design, share, outcome)
    pull = np.zeros_like(design)
    pull[:, 0] = share * (design[:, 1:] @ slopes[1:])
    return pull


def _too_few(known: dict[str, Any], lack: Lack | None, fewest: int) -> BestLinearProjection:
    k, nan = len(known["names"]), float("nan")
    if lack is None or known["n_gold"] < fewest:
        lack = Lack(
            fewest,
            f"{known['n_gold']} gold labels are too few for {k} coefficients; {fewest} would do. "
            f"{MINIMA['rows_per_coefficient'].why}",
        )
    columns = (
        "coefficient",
        "se",
        "df",
        "lower",
        "upper",
        "simultaneous_lower",
        "simultaneous_upper",
        "statistic",
        "p_value",
    )
    unknown: dict[str, Any] = {name: np.full(k, nan) for name in columns}
    return BestLinearProjection(
        **unknown,
        joint=WaldTest(nan, k - 1, nan, nan),
        covariance="none",
        verdict=Verdict.INCONCLUSIVE,
        needed=lack.needed,
        reason=lack.reason,
        **known,
    )
