"""Overlap of the two sources, and how well nuisances predict labels that they have not seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from metarouter.inference._limits import DECISION_THRESHOLDS, Verdict, about, worst
from metarouter.inference._result import Finding, Judged
from metarouter.inference.intervals import (
    UNKNOWN,
    FloatArray,
    Measured,
    log_interval,
    noise_share,
    share_interval,
)
from metarouter.inference.labels import (
    LabelOptions,
    LabelTable,
    ScaledLabels,
    check_sample_size,
)
from metarouter.nuisance import ALL_NUISANCES
from metarouter.overlap import PropensityPolicy
from metarouter.utils.arguments import validated
from metarouter.utils.plotting import draw_dots, label_axes, new_axes
from metarouter.utils.style import OUTLINE, reference_line

if TYPE_CHECKING:
    import pandas as pd

_JUDGED = ("out_of_support", "effective_gold", "effective_preference")


@dataclass(frozen=True)
class OverlapReport(Judged):
    """How far gold and preference queries cover the same ground; the gravest verdict counts.

    Parameters
    ----------
    out_of_support : Measured
        Share of the preference labels at queries where gold queries are more than ten times rarer.
    gold_out_of_support : Measured
        The reverse: share of the gold labels where preference queries are that rare.
    effective_gold, effective_preference : Measured
        Effective sample size of the labels of each source once they are weighted to stand for all
        queries, as a share of their number (Kish 1965).
    n_gold, n_preference : int
    n_clipped, n_trimmed : int
        What the propensity policy did.
    verdicts : dict of str to Verdict
        By decision threshold: "out_of_support", "effective_gold", "effective_preference".
    propensity : ndarray of shape (n,)
        Recalibrated out-of-fold P(gold | s).
    is_gold : ndarray of bool of shape (n,)
    """

    out_of_support: Measured
    gold_out_of_support: Measured
    effective_gold: Measured
    effective_preference: Measured
    n_gold: int
    n_preference: int
    n_clipped: int
    n_trimmed: int
    verdicts: dict[str, Verdict]
    propensity: FloatArray = field(repr=False)
    is_gold: NDArray[np.bool_] = field(repr=False)

    _TITLE = "Overlap of gold and preference queries"
    _FACTS = {
        "gold labels": "{self.n_gold}",
        "preference labels": "{self.n_preference}",
        "clipped": "{self.n_clipped}",
        "trimmed": "{self.n_trimmed}",
    } | Judged._FACTS
    _NOTES = (
        "Intervals are over new queries, with the fitted propensity held fixed. It is out of",
        "fold and recalibrated, so that a noisy model does not look like a lack of overlap.",
        "{self.reason}",
    )

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers, one row per share."""
        import pandas as pd

        rarer = f"{DECISION_THRESHOLDS['density_ratio'].passes:g} times rarer"
        shares = {
            f"preference labels where gold is {rarer}": "out_of_support",
            f"gold labels where preference is {rarer}": "gold_out_of_support",
            "effective share of the gold labels": "effective_gold",
            "effective share of the preference labels": "effective_preference",
        }
        rows = [
            (measure, *getattr(self, name), str(self.verdicts.get(name, "")))
            for measure, name in shares.items()
        ]
        return pd.DataFrame(rows, columns=["measure", "value", "ci_low", "ci_high", "verdict"])

    def plot(self, ax: Any = None) -> Any:
        """Draw the propensities of gold and of preference labels, mirrored."""
        ax = new_axes(ax)
        for name, rows, sign, colour, hatch in (
            ("gold", self.is_gold, 1, "#E69F00", None),
            ("preference", ~self.is_gold, -1, "#0072B2", "///"),
        ):
            values = self.propensity[rows]
            ax.hist(
                values,
                bins=np.linspace(0.0, 1.0, 41),
                weights=np.full(values.size, sign / max(1, values.size)),
                color=colour,
                edgecolor=OUTLINE,
                linewidth=0.3,
                hatch=hatch,
                label=f"{name} labels ({values.size})",
            )
        kappa = self.n_gold / max(1, self.n_gold + self.n_preference)
        for bound in support_bounds(kappa):
            ax.axvline(bound, **reference_line())
        ax.axhline(0.0, color=OUTLINE, linewidth=0.8)
        ax.set_xlim(0, 1)
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0%}")
        propensity = "propensity P(gold | query); dashed: density ratio of ten"
        return label_axes(ax, propensity, "share of the source's labels", legend="above", ncols=2)


def support_bounds(kappa: float) -> tuple[float, float]:
    """Return the propensities at which one source is ten times rarer than the other."""
    ratio, odds = DECISION_THRESHOLDS["density_ratio"].passes, kappa / max(1e-12, 1 - kappa)
    return odds / ratio / (1 + odds / ratio), odds * ratio / (1 + odds * ratio)


@validated(random_state=["random_state"])
def overlap_report(data: Any, **options: Unpack[LabelOptions]) -> OverlapReport:
    """Report propensities, effective sample sizes and the share of labels out of support.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    **options
        Of `LabelOptions`: nuisances (of which the propensity is needed), scaling (only to recognise
        fitted nuisances; propensities do not depend on labels), level, seed.

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
    >>> from metarouter.nuisance import Nuisances
    >>> data = make_judged_queries(1000, gold_share=0.2, random_state=0)
    >>> recipe = Nuisances(propensity=LogisticRegression())
    >>> print(overlap_report(data, nuisances=recipe, random_state=0).verdict)
    PASS
    """
    table = LabelTable(data, options)
    is_gold, level = np.asarray(table.rows.is_gold, dtype=bool), table.level
    known: dict[str, Any] = {"level": level, "n_gold": int(is_gold.sum())}
    known["n_preference"] = len(is_gold) - known["n_gold"]
    shortage = check_sample_size(table.counts)
    if shortage is not None:
        known |= dict.fromkeys(("gold_out_of_support", *_JUDGED), UNKNOWN)
        verdicts = dict.fromkeys(_JUDGED, Verdict.INCONCLUSIVE)
        return OverlapReport.inconclusive(shortage, verdicts=verdicts, **known)
    labels, fitted = table.labels, table.nuisances("propensity")
    propensity = fitted.propensity_
    if table.is_paired:
        propensity = np.full(len(propensity), 0.5)  # by design, whatever a model believes
    elif np.ptp(propensity) > 0:
        policy = PropensityPolicy(clip=None, calibrate="sigmoid")
        weight = labels.share * len(propensity)
        propensity = policy.apply(propensity, is_gold, weight).propensity
    found = _shares(labels, propensity, level)
    verdicts = {name: DECISION_THRESHOLDS[name].judge(*found[name].ends) for name in _JUDGED}
    known |= found
    return OverlapReport(
        n_clipped=fitted.overlap_.n_clipped,
        n_trimmed=fitted.overlap_.n_trimmed,
        verdicts=verdicts,
        propensity=propensity,
        is_gold=is_gold,
        **known,
        **_judge(worst(list(verdicts.values())), found, table)._asdict(),
    )


def _shares(labels: ScaledLabels, propensity: FloatArray, level: float) -> dict[str, Measured]:
    """Return the shares of an `OverlapReport`, by name."""
    if np.ptp(propensity) == 0:  # as of a random draw: nothing is rarer anywhere
        nothing, everything = Measured(0.0, 0.0, 0.0), Measured(1.0, 1.0, 1.0)
        shares = dict.fromkeys(("out_of_support", "gold_out_of_support"), nothing)
        return shares | dict.fromkeys(("effective_gold", "effective_preference"), everything)
    is_gold, share, clusters = labels.is_gold, labels.share, labels.clusters
    low, high = support_bounds(float(share @ is_gold))
    of_preference, of_gold = np.where(is_gold, 0.0, share), np.where(is_gold, share, 0.0)
    return {
        "out_of_support": share_interval(propensity < low, of_preference, clusters, level),
        "gold_out_of_support": share_interval(propensity > high, of_gold, clusters, level),
        "effective_gold": _effective(labels, propensity, level),
        "effective_preference": _effective(labels, 1 - propensity, level),
    }


def _effective(labels: ScaledLabels, own: FloatArray, level: float) -> Measured:
    """Effective share of a source's labels, 1 / (E own E(1 / own)) with its propensity."""
    share = labels.share
    mean, inverse = float(share @ own), float(share @ (1 / own))
    influence = -share * ((own / mean - 1) + (1 / own / inverse - 1))
    found = log_interval(
        1 / (mean * inverse), influence, share, labels.is_gold, labels.clusters, level
    )
    return found._replace(upper=min(1.0, found.upper))


def _judge(verdict: Verdict, found: dict[str, Measured], table: LabelTable) -> Finding:
    missing, n, needed = found["out_of_support"], table.labels.n_preference, None
    if table.is_paired:
        reason = "Every query carries both labels, so that the overlap is complete by design."
    elif verdict is Verdict.PASS:
        reason = "Gold queries cover the ground of the preference queries."
    elif verdict is Verdict.INCONCLUSIVE:
        needed = DECISION_THRESHOLDS["out_of_support"].rows_needed(n, *missing.ends)
        where = "" if table.labels.clusters is None else ", in as many more groups,"
        reason = (
            f"The overlap is open; {about(needed, n)} preference labels{where} would settle it, "
            f"{n} are there."
        )
    else:
        reason = (
            f"For {missing.value:.0%} of the preference labels hardly any gold query is alike; "
            f"{found['effective_gold'].value:.0%} of the gold labels are left after weighting. "
            "Trim (PropensityPolicy), or collect gold labels where they are missing."
        )
    return Finding(verdict, needed, reason)


_PREDICTED = {
    "marginal_outcome": "label given the query",
    "gold_outcome": "gold label given the query",
    "preference_outcome": "preference label given the query",
    "propensity": "source given the query",
}


@dataclass(frozen=True)
class NuisanceQuality(Judged):
    """Out-of-fold fit of every nuisance; the gravest verdict counts.

    Parameters
    ----------
    r2 : dict of str to Measured
        Of the outcome models: 1 minus squared error over that of the mean label.
    log_loss : Measured
        Of the propensity, in nats per label.
    log_loss_ratio : Measured
        The same over that of the constant gold share: below 1 the sources can be told apart.
    n : dict of str to int
        Labels that each rests on.
    verdicts : dict of str to Verdict
        By nuisance.
    """

    r2: dict[str, Measured]
    log_loss: Measured
    log_loss_ratio: Measured
    n: dict[str, int]
    verdicts: dict[str, Verdict]

    _TITLE = "Quality of the nuisances, out of fold"
    _NOTES = (
        "Intervals are over new labels, with the fitted models held fixed. A nuisance that",
        "knows nothing (R2 of 0, ratio of 1) costs precision, one that is worse adds noise.",
        "{self.reason}",
    )

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers, one row per nuisance and measure."""
        import pandas as pd

        verdicts = self.verdicts
        measures: list[tuple[str, str, Measured, str]] = [
            *((name, "R2", found, verdicts[name]) for name, found in self.r2.items()),
            ("propensity", "log loss", self.log_loss, ""),
            ("propensity", "log loss / constant", self.log_loss_ratio, verdicts["propensity"]),
        ]
        rows = [
            (name, _PREDICTED[name], self.n[name], measure, *found, str(verdict))
            for name, measure, found, verdict in measures
        ]
        head = "nuisance, predicts, labels, measure, value, ci_low, ci_high, verdict"
        return pd.DataFrame(rows, columns=head.split(", "))

    def plot(self, ax: Any = None) -> Any:
        """Draw the out-of-fold R2 of the outcome models and the propensity's gain in log loss."""
        drawn = {**self.r2, "propensity": self.log_loss_ratio.mapped(1.0, -1.0)}
        value, lower, upper = np.array(list(drawn.values())).T
        ax = new_axes(ax, height=2.6)
        ax = draw_dots([_PREDICTED[name] for name in drawn], value, lower, upper, ax)
        return label_axes(ax, "share of the loss explained out of fold")


_SMALLEST = 1e-12
_OUTCOMES = tuple(_PREDICTED)[:3]


@validated(random_state=["random_state"])
def nuisance_quality(data: Any, **options: Unpack[LabelOptions]) -> NuisanceQuality:
    """Measure how well cross-fitted nuisances predict labels that they have not seen.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    **options
        Of `LabelOptions`: nuisances, scaling, level, seed; errors stand there.

    Notes
    -----
    Intervals are for the mean loss of the very models that were fitted, on new labels (Bayle,
    Bayle, Janson & Mackey 2020), by the delta method on the logarithm of the ratio of losses.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression, LogisticRegression
    >>> from metarouter.datasets import make_judged_queries
    >>> from metarouter.nuisance import Nuisances
    >>> data = make_judged_queries(1000, gold_share=0.3, random_state=0)
    >>> recipe = Nuisances(outcome=LinearRegression(), propensity=LogisticRegression())
    >>> quality = nuisance_quality(data, nuisances=recipe, random_state=0)
    >>> bool(quality.r2["gold_outcome"].lower > 0), list(quality.r2)
    (True, ['marginal_outcome', 'gold_outcome', 'preference_outcome'])
    """
    table = LabelTable(data, options)
    counts = table.counts
    both = counts.gold + counts.preference
    n = dict(zip(_PREDICTED, (both, counts.gold, counts.preference, both), strict=True))
    losses, log_loss = dict.fromkeys(n, UNKNOWN), UNKNOWN
    shortage = check_sample_size(counts)
    if shortage is None:
        losses, log_loss = _losses(table)
    limits = dict.fromkeys(n, DECISION_THRESHOLDS["outcome_error"])
    limits["propensity"] = DECISION_THRESHOLDS["propensity_error"]
    verdicts = {name: limits[name].judge(*loss.ends) for name, loss in losses.items()}
    most = DECISION_THRESHOLDS["leak"].passes
    leaking = [name for name in _OUTCOMES if 1 - losses[name].upper > most]
    verdicts |= dict.fromkeys(leaking, Verdict.CAUTION)
    needed = [
        limits[name].rows_needed(n[name], *losses[name].ends)
        for name, verdict in verdicts.items()
        if verdict is Verdict.INCONCLUSIVE
    ]
    verdict = worst(list(verdicts.values()))
    if leaking:
        label = _PREDICTED[leaking[0]]
        reason = f"Features predict the {label} almost perfectly: look for the label among them."
    elif verdict is Verdict.PASS:
        reason = "No nuisance is worse than a constant."
    else:
        worse = [name for name, verdict in verdicts.items() if verdict is not Verdict.PASS]
        predicted = ", ".join(_PREDICTED[name] for name in worse)
        reason = f"Not shown to be as good as a constant: {predicted}."
        if worse != ["propensity"]:
            reason += " More labels, or fewer features that say more, may help."
        if "propensity" in worse:
            reason += (
                " If queries were drawn at random for gold labels, say so with "
                "propensity='constant' (--propensity constant)."
            )
    finding = shortage or Finding(verdict, max(filter(None, needed), default=None), reason)
    return NuisanceQuality(
        r2={name: losses[name].mapped(1.0, -1.0) for name in _OUTCOMES},
        log_loss=log_loss,
        log_loss_ratio=losses["propensity"],
        n=n,
        level=table.level,
        verdicts=verdicts,
        **finding._asdict(),
    )


def _losses(table: LabelTable) -> tuple[dict[str, Measured], Measured]:
    """Measure the loss of every nuisance over that of a constant, and the log loss by itself."""
    labels, fitted, level = table.labels, table.nuisances(*ALL_NUISANCES), table.level
    is_gold, everywhere = labels.is_gold, np.ones(len(labels.y), dtype=bool)
    losses = {}
    for name, rows in zip(_OUTCOMES, (everywhere, is_gold, ~is_gold), strict=True):
        y, predicted = labels.y[rows], getattr(fitted, f"{name}_")[rows]
        mean, residual = np.average(y, weights=labels.share[rows]), y - predicted
        losses[name] = _loss_ratio(
            labels, rows, residual**2, (y - mean) ** 2, 2 * residual, predicted - mean, 1.0, level
        )
    p = np.clip(fitted.propensity_, _SMALLEST, 1 - _SMALLEST)
    kappa = float(labels.share @ is_gold)
    own, constant = (-np.log(np.where(is_gold, q, 1 - q)) for q in (p, kappa))
    # Near a constant the log loss is quadratic in the log odds, with curvature p (1 - p) / 2.
    curvature, distance = kappa * (1 - kappa) / 2, logit(p) - logit(kappa)
    losses["propensity"] = _loss_ratio(
        labels, everywhere, own, constant, is_gold - p, distance, curvature, level
    )
    loss = float(labels.share @ own)
    influence = labels.share * (own / loss - 1)
    return losses, log_interval(loss, influence, labels.share, is_gold, labels.clusters, level)


def _loss_ratio(
    labels: ScaledLabels,
    rows: NDArray[np.bool_],
    own: FloatArray,
    constant: FloatArray,
    slope: FloatArray,
    distance: FloatArray,
    curvature: float,
    level: float,
) -> Measured:
    """Mean loss of predictions over that of the best constant, from both losses of each label.

    Near the constant a mean loss rises by `curvature` times the mean squared `distance` of the
    predictions from it; `slope` is the derivative of a label's own loss (see `noise_share`).
    """
    share, clusters = labels.share[rows] / labels.share[rows].sum(), labels.clusters
    loss, base = max(float(share @ own), _SMALLEST), float(share @ constant)
    noise = noise_share(loss - base, curvature * float(share @ distance**2))
    return log_interval(
        loss / base,
        share * (own / loss - constant / base),
        share,
        labels.is_gold[rows],
        None if clusters is None else np.unique(clusters[rows], return_inverse=True)[1],
        level,
        shared_influence=np.sqrt(noise) * share * slope * distance / loss,
    )
