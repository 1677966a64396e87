"""The sections of a report on how it was done, and on what its words mean."""

from __future__ import annotations

from metarouter.evaluation import default_routers
from metarouter.inference import LIMITS, MINIMA
from metarouter.reporting._document import Bullets, Column, Paragraph, Section, Table, Terms
from metarouter.reporting._formatting import columns
from metarouter.reporting._glossary import ROUTERS, WORDS
from metarouter.reporting._routing_analysis import RoutingAnalysis
from metarouter.reporting._versions import package_versions
from metarouter.utils.style import router_label

_CITATIONS = (
    "Meta-Router: routing from gold and preference labels as a causal problem, sections 3 and 4.1 "
    "(shift as a conditional effect of the label source, efficiency gain, figure S2).",
    "Nie and Wager (2021), Quasi-oracle estimation of heterogeneous treatment effects, Biometrika "
    "108 (R-learner). Kennedy (2023), Towards optimal doubly robust estimation of heterogeneous "
    "causal effects, Electronic Journal of Statistics 17 (DR-learner).",
    "Robins, Rotnitzky and Zhao (1994), JASA 89 (doubly robust means).",
    "Semenova and Chernozhukov (2021), Econometrics Journal 24 (best linear projection). "
    "Chernozhukov, Demirer, Duflo and Fernandez-Val (2018), Generic machine learning inference "
    "(sorted groups, calibration).",
    "Chernozhukov, Cinelli, Newey, Sharma and Syrgkanis (2022), Long story short (unmeasured "
    "differences).",
    "Yadlowsky et al. (2025), JASA 120 (TOC, AUTOC). Montiel Olea and Plagborg-Moller (2019), "
    "Journal of Applied Econometrics 34 (simultaneous bands). Romano and Wolf (2005), JASA 100 "
    "(all pairs).",
    "Angelopoulos, Bates, Candes, Jordan and Lei (2021), Learn then test (thresholds with a "
    "guarantee). Neyman (1934), Journal of the Royal Statistical Society 97 (cost-optimal shares).",
)
_FORESTS = "extremely randomised forests with the package's settings"
_HOW = (
    "Scale. Gold labels are multiplied by one factor that brings them to the scale of the "
    "preference labels. It is the same in all folds, so that this one number alone knows labels "
    "that routers are tested on. Where it is estimated from the variances its own error is part of "
    "every standard error of a mean shift.",
    "Nuisances. The outcome models and the propensity (how likely a query is to carry a gold "
    "label) are predicted for queries that the models have not seen, once, and shared by all "
    "checks.",
    "Held-out predictions. The queries are cut into folds. Each fold from the third on is "
    "predicted by routers that learned from all folds before it. Predicting every fold by a "
    "router of all others uses more labels but voids the tests: on pure noise, two-sided 5% tests "
    "of the area rejected in 15% of our tables that way and in 5% to 6% this way. Routers are "
    "compared by the place of a query within its fold. They learned from 40% to 80% of the "
    "labels, so that a router of all labels should do no worse on average.",
    "Errors. Standard errors are HC3, or jackknife over groups where queries belong together; "
    "bands of curves come from recomputing the curve on random halves of the queries, and are "
    "over new queries with the routers held fixed.",
)


def method_section(analysis: RoutingAnalysis) -> Section:
    """Give every setting, seed, version, limit and source."""
    return Section(
        "How it was done",
        (Bullets(_HOW),),
        (
            Section("Settings", (Terms(_settings(analysis)),)),
            Section("Limits behind the verdicts", (_limits(), _minima())),
            Section("Sources", (Bullets(_CITATIONS),)),
        ),
    )


def _settings(analysis: RoutingAnalysis) -> dict[str, str]:
    queries, chosen = analysis.queries, analysis.settings
    drawn = chosen.propensity == "constant"
    demands = ", ".join(f"{item.name} = {item.limit:g}" for item in chosen.constraints)
    settings = {
        "command": chosen.command,
        "table": queries.name,
        "features": f"{chosen.described_by} ({queries.X.shape[1]} columns)",
        "router": router_label(chosen.router),
        "learners": _FORESTS if chosen.regressor is None else repr(chosen.regressor),
        "propensity": "constant: gold queries were drawn at random" if drawn else "estimated",
        "scaling of the gold labels": str(chosen.scaling).lower(),
        "nuisances": "out of bag" if chosen.method == "oob" else f"{chosen.folds} folds",
        "folds of the routers": str(chosen.folds),
        "groups": "none" if queries.groups is None else "kept together",
        "constraints on the threshold": demands + " (none was named)" * (not chosen.demands),
        "probability of a broken constraint": f"at most {chosen.delta:g}",
        "prices of a gold and a preference label": f"{chosen.gold_price:g} and "
        f"{chosen.preference_price:g}",
        "level of intervals and bands": f"{chosen.level:g}",
        "seed": str(chosen.seed),
        "versions": ", ".join(f"{name} {v}" for name, v in package_versions().items()),
    }
    return {name: value for name, value in settings.items() if value}


def _limits() -> Table:
    rows = tuple(
        (limit.what, f"{limit.passes:g}", f"{limit.fails:g}", limit.why)
        for limit in LIMITS.values()
    )
    return Table("Limits", columns("quantity", "good up to", "bad beyond", "why"), rows)


def _minima() -> Table:
    rows = tuple((minimum.what, minimum.count, minimum.why) for minimum in MINIMA.values())
    return Table(
        "The fewest labels with which anything is said",
        (Column("counted"), Column("fewest"), Column("why")),
        rows,
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


def glossary_section() -> Section:
    """Explain the words and the routers."""
    routers = {router_label(name): ROUTERS[name] for name in default_routers(adaptive=True)}
    return Section(
        "Words",
        (Paragraph("As they are used in this report."), Terms({**WORDS, **_WORDS, **routers})),
    )
