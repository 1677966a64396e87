"""How a report was made and what its words mean, for a reader who has not seen the paper."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from metarouter._version import __version__
from metarouter.evaluation import default_routers
from metarouter.inference import DECISION_THRESHOLDS, MINIMUM_SAMPLE_SIZES
from metarouter.reporting import _document as doc
from metarouter.reporting._analyse import RoutingAnalysis
from metarouter.utils.style import router_label

WORDS = {
    "gold label": "quality of the primary (strong) model's answer minus that of the alternative's, "
    "under the trustworthy evaluation",
    "preference label": "the same difference under the cheap evaluation, such as votes or a "
    "language model as judge, which may be biased",
    "shift, Delta": "what has to be added to a query's preference label, on average, to make it a "
    "gold label",
    "psi": "the gold label to be expected of a query: routers send the queries with the largest "
    "estimates, psi-hat, to the primary model",
    "usage": "share of the queries sent to the primary model",
}
ROUTERS = {
    "oracle": "learned from the gold label of every training query",
    "adaptive": "gold labels regressed on a score that is learned from the preference labels; how "
    "much of it is used, and what is added, is averaged by how well it explains the gold labels",
    "gold_only": "learned from the gold labels alone",
    "preference_only": "learned from the preference labels alone",
    "pooled": "learned from both kinds of labels, taken as they are",
    "linear_scaling": "both kinds, with the preference labels moved by one constant",
    "r_learner": "both kinds, with the preference labels corrected query by query; the shift is "
    "learned from residuals of the labels and of their source",
    "dr_learner": "both kinds, with the preference labels corrected query by query; the shift is "
    "learned from doubly robust scores",
}


def glossary(routers: Iterable[str]) -> dict[str, str]:
    """Explain the words of both reports, and the routers in them that are of the house.

    Examples
    --------
    >>> glossary(["pooled", "my own"])["pooled"]
    'learned from both kinds of labels, taken as they are'
    """
    return WORDS | {router_label(name): ROUTERS[name] for name in routers if name in ROUTERS}


_PACKAGES = (
    "numpy", "scipy", "pandas", "scikit-learn", "statsmodels", "joblib", "xgboost", "econml",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Return the versions of metarouter, of Python, and of the packages that decide numbers.

    Returns
    -------
    dict of str to str
        Packages that are not installed are left out.

    Examples
    --------
    >>> list(package_versions())[:2]
    ['metarouter', 'python']
    """
    found = {"metarouter": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


_CITATIONS = (
    "Meta-Router, sections 3 and 4.1: routing from gold and preference labels as a causal problem.",
    "Nie and Wager (2021), Biometrika 108 (R-learner). Kennedy (2023), Electronic Journal of "
    "Statistics 17 (DR-learner). Robins, Rotnitzky and Zhao (1994), JASA 89 (doubly robust means).",
    "Semenova and Chernozhukov (2021), Econometrics Journal 24 (best linear projection). "
    "Chernozhukov, Demirer, Duflo and Fernandez-Val (2018), Generic machine learning inference "
    "(sorted groups, calibration).",
    "Chernozhukov, Cinelli, Newey, Sharma and Syrgkanis (2022), Long story short (sensitivity).",
    "Yadlowsky et al. (2025), JASA 120 (TOC, AUTOC). Montiel Olea and Plagborg-Moller (2019), "
    "Journal of Applied Econometrics 34 (bands). Romano and Wolf (2005), JASA 100 (all pairs). "
    "Holm (1979), Scandinavian Journal of Statistics 6 (several tests).",
    "Angelopoulos et al. (2021), Learn then test (thresholds with a guarantee). Neyman (1934), "
    "Journal of the Royal Statistical Society 97 (cost-optimal shares).",
)
_FORESTS = "extremely randomised forests with the package's settings"
_HOW = (
    "Scale. One factor, the same in all folds, brings gold labels to the scale of the preference "
    "labels. Where it is estimated from the variances its error is part of every standard error of "
    "a mean shift.",
    "Nuisances. The outcome models and the propensity (how likely a query is to carry a gold "
    "label) are predicted out of sample, once, and shared by all checks.",
    "Held-out predictions. Each fold from the third on is predicted by routers that learned from "
    "all folds before it, 40% to 80% of the labels. Routers of all other folds would void the "
    "tests: on pure noise, two-sided 5% tests of the area rejected in 15% of our tables that way "
    "and in 5% to 6% this way. Queries are ranked within their fold.",
    "Errors. Standard errors are HC3, or jackknife over groups where queries belong together; "
    "bands of curves recompute the curve on random halves of the queries. All are over new queries "
    "with the routers held fixed.",
)


def method_section(analysis: RoutingAnalysis) -> doc.Section:
    """Give every setting, seed, version, limit and source."""
    return doc.Section(
        "How it was done",
        (doc.Bullets(_HOW),),
        (
            doc.Section("Settings", (doc.Terms(_settings(analysis)),)),
            doc.Section("Limits behind the verdicts", _limits()),
            doc.Section("Sources", (doc.Bullets(_CITATIONS),)),
        ),
    )


def _settings(analysis: RoutingAnalysis) -> dict[str, str]:
    queries, chosen = analysis.queries, analysis.settings
    drawn = chosen.propensity == "constant"
    constraints = ", ".join(
        f"{item.name} = {item.limit:g}" for item in chosen.threshold_constraints
    )
    settings = {
        "command": doc.Verbatim(chosen.command),
        "table": queries.name,
        "features": f"{chosen.described_by} ({queries.X.shape[1]} columns)",
        "router": router_label(chosen.router),
        "learners": _FORESTS if chosen.regressor is None else repr(chosen.regressor),
        "propensity": "constant: gold queries were drawn at random" if drawn else "estimated",
        "scaling of the gold labels": str(chosen.scaling).lower(),
        "nuisances": "out of bag" if chosen.method == "oob" else f"{chosen.folds} folds",
        "folds of the routers": str(chosen.folds),
        "groups": "none" if queries.groups is None else "kept together",
        "constraints on the threshold": constraints
        + " (none was named)" * (not chosen.constraints),
        "probability of a broken constraint": f"at most {chosen.delta:g}",
        "prices of a gold and a preference label": f"{chosen.gold_price:g} and "
        f"{chosen.preference_price:g}",
        "level of intervals and bands": f"{chosen.level:g}",
        "seed": str(chosen.seed),
        "versions": ", ".join(f"{name} {v}" for name, v in package_versions().items()),
    }
    return {name: value for name, value in settings.items() if value}


def _limits() -> tuple[doc.Table, doc.Table]:
    limits, minima = list(DECISION_THRESHOLDS.values()), list(MINIMUM_SAMPLE_SIZES.values())
    columns = {
        "quantity": "what",
        "good up to": [f"{limit.passes:g}" for limit in limits],
        "bad beyond": [f"{limit.fails:g}" for limit in limits],
        "why": "why",
    }
    fewest = {"counted": "what", "fewest": "count", "why": "why"}
    return (
        doc.table("Limits", columns, of=limits),
        doc.table("The fewest labels with which anything is said", fewest, of=minima),
    )


_WORDS = {
    "propensity": "how likely a query of a kind is to carry a gold label",
    "efficiency gain": "what a router gains per query over random routing of the same usage",
    "area": "mean of the efficiency gain over all usages from 0 to 1",
    "TOC, AUTOC": "mean gold label of the queries sent beyond that of all, and its mean over all "
    "usages",
    "interval, band": "an interval holds one number with the stated probability, a band the whole "
    "curve",
    "robustness value": "how strong an unmeasured difference between gold and preference queries "
    "must be to explain the mean shift away",
    "threshold, w": "gain that is demanded before a query is sent to the primary model",
}


def glossary_section() -> doc.Section:
    """Explain the words and the routers."""
    words = {**WORDS, **_WORDS, **glossary(default_routers(adaptive=True))}
    return doc.Section(
        "Words", (doc.Paragraph("As they are used in this report."), doc.Terms(words))
    )
