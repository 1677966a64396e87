"""Where is the bias? The best linear projection of the shift on a few features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

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
    WaldTest,
    choose_covariance,
    p_value_of,
)
from metarouter.inference.labels import (
    Effect,
    LabelOptions,
    LabelTable,
    check_sample_size,
    column_names,
    column_position,
    orthogonal_scores,
)
from metarouter.utils.arguments import validated
from metarouter.utils.features import as_floats
from metarouter.utils.groups import as_labels, group_codes
from metarouter.utils.parameters import ARRAY
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.style import MEAN, reference_line

_MOST_FEATURES = 20
_LONGEST_NAME = 32


@dataclass(frozen=True)
class BestLinearProjection(Judged):
    """Coefficients of the linear function of chosen features that is nearest to the shift.

    The verdict is on the claim that the effect is the same along these features.

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
    n_gold, n_preference : int
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
    n_gold: int
    n_preference: int

    _TITLE = "Best linear projection of the {self.effect}"
    _COLUMNS = (
        "feature=names, coefficient, se, t=statistic, p_value, ci_low=lower, ci_high=upper, "
        "simultaneous_low=simultaneous_lower, simultaneous_high=simultaneous_upper"
    )
    _FACTS = {
        "gold labels": "{self.n_gold}",
        "preference labels": "{self.n_preference}",
        "errors": "{self.covariance}",
        "level": "{self.level:g}",
        "all slopes zero": "F({self.joint.df_numerator}, {self.joint.df_denominator:.0f}) = "
        "{self.joint.statistic:.2f}, p = {self.joint.p_value:.3g}",
        "verdict": "{self.verdict}",
    }
    _NOTES = (
        "The row 'mean' is the effect at the mean of the features. Simultaneous intervals",
        "cover all slopes at once; p values are for each coefficient by itself.",
        "{self.reason}",
    )

    def plot(self, ax: Any = None) -> Any:
        """Draw the slopes with their simultaneous (thin) and pointwise (thick) intervals."""
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
        change = f"change of the {self.effect} per unit of the feature"
        return label_axes(ax, change, legend="above", ncols=2)


def _short(name: str) -> str:
    """Keep a name from taking the room of the picture."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


@validated(features=[str, ARRAY, None], random_state=["random_state"])
def best_linear_projection(
    data: Any,
    features: Any = None,
    *,
    effect: Effect = "shift",
    covariance: RegressionCovariance = "auto",
    **options: Unpack[LabelOptions],
) -> BestLinearProjection:
    """Project the shift (or the gain) on a few features.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    features : None, "domain", list of names or positions, or array-like of shape (n, k)
        None takes all columns of `X`, if they are at most 20. "domain" compares every domain with
        the commonest. An array has one row per query of LabelledQueries, one per label of
        TrainingRows.
    effect : {"shift", "gain"}, default="shift"
        Project Delta, or psi itself; both in units of the preference labels.
    covariance : {"auto", "HC3", "cluster"}, default="auto"
        As in `calibration_test`.
    **options
        Of `LabelOptions`: nuisances, scaling, level, seed; errors stand there.

    Returns
    -------
    BestLinearProjection
        With too few gold labels for the number of features the numbers are NaN and the verdict is
        INCONCLUSIVE.

    Raises
    ------
    DataError
        If a feature is no number or missing somewhere, constant, or a combination of others.
    MetaRouterError
        If a column is unknown, or there are too many to choose none.

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
    >>> from metarouter.nuisance import Nuisances
    >>> data = make_judged_queries(2000, gold_share=0.3, random_state=0)
    >>> recipe = Nuisances(outcome=LinearRegression(), propensity="constant")
    >>> projection = best_linear_projection(data, ["x1", "x6"], nuisances=recipe, random_state=0)
    >>> projection.names, bool(projection.joint.p_value < 0.001)
    (('mean', 'x1', 'x6'), True)
    """
    table = LabelTable(data, options)
    columns, names = _chosen_features(table, features)
    counts = table.counts
    known: dict[str, Any] = {
        "names": ("mean", *names),
        "effect": effect,
        "level": table.level,
        "n_gold": counts.gold,
        "n_preference": counts.preference,
    }
    k, minimum = 1 + len(names), MINIMUM_SAMPLE_SIZES["rows_per_coefficient"]
    shortage, fewest = check_sample_size(counts), minimum.count * k
    if counts.gold < fewest:
        few = f"{counts.gold} gold labels are too few for {k} coefficients; {fewest} would do."
        shortage = Finding(Verdict.INCONCLUSIVE, fewest, f"{few} {minimum.why}")
    if shortage is not None:
        joint = WaldTest(np.nan, k - 1, np.nan, np.nan)
        return BestLinearProjection.inconclusive(shortage, k, joint=joint, **known)
    labels = table.labels
    kind = choose_covariance(covariance, labels.clusters)
    fitted = table.nuisances("propensity", "gold_outcome", "preference_outcome")
    scores = orthogonal_scores(labels, fitted)
    share = labels.share_within(scores.inside)
    design = np.column_stack([np.ones(len(share)), columns - share @ columns])
    outcome, slope = scores.of(effect), scores.gold / labels.factor
    fit = labels.regress(outcome, design, share, kind, ["mean", *names], slope=slope, centred=True)
    joint = fit.wald_test(first=1)
    limits = fit.limits(table.level, first=1)
    margin = limits["simultaneous_upper"][1:] - fit.coefficient[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = fit.coefficient / fit.se
        size = margin * np.sqrt(share @ design[:, 1:] ** 2) / labels.preference_sd
        reach = np.abs(fit.coefficient[1:]) * size / margin + size
    return BestLinearProjection(
        coefficient=fit.coefficient,
        statistic=statistic,
        p_value=p_value_of(statistic, fit.df),
        joint=joint,
        covariance=kind,
        **limits,
        **known,
        **_judge(joint.p_value < 1 - table.level, reach, size, effect, counts.gold)._asdict(),
    )


def _judge(
    differs: bool, reach: FloatArray, margin: FloatArray, effect: Effect, n_gold: int
) -> Finding:
    """Judge the claim of one effect everywhere; sizes are per standard deviation of a feature."""
    limit = DECISION_THRESHOLDS["mean_shift"].passes
    small = f"{limit:g} standard deviations of the preference labels per standard deviation"
    if reach.max() <= limit:
        return Finding(Verdict.PASS, None, f"No slope exceeds {small} of its feature.")
    if differs:
        return Finding(Verdict.FAIL, None, f"The {effect} depends on these features.")
    needed = rows_needed(n_gold, float(margin.max()), limit)
    return Finding(
        Verdict.INCONCLUSIVE,
        needed,
        f"No dependence of the {effect} on these features is shown, nor that it is below {small}; "
        f"{about(needed, n_gold)} gold labels would settle it, {n_gold} are there.",
    )


def _chosen_features(table: LabelTable, features: Any) -> tuple[FloatArray, list[str]]:
    """Return the features to project on, shape (n_rows, k), and their names."""
    names = column_names(table.data)
    if isinstance(features, str):
        if features == "domain":
            return _domain_columns(table)
        features = [features]
    if features is None and len(names) > _MOST_FEATURES:
        raise MetaRouterError(
            f"X has {len(names)} features, too many for a projection that is to be read; choose "
            "some by features=, or give your own columns."
        )
    if features is None or _is_list_of_names(features):
        chosen = range(len(names)) if features is None else features
        positions = [column_position(item, names, "features") for item in chosen]
        names = [names[k] for k in positions]
        values = np.asarray(table.rows.X)[:, positions]
    else:
        values = table.per_label("features", as_labels("features", features), 2)
        values = values.reshape(len(values), -1)
        columns = getattr(features, "columns", [f"x{k}" for k in range(values.shape[1])])
        names = [str(column) for column in columns]
    if not names:
        raise MetaRouterError("features is empty; choose one, or leave it out for those of X.")
    numbers = as_floats(
        "features",
        values,
        f"features hold values that are no numbers (columns {', '.join(names[:5])}); encode "
        "categories as 0/1 columns, or use features='domain'.",
    )
    bad = ~np.isfinite(numbers)
    if bad.any():
        column = int(np.argmax(bad.any(axis=0)))
        raise DataError(
            f"features is missing or infinite in {int(bad[:, column].sum())} of {len(numbers)} "
            f"rows of {names[column]!r}; fill in the values, or leave the column out."
        )
    return numbers, names


def _is_list_of_names(features: Any) -> bool:
    return isinstance(features, list | tuple) and all(
        isinstance(item, str | int | np.integer) and not isinstance(item, bool) for item in features
    )


def _domain_columns(table: LabelTable) -> tuple[FloatArray, list[str]]:
    domain = getattr(table.data, "domain", None)
    if domain is None:
        raise MetaRouterError(
            "features='domain' needs LabelledQueries with a domain; name a domain column when the "
            "table is read, or choose other features."
        )
    domain = domain[table.rows.query]
    code = group_codes(domain)  # told apart by value: "1" and 1 are two
    _, first, counts = np.unique(code, return_index=True, return_counts=True)
    names = [str(value) for value in domain[first].tolist()]
    if len(set(names)) < len(names):
        names = [repr(value) for value in domain[first].tolist()]
    # The commonest is compared with.
    commonest, *others = sorted(range(len(names)), key=lambda k: (-counts[k], names[k]))
    if not others:
        raise MetaRouterError(f"all rows are of the domain {names[0]!r}; choose other features.")
    columns = (code[:, None] == others).astype(float)
    return columns, [f"{names[level]} - {names[commonest]}" for level in others]
