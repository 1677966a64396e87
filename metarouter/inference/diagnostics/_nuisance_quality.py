"""Can the data bear it? How well the nuisances predict labels that they have not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from metarouter.inference._limits import LIMITS, Verdict, rows_needed, worst
from metarouter.inference._result import Judged
from metarouter.inference.intervals import (
    UNKNOWN,
    Clusters,
    FloatArray,
    Measured,
    log_interval,
    noise_share,
)
from metarouter.inference.labels import (
    LabelOptions,
    LabelTable,
    ScaledLabels,
    check_either_sample_size,
)
from metarouter.nuisance import ALL_NUISANCES
from metarouter.utils.arguments import validated
from metarouter.utils.plotting import draw_dots, label_axes, new_axes

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
    _ROWS = "_measures"
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
    def _measures(self) -> list[_Measure]:
        measures = [(name, "R2", found) for name, found in self.r2.items()]
        measures += [
            ("propensity", "log loss", self.log_loss),
            ("propensity", "log loss / constant", self.log_loss_ratio),
        ]
        return [
            _Measure(
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


class _Measure(NamedTuple):
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
    shortage = check_either_sample_size(counts)
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
