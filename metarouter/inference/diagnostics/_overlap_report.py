"""Can the data bear it? The overlap of gold and preference queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import LIMITS, Verdict, about, rows_needed, worst
from metarouter.inference._result import Finding, Judged
from metarouter.inference.intervals import (
    UNKNOWN,
    FloatArray,
    Measured,
    log_interval,
    share_interval,
)
from metarouter.inference.labels import (
    LabelOptions,
    LabelTable,
    ScaledLabels,
    check_either_sample_size,
)
from metarouter.nuisance import Nuisances
from metarouter.overlap import PropensityPolicy
from metarouter.utils.arguments import validated
from metarouter.utils.plotting import label_axes, new_axes
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
    shortage = check_either_sample_size(table.counts)
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
