"""What the overlap report returns.

Can the data bear it? The overlap of gold and preference queries.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

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
    ScaledLabels,
    Scaling,
    as_rows,
    check_either_sample_size,
    count_labels,
    fitted_nuisances,
    scaled_labels,
)
from metarouter.nuisance import Nuisances
from metarouter.overlap import PropensityPolicy
from metarouter.utils.columns import as_level
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import reference_line

if TYPE_CHECKING:
    import pandas as pd


COLOUR = {True: "#E69F00", False: "#0072B2"}


@dataclass(frozen=True)
class OverlapReport(Judged):
    """How far gold and preference queries cover the same ground.

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
    level : float
    verdicts : dict of str to Verdict
        By limit: "out_of_support", "effective_gold", "effective_preference".
    verdict : Verdict
        The gravest of them.
    needed : int or None
        Gold labels that would settle an open verdict.
    reason : str
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
    level: float
    verdicts: dict[str, Verdict]
    verdict: Verdict
    needed: int | None
    reason: str
    propensity: FloatArray = field(repr=False)
    is_gold: NDArray[np.bool_] = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per measure, with its interval and verdict."""
        import pandas as pd

        ratio = LIMITS["density_ratio"].passes
        named = {
            f"preference labels where gold is {ratio:g} times rarer": (
                self.out_of_support,
                str(self.verdicts["out_of_support"]),
            ),
            f"gold labels where preference is {ratio:g} times rarer": (
                self.gold_out_of_support,
                "",
            ),
            "effective share of the gold labels": (
                self.effective_gold,
                str(self.verdicts["effective_gold"]),
            ),
            "effective share of the preference labels": (
                self.effective_preference,
                str(self.verdicts["effective_preference"]),
            ),
        }
        return pd.DataFrame(
            [
                {
                    "measure": name,
                    "value": measured.value,
                    "ci_low": measured.lower,
                    "ci_high": measured.upper,
                    "verdict": verdict,
                }
                for name, (measured, verdict) in named.items()
            ]
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the propensities of gold and of preference labels, mirrored.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
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
        ax.set_xlabel("propensity P(gold | query); dashed: density ratio of ten")
        ax.set_ylabel("share of the source's labels")
        ax.legend(
            frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=2
        )
        return ax

    def _title(self) -> str:
        return "Overlap of gold and preference queries"

    def _facts(self) -> dict[str, str]:
        return {
            "gold labels": f"{self.n_gold}",
            "preference labels": f"{self.n_preference}",
            "clipped": f"{self.n_clipped}",
            "trimmed": f"{self.n_trimmed}",
            "level": f"{self.level:g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            "Intervals are over new queries, with the fitted propensity held fixed. It is out of",
            "fold and recalibrated, so that a noisy model does not look like a lack of overlap.",
            self.reason,
        )


def support_bounds(kappa: float) -> tuple[float, float]:
    """Return the propensities at which one source is ten times rarer than the other."""
    ratio, odds = LIMITS["density_ratio"].passes, kappa / max(1e-12, 1 - kappa)
    return odds / ratio / (1 + odds / ratio), odds * ratio / (1 + odds * ratio)


def overlap_report(
    data: Any,
    *,
    nuisances: Nuisances | None = None,
    scaling: Scaling = "variance",
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
    shortage = check_either_sample_size(counts)
    if shortage is not None:
        return _too_few(level, np.asarray(rows.is_gold, dtype=bool), shortage)
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
    missing = share_interval(
        propensity < low, np.where(is_gold, 0.0, share), labels.clusters, level
    )
    reverse = share_interval(
        propensity > high, np.where(is_gold, share, 0.0), labels.clusters, level
    )
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
    influence = -share * ((own / mean - 1) + (1 / own / inverse - 1))
    found = log_interval(
        1 / (mean * inverse), influence, share, labels.is_gold, labels.clusters, level
    )
    return found._replace(upper=min(1.0, found.upper))


def _reason(
    verdict: Verdict, missing: Measured, gold: Measured, labels: ScaledLabels
) -> tuple[int | None, str]:
    if verdict is Verdict.PASS:
        return None, "Gold queries cover the ground of the preference queries."
    if verdict is Verdict.INCONCLUSIVE:
        wanted = (LIMITS["out_of_support"].fails - LIMITS["out_of_support"].passes) / 2
        needed = rows_needed(labels.n_preference, (missing.upper - missing.lower) / 2, wanted)
        where = "" if labels.clusters is None else ", in as many more groups,"
        return needed, (
            f"The overlap is open; {about(needed, labels.n_preference)} preference labels{where} "
            f"would settle it, {labels.n_preference} are there."
        )
    return None, (
        f"For {missing.value:.0%} of the preference labels hardly any gold query is alike; "
        f"{gold.value:.0%} of the gold labels are left after weighting. Trim (PropensityPolicy), "
        "or collect gold labels where they are missing."
    )


def _too_few(level: float, is_gold: NDArray[np.bool_], shortage: Finding) -> OverlapReport:
    names = ("out_of_support", "effective_gold", "effective_preference")
    return OverlapReport.inconclusive(
        shortage,
        out_of_support=UNKNOWN,
        gold_out_of_support=UNKNOWN,
        effective_gold=UNKNOWN,
        effective_preference=UNKNOWN,
        n_gold=int(is_gold.sum()),
        n_preference=int((~is_gold).sum()),
        level=level,
        verdicts=dict.fromkeys(names, Verdict.INCONCLUSIVE),
    )
