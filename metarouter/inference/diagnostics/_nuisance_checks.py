"""Can the data bear it? Overlap of the sources, and how well nuisances predict new labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from metarouter.inference._limits import LIMITS, Verdict, about, rows_needed, worst
from metarouter.inference._result import Finding, Judged
from metarouter.inference.intervals import (
    UNKNOWN,
    Clusters,
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
from metarouter.nuisance import ALL_NUISANCES, Nuisances
from metarouter.overlap import PropensityPolicy
from metarouter.utils.arguments import validated
from metarouter.utils.plotting import draw_dots, label_axes, new_axes
from metarouter.utils.style import reference_line

COLOUR = {True: "#E69F00", False: "#0072B2"}
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
        By limit: "out_of_support", "effective_gold", "effective_preference".
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
    _ROWS = "_measures"
    _COLUMNS = (
        "measure=name, value=measured.value, ci_low=measured.lower, ci_high=measured.upper, verdict"
    )
    _FACTS = {
        "gold labels": "{self.n_gold}",
        "preference labels": "{self.n_preference}",
        "clipped": "{self.n_clipped}",
        "trimmed": "{self.n_trimmed}",
        "level": "{self.level:g}",
        "verdict": "{self.verdict}",
    }
    _NOTES = (
        "Intervals are over new queries, with the fitted propensity held fixed. It is out of",
        "fold and recalibrated, so that a noisy model does not look like a lack of overlap.",
        "{self.reason}",
    )

    @property
    def _measures(self) -> list[_Measure]:
        rarer, found = f"{LIMITS['density_ratio'].passes:g} times rarer", self.verdicts
        effective = "effective share of the {} labels"
        return [
            _Measure(
                f"preference labels where gold is {rarer}",
                self.out_of_support,
                found["out_of_support"],
            ),
            _Measure(f"gold labels where preference is {rarer}", self.gold_out_of_support, ""),
            _Measure(effective.format("gold"), self.effective_gold, found["effective_gold"]),
            _Measure(
                effective.format("preference"),
                self.effective_preference,
                found["effective_preference"],
            ),
        ]

    def plot(self, ax: Any = None) -> Any:
        """Draw the propensities of gold and of preference labels, mirrored."""
        ax = new_axes(ax)
        edges = np.linspace(0.0, 1.0, 41)
        for source, sign, name in ((True, 1, "gold"), (False, -1, "preference")):
            values = self.propensity[self.is_gold == source]
            if not values.size:
                continue
            share = np.histogram(values, edges)[0] / values.size
            ax.bar(
                edges[:-1],
                sign * share,
                width=np.diff(edges),
                align="edge",
                color=COLOUR[source],
                edgecolor="#1A1A1A",
                linewidth=0.3,
                hatch=None if source else "///",
                label=f"{name} labels ({values.size})",
            )
        kappa = self.n_gold / max(1, self.n_gold + self.n_preference)
        for bound in support_bounds(kappa):
            ax.axvline(bound, **reference_line())
        ax.axhline(0.0, color="#1A1A1A", linewidth=0.8)
        ax.set_xlim(0, 1)
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0%}")
        propensity = "propensity P(gold | query); dashed: density ratio of ten"
        return label_axes(ax, propensity, "share of the source's labels", legend="above", ncols=2)


class _Measure(NamedTuple):
    name: str
    measured: Measured
    verdict: str


def support_bounds(kappa: float) -> tuple[float, float]:
    """Return the propensities at which one source is ten times rarer than the other."""
    ratio, odds = LIMITS["density_ratio"].passes, kappa / max(1e-12, 1 - kappa)
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
    >>> data = make_judged_queries(1000, gold_share=0.2, random_state=0)
    >>> recipe = Nuisances(propensity=LogisticRegression())
    >>> print(overlap_report(data, nuisances=recipe, random_state=0).verdict)
    PASS
    """
    table = LabelTable(data, options)
    shortage = check_sample_size(table.counts)
    if shortage is not None:
        is_gold = np.asarray(table.rows.is_gold, dtype=bool)
        unknown: dict[str, Any] = dict.fromkeys(("gold_out_of_support", *_JUDGED), UNKNOWN)
        return OverlapReport.inconclusive(
            shortage,
            **unknown,
            n_gold=int(is_gold.sum()),
            n_preference=int((~is_gold).sum()),
            level=table.level,
            verdicts=dict.fromkeys(_JUDGED, Verdict.INCONCLUSIVE),
        )
    labels, fitted = table.labels, table.nuisances("propensity")
    propensity = _recalibrated(labels, fitted)
    if table.is_paired:
        # Queries with both labels overlap by design, whatever a model believes.
        nothing, everything = Measured(0.0, 0.0, 0.0), Measured(1.0, 1.0, 1.0)
        found: dict[str, Any] = dict.fromkeys(_JUDGED, everything)
        found |= {"out_of_support": nothing, "gold_out_of_support": nothing}
        verdicts = dict.fromkeys(_JUDGED, Verdict.PASS)
        reason = "Every query carries both labels, so that the overlap is complete by design."
        finding = Finding(Verdict.PASS, None, reason)
        propensity = np.full(len(propensity), 0.5)
    else:
        found = _measured(labels, propensity, table.level)
        judged = {name: (found[name].lower, found[name].upper) for name in _JUDGED}
        verdicts = {name: LIMITS[name].judge(*ends) for name, ends in judged.items()}
        finding = _judge(worst(list(verdicts.values())), found, labels)
    return OverlapReport(
        **found,
        n_gold=labels.n_gold,
        n_preference=labels.n_preference,
        n_clipped=fitted.overlap_.n_clipped,
        n_trimmed=fitted.overlap_.n_trimmed,
        level=table.level,
        verdicts=verdicts,
        propensity=propensity,
        is_gold=labels.is_gold,
        **finding._asdict(),
    )


def _recalibrated(labels: ScaledLabels, fitted: Nuisances) -> FloatArray:
    raw = fitted.propensity_
    if np.ptp(raw) == 0:
        return raw
    policy = PropensityPolicy(clip=None, calibrate="sigmoid")
    return policy.apply(raw, labels.is_gold, labels.share * len(raw)).propensity


def _measured(labels: ScaledLabels, propensity: FloatArray, level: float) -> dict[str, Measured]:
    is_gold, share, clusters = labels.is_gold, labels.share, labels.clusters
    low, high = support_bounds(float(share @ is_gold))
    of_preference, of_gold = np.where(is_gold, 0.0, share), np.where(is_gold, share, 0.0)
    # With one propensity for all, as of a random draw, nothing is rarer anywhere.
    missing = {name: Measured(0.0, 0.0, 0.0) for name in ("out_of_support", "gold_out_of_support")}
    if np.ptp(propensity) > 0:
        missing = {
            "out_of_support": share_interval(propensity < low, of_preference, clusters, level),
            "gold_out_of_support": share_interval(propensity > high, of_gold, clusters, level),
        }
    return missing | {
        "effective_gold": _effective(labels, propensity, level),
        "effective_preference": _effective(labels, 1 - propensity, level),
    }


def _effective(labels: ScaledLabels, own: FloatArray, level: float) -> Measured:
    """Effective share of a source's labels, 1 / (E own E(1 / own)) with its propensity."""
    if np.ptp(own) == 0:
        return Measured(1.0, 1.0, 1.0)
    share = labels.share
    mean, inverse = float(share @ own), float(share @ (1 / own))
    influence = -share * ((own / mean - 1) + (1 / own / inverse - 1))
    found = log_interval(
        1 / (mean * inverse), influence, share, labels.is_gold, labels.clusters, level
    )
    return found._replace(upper=min(1.0, found.upper))


def _judge(verdict: Verdict, found: dict[str, Measured], labels: ScaledLabels) -> Finding:
    missing = found["out_of_support"]
    if verdict is Verdict.PASS:
        return Finding(verdict, None, "Gold queries cover the ground of the preference queries.")
    if verdict is Verdict.INCONCLUSIVE:
        wanted = (LIMITS["out_of_support"].fails - LIMITS["out_of_support"].passes) / 2
        needed = rows_needed(labels.n_preference, (missing.upper - missing.lower) / 2, wanted)
        where = "" if labels.clusters is None else ", in as many more groups,"
        return Finding(
            verdict,
            needed,
            f"The overlap is open; {about(needed, labels.n_preference)} preference labels{where} "
            f"would settle it, {labels.n_preference} are there.",
        )
    return Finding(
        verdict,
        None,
        f"For {missing.value:.0%} of the preference labels hardly any gold query is alike; "
        f"{found['effective_gold'].value:.0%} of the gold labels are left after weighting. Trim "
        "(PropensityPolicy), or collect gold labels where they are missing.",
    )


WORDS = {
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
    _ROWS = "_losses"
    _COLUMNS = (
        "nuisance=name, predicts, labels, measure, value=measured.value, ci_low=measured.lower, "
        "ci_high=measured.upper, verdict"
    )
    _FACTS = {"level": "{self.level:g}", "verdict": "{self.verdict}"}
    _NOTES = (
        "Intervals are over new labels, with the fitted models held fixed. A nuisance that",
        "knows nothing (R2 of 0, ratio of 1) costs precision, one that is worse adds noise.",
        "{self.reason}",
    )

    @property
    def _losses(self) -> list[_Loss]:
        measures = [(name, "R2", found) for name, found in self.r2.items()]
        measures += [
            ("propensity", "log loss", self.log_loss),
            ("propensity", "log loss / constant", self.log_loss_ratio),
        ]
        return [
            _Loss(
                name,
                WORDS[name],
                self.n[name],
                measure,
                found,
                "" if measure == "log loss" else self.verdicts[name],
            )
            for name, measure, found in measures
        ]

    def plot(self, ax: Any = None) -> Any:
        """Draw the out-of-fold R2 of the outcome models and the propensity's gain in log loss."""
        drawn = {**self.r2, "propensity": self.log_loss_ratio.mapped(1.0, -1.0)}
        value, lower, upper = np.array(list(drawn.values())).T
        ax = new_axes(ax, height=2.6)
        ax = draw_dots([WORDS[name] for name in drawn], value, lower, upper, ax)
        return label_axes(ax, "share of the loss explained out of fold")


class _Loss(NamedTuple):
    name: str
    predicts: str
    labels: int
    measure: str
    measured: Measured
    verdict: str


_SMALLEST = 1e-12
_OUTCOMES = tuple(WORDS)[:3]


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
    >>> data = make_judged_queries(1000, gold_share=0.3, random_state=0)
    >>> recipe = Nuisances(outcome=LinearRegression(), propensity=LogisticRegression())
    >>> quality = nuisance_quality(data, nuisances=recipe, random_state=0)
    >>> bool(quality.r2["gold_outcome"].lower > 0), list(quality.r2)
    (True, ['marginal_outcome', 'gold_outcome', 'preference_outcome'])
    """
    table = LabelTable(data, options)
    counts, level = table.counts, table.level
    shortage = check_sample_size(counts)
    if shortage is not None:
        both = counts.gold + counts.preference
        return NuisanceQuality.inconclusive(
            shortage,
            r2=dict.fromkeys(_OUTCOMES, UNKNOWN),
            log_loss=UNKNOWN,
            log_loss_ratio=UNKNOWN,
            n=dict(zip(WORDS, (both, counts.gold, counts.preference, both), strict=True)),
            level=level,
            verdicts=dict.fromkeys(WORDS, Verdict.INCONCLUSIVE),
        )
    labels, fitted = table.labels, table.nuisances(*ALL_NUISANCES)
    everywhere = np.ones(len(labels.y), dtype=bool)
    of_outcomes = (fitted.marginal_outcome_, fitted.gold_outcome_, fitted.preference_outcome_)
    rows = (everywhere, labels.is_gold, ~labels.is_gold)
    parts = dict(zip(_OUTCOMES, zip(of_outcomes, rows, strict=True), strict=True))
    error = {name: _error_ratio(labels, *part, level) for name, part in parts.items()}
    log_loss, ratio = _log_losses(labels, fitted.propensity_, level)
    verdicts = {
        name: LIMITS["outcome_error"].judge(found.lower, found.upper)
        for name, found in error.items()
    }
    verdicts["propensity"] = LIMITS["propensity_error"].judge(ratio.lower, ratio.upper)
    leaking = [name for name in error if 1 - error[name].upper > LIMITS["leak"].passes]
    for name in leaking:
        verdicts[name] = Verdict.CAUTION
    verdict = worst(list(verdicts.values()))
    n = {name: int(part[1].sum()) for name, part in parts.items()} | {"propensity": len(labels.y)}
    return NuisanceQuality(
        r2={name: found.mapped(1.0, -1.0) for name, found in error.items()},
        log_loss=log_loss,
        log_loss_ratio=ratio,
        n=n,
        level=level,
        verdicts=verdicts,
        verdict=verdict,
        needed=_needed({**error, "propensity": ratio}, n, verdicts),
        reason=_reason(verdicts, leaking),
    )


def _error_ratio(
    labels: ScaledLabels, prediction: FloatArray, rows: NDArray[np.bool_], level: float
) -> Measured:
    """Mean squared error over that of the mean label, 1 - R2."""
    share = labels.share[rows] / labels.share[rows].sum()
    y = labels.y[rows]
    own, base = (y - prediction[rows]) ** 2, (y - share @ y) ** 2
    error, variance = max(float(share @ own), _SMALLEST), float(share @ base)
    influence = share * (own / error - base / variance)
    constant = float(share @ y)
    from_constant = prediction[rows] - constant
    noise = noise_share(error - variance, float(share @ from_constant**2))
    shared = np.sqrt(noise) * share * 2 * (y - prediction[rows]) * from_constant / error
    return log_interval(
        error / variance,
        influence,
        share,
        labels.is_gold[rows],
        _clusters(labels, rows),
        level,
        shared_influence=shared,
    )


def _log_losses(
    labels: ScaledLabels, propensity: FloatArray, level: float
) -> tuple[Measured, Measured]:
    share, is_gold = labels.share, labels.is_gold
    p = np.clip(propensity, _SMALLEST, 1 - _SMALLEST)
    kappa = float(share @ is_gold)
    own = -np.log(np.where(is_gold, p, 1 - p))
    base = float(-xlogy(kappa, kappa) - xlogy(1 - kappa, 1 - kappa))
    loss = float(share @ own)
    rows = np.ones(len(own), dtype=bool)
    clusters = _clusters(labels, rows)
    # The entropy of the gold share moves by log((1 - kappa) / kappa) per unit of the share.
    entropy_influence = np.log((1 - kappa) / kappa) * (is_gold - kappa) / base
    of_loss = log_interval(loss, share * (own / loss - 1), share, is_gold, clusters, level)
    influence = share * (own / loss - 1 - entropy_influence)
    # Near a constant the log loss is quadratic in the log odds, with curvature p (1 - p) / 2.
    from_constant = np.log(p / (1 - p)) - np.log(kappa / (1 - kappa))
    curvature = kappa * (1 - kappa) / 2
    noise = noise_share(loss - base, curvature * float(share @ from_constant**2))
    shared = np.sqrt(noise) * share * (is_gold - p) * from_constant / loss
    ratio = log_interval(
        loss / base, influence, share, is_gold, clusters, level, shared_influence=shared
    )
    return of_loss, ratio


def _needed(
    losses: dict[str, Measured], n: dict[str, int], verdicts: dict[str, Verdict]
) -> int | None:
    """Labels of the open nuisance that would bring its interval to one side of the limits."""
    wanted = [
        rows_needed(n[name], (loss.upper - loss.lower) / 2, (limit.fails - limit.passes) / 2)
        for name, loss in losses.items()
        for limit in [LIMITS["propensity_error" if name == "propensity" else "outcome_error"]]
        if verdicts[name] is Verdict.INCONCLUSIVE
    ]
    return max((count for count in wanted if count is not None), default=None)


def _clusters(labels: ScaledLabels, rows: NDArray[np.bool_]) -> Clusters:
    if labels.clusters is None:
        return None
    return np.unique(labels.clusters[rows], return_inverse=True)[1].reshape(-1)


def _reason(verdicts: dict[str, Verdict], leaking: list[str]) -> str:
    if leaking:
        return (
            f"The features predict the {WORDS[leaking[0]]} almost perfectly: look for the label "
            "among them."
        )
    bad = [name for name, verdict in verdicts.items() if verdict is not Verdict.PASS]
    if not bad:
        return "No nuisance is worse than a constant."
    worse = ", ".join(WORDS[name] for name in bad)
    return f"Not shown to be as good as a constant: {worse}. {advice_on(bad)}"


def advice_on(nuisances: list[str]) -> str:
    """Say what may help where nuisances are not shown to be as good as a constant."""
    said = []
    if any(name != "propensity" for name in nuisances):
        said.append("More labels, or fewer features that say more, may help.")
    if "propensity" in nuisances:
        said.append(
            "If queries were drawn at random for gold labels, say so with propensity='constant' "
            "(--propensity constant)."
        )
    return " ".join(said)
