"""What the best linear projection returns.

Where is the bias? The best linear projection of the shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.inference._limits import LIMITS, MINIMA, Verdict, about, rows_needed
from metarouter.inference._result import Finding, Judged
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
    Effect,
    Scaling,
    as_rows,
    check_effect,
    check_either_sample_size,
    chosen_features,
    count_labels,
    fitted_nuisances,
    orthogonal_scores,
    scaled_labels,
)
from metarouter.nuisance import Nuisances
from metarouter.utils.columns import as_level
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import MEAN, reference_line

if TYPE_CHECKING:
    import pandas as pd


_LONGEST_NAME = 32


@dataclass(frozen=True)
class BestLinearProjection(Judged):
    """Coefficients of the linear function of chosen features that is nearest to the shift.

    Parameters
    ----------
    names : tuple of str
        ``mean`` (the projection at the mean of the features) and the features.
    coefficient, se, df : ndarray of shape (k,)
        In units of the preference labels per unit of the feature.
    lower, upper : ndarray of shape (k,)
        Pointwise intervals.
    simultaneous_lower, simultaneous_upper : ndarray of shape (k,)
        Intervals that cover all slopes at once; the mean has its pointwise one.
    statistic, p_value : ndarray of shape (k,)
        Two-sided tests of zero, each by itself.
    joint : WaldTest
        Test that all slopes are zero: that the bias does not depend on these features.
    effect : {"shift", "gain"}
    covariance : {"HC3", "cluster"}
    level : float
    n_gold, n_preference : int
    verdict : Verdict
        On the claim that the effect is the same along these features.
    needed : int or None
        Gold labels that would allow a judgement.
    reason : str
    """

    names: tuple[str, ...]
    coefficient: FloatArray
    se: FloatArray
    df: FloatArray
    lower: FloatArray
    upper: FloatArray
    simultaneous_lower: FloatArray
    simultaneous_upper: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    joint: WaldTest
    effect: Effect
    covariance: str
    level: float
    n_gold: int
    n_preference: int
    verdict: Verdict
    needed: int | None
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per coefficient, with pointwise and simultaneous intervals."""
        import pandas as pd

        return pd.DataFrame(
            {
                "feature": self.names,
                "coefficient": self.coefficient,
                "se": self.se,
                "t": self.statistic,
                "p_value": self.p_value,
                "ci_low": self.lower,
                "ci_high": self.upper,
                "simultaneous_low": self.simultaneous_lower,
                "simultaneous_high": self.simultaneous_upper,
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the slopes with their simultaneous (thin) and pointwise (thick) intervals.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        slopes = np.arange(1, len(self.names))
        ax = new_axes(ax, height=1.2 + 0.32 * max(3, len(slopes)))
        place = -slopes.astype(float)
        ends = (self.simultaneous_lower[slopes], self.simultaneous_upper[slopes])
        ax.hlines(place, *ends, color=MEAN, linewidth=1.0, label=f"{self.level:.0%} simultaneous")
        ends = (self.lower[slopes], self.upper[slopes])
        ax.hlines(place, *ends, color=MEAN, linewidth=3.0, label=f"{self.level:.0%} pointwise")
        ax.plot(self.coefficient[slopes], place, "o", color="#1A1A1A", markersize=4)
        ax.axvline(0.0, **reference_line())
        ax.set_yticks(place, [_short(self.names[k]) for k in slopes])
        ax.set_ylim(place.min() - 0.6, place.max() + 0.6)
        ax.set_xlabel(f"change of the {self.effect} per unit of the feature")
        ax.legend(
            frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2
        )
        return ax

    def _title(self) -> str:
        return f"Best linear projection of the {self.effect}"

    def _facts(self) -> dict[str, str]:
        joint = self.joint
        return {
            "gold labels": f"{self.n_gold}",
            "preference labels": f"{self.n_preference}",
            "errors": self.covariance,
            "level": f"{self.level:g}",
            "all slopes zero": f"F({joint.df_numerator}, {joint.df_denominator:.0f}) = "
            f"{joint.statistic:.2f}, p = {joint.p_value:.3g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            "The row 'mean' is the effect at the mean of the features. Simultaneous intervals",
            "cover all slopes at once; p values are for each coefficient by itself.",
            self.reason,
        )


def _short(name: str) -> str:
    """Keep a name from taking the room of the picture."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


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
    shortage = check_either_sample_size(counts)
    fewest = MINIMA["rows_per_coefficient"].count * (1 + len(names))
    if shortage is not None or counts.gold < fewest:
        return _too_few(known, shortage, fewest)

    labels = scaled_labels(rows, scaling)
    kind = choose_covariance(covariance, labels.clusters, ("HC3", "cluster"))
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
        labels.clusters,
        kind,
        names=["mean", *names],
        further_influence=np.outer(
            labels.factor_influence, _projected(design, share, scores.gold) / labels.factor
        )
        + _centring_influence(design, share, outcome),
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


def _centring_influence(design: FloatArray, share: FloatArray, outcome: FloatArray) -> FloatArray:
    """Return the influence on the mean effect through the estimated means of the features.

    The first coefficient is the mean of the scores, whose variance holds that of the features;
    the regression's residuals do not.
    """
    slopes = _projected(design, share, outcome)
    influence = np.zeros_like(design)
    influence[:, 0] = share * (design[:, 1:] @ slopes[1:])
    return influence


def _too_few(known: dict[str, Any], shortage: Finding | None, fewest: int) -> BestLinearProjection:
    k = len(known["names"])
    if shortage is None or known["n_gold"] < fewest:
        shortage = Finding(
            Verdict.INCONCLUSIVE,
            fewest,
            f"{known['n_gold']} gold labels are too few for {k} coefficients; {fewest} would do. "
            f"{MINIMA['rows_per_coefficient'].why}",
        )
    joint = WaldTest(np.nan, k - 1, np.nan, np.nan)
    return BestLinearProjection.inconclusive(shortage, k, joint=joint, **known)
