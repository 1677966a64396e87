"""The sections of a report on routing: gains, routers, the threshold, labels to buy."""

from __future__ import annotations

from typing import Any

import numpy as np

from metarouter.inference import (
    CertifiedThreshold,
    ConstraintEstimate,
    CostQualityBand,
    CurveBand,
    LabelPlan,
    RankWeightedEffects,
    Verdict,
)
from metarouter.reporting._analyse import (
    DEFAULT_SHARE,
    ReportSettings,
    RoutingAnalysis,
    RoutingResults,
)
from metarouter.reporting._document import (
    GOLD,
    Estimate,
    Figure,
    Finding,
    Findings,
    Paragraph,
    Parts,
    Unanswered,
    cells,
    columns_of,
    counted,
    decimals_of,
    has_limits,
    percent,
    section,
    table,
    verdict_of,
)
from metarouter.reporting.certified_router import CertifiedRouter
from metarouter.utils.style import router_label, router_styles

_SHOWN_USAGES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_EFFECTS = {
    "area": "area under the efficiency gain (Qini coefficient)",
    "autoc": "AUTOC (mean of the TOC)",
    "qini_scaled": "scaled Qini coefficient (area times the root of 12)",
}


@section("What routing gains")
def gains_section(found: RoutingResults, analysis: RoutingAnalysis) -> Parts:
    """Say what the recommended router gains over random routing."""
    name, band, level = analysis.settings.router, found.gain, percent(found.gain.level)
    yield Paragraph(
        f"The {router_label(name)} router was chosen before looking. It was tested on "
        f"{found.n_gold} of {analysis.queries.n_gold} gold labels, which it had not seen; the "
        f"first two of {analysis.settings.folds} folds only train. The efficiency gain is what "
        "it gains per query over random routing that sends the same share of queries to the "
        f"primary model, in units of the gold labels ({GOLD}). The summary shows the curve."
    )
    yield verdict_of(band)
    if has_limits(band):
        at, shares = _shown(band)
        yield table(
            "Efficiency gain at some shares",
            {
                "share sent to the primary model": shares,
                ("efficiency gain", GOLD): "value, lower, upper",
                f"{level} for all shares at once": "band_lower, band_upper",
            },
            f"{level} limits at one share chosen beforehand, and limits that hold at all shares at "
            "once.",
            of=band,
            at=at,
            signed=True,
        )
    yield _effects(found.effects, found.effects_everywhere)
    yield _toc(found.toc, name)
    if found.cost_quality is not None:
        yield _costs(found.cost_quality, name)


def curve_figure(file: str, band: CurveBand, name: str) -> Figure:
    """Draw an efficiency gain or a targeting curve with its band."""
    words = "Efficiency gain" if band.curve == "efficiency_gain" else "Targeting curve (TOC)"
    best = int(np.argmax(band.value))
    (top,) = cells(band, "value, lower, upper", [best], signed=True)
    return Figure(
        file,
        f"{words} against the share of queries sent to the primary model. Shaded: the "
        f"{percent(band.level)} band that holds at all shares at once; dotted: limits at one.",
        f"Curve with band; its highest point is {top} {GOLD} at a share of "
        f"{band.usage[best]:.0%}. {band.reason}",
        lambda ax: band.plot(ax, name=name),
        size=(5.2, 3.9),
        data=columns_of(
            band, "usage, value, low=lower, high=upper, band_low=band_lower, band_high=band_upper"
        ),
    )


def _shown(band: CurveBand | CostQualityBand) -> tuple[list[int], list[str]]:
    """Return the points nearest to some shares, and these shares as they are written."""
    at = [int(np.argmin(np.abs(band.usage - usage))) for usage in _SHOWN_USAGES]
    return at, [f"{band.usage[k]:.0%}" for k in at]


@section("What the ranking is worth")
def _effects(
    main: RankWeightedEffects, everywhere: RankWeightedEffects | Unanswered | None
) -> Parts:
    yield verdict_of(main)
    sources = {"gold labels": main}
    note = (
        f"{percent(main.level)} intervals over new queries, with the routers held fixed. All are 0 "
        "for a ranking that knows nothing."
    )
    if isinstance(everywhere, RankWeightedEffects):
        sources["all queries"] = everywhere
        note += (
            " Gold labels: on the queries that carry one. All queries: doubly robust scores, which "
            "stand for the queries without a gold label too; the two differ where gold queries "
            "are of another kind."
        )
    if isinstance(everywhere, Unanswered):
        note += f" Doubly robust scores could not be had: {everywhere.reason}"
    yield table(
        "Rank-weighted effects of the router",
        {
            "effect": [_EFFECTS[name] for of in sources.values() for name in of.effects],
            "estimated from": [source for source, of in sources.items() for _ in of.effects],
            ("value", GOLD): "value, lower, upper",
            "p value": "p_value",
        },
        note,
        of=list(sources.values()),
        signed=True,
    )


@section("Does it know the best queries?")
def _toc(band: CurveBand, name: str) -> Parts:
    yield Paragraph(
        "The targeting curve (TOC) is the mean gold label of the queries that are sent first, "
        "beyond that of all queries: it shows whether the router knows the best queries."
    )
    yield verdict_of(band)
    if has_limits(band):
        yield curve_figure("toc", band, name)


@section("What quality costs")
def _costs(found: CostQualityBand, name: str) -> Parts:
    yield verdict_of(found)
    if not has_limits(found):
        return
    at, shares = _shown(found)
    yield Figure(
        "cost_quality",
        "Cost and quality per query of the router, beyond the alternative model's quality, "
        f"with what the {percent(found.level)} limits of all points cover together; "
        "straight: random routing.",
        f"Quality against cost per query of the {router_label(name)}. {found.reason}",
        lambda ax: found.plot(ax, name=name),
        data=columns_of(
            found,
            "usage, cost, cost_low=cost_lower, cost_high=cost_upper, quality, "
            "quality_low=quality_lower, quality_high=quality_upper",
        ),
    )
    costs = cells(found, "cost, cost_lower, cost_upper", at, decimals=decimals_of(found.cost))
    gains = cells(found, "advantage, advantage_band_lower, advantage_band_upper", at, signed=True)
    yield table(
        "Cost, quality and advantage at some shares",
        {
            "share sent": shares,
            ("cost", "per query"): costs,
            ("quality beyond the alternative", GOLD): "quality, quality_lower, quality_upper",
            ("advantage over random routing at the same cost", GOLD): gains,
        },
        f"All limits hold at all shares at once ({percent(found.level)}).",
        of=found,
        at=at,
    )


@section("Which router?")
def comparison_section(found: RoutingResults, name: str) -> Parts:
    """Compare the routers of the paper on the same gold labels."""
    pairs = found.pairs
    yield Paragraph(
        "All routers learned from the same labels and were tested on the same gold labels, "
        "which none of them had seen. Differences are paired; their limits and p values hold "
        "for all pairs at once."
    )
    yield verdict_of(pairs)
    if not has_limits(pairs):
        return
    level, beaten = percent(pairs.level), ("beaten", "not shown to be beaten")
    yield _all_curves({name: found.gain, **found.others}, name)
    yield table(
        "Area under the efficiency gain",
        {
            "router": "routers",
            ("area", GOLD): "value, lower, upper",
            "compared with all others": [
                beaten[router in pairs.not_beaten] for router in pairs.routers
            ],
        },
        f"{level} intervals, each router by itself. Random routing has area 0.",
        of=pairs,
        signed=True,
    )
    columns = "difference, low=difference_lower, high=difference_upper"
    yield Figure(
        "router_differences",
        f"Differences between routers in the area under the efficiency gain, with {level} limits "
        "that hold for all pairs at once.",
        "Dots with intervals, one per pair; the same numbers stand in the table below.",
        pairs.plot,
        size=(6.0, 1.2 + 0.26 * len(pairs.first)),
        data=columns_of(pairs, columns),
    )
    both = zip(pairs.first, pairs.second, strict=True)
    yield table(
        "All pairs of routers",
        {
            "pair": [f"{first} minus {second}" for first, second in both],
            ("difference in area", GOLD): columns,
            "adjusted p value": "p_value_stepdown",
        },
        f"{level} limits for all pairs at once (max-t); p values adjusted for all pairs by the "
        "step-down of Romano and Wolf.",
        of=pairs,
        signed=True,
    )


def _all_curves(curves: dict[str, CurveBand], main: str) -> Figure:
    of_main = curves[main]

    def draw(ax: Any) -> None:
        for name, style in router_styles(curves).items():
            band = curves[name]
            (drawn,) = ax.plot(band.usage, band.value, **style.line() | {"markevery": 12})
            if name == main:
                ends, color = (band.band_lower, band.band_upper), drawn.get_color()
                ax.fill_between(band.usage, *ends, color=color, alpha=0.15, linewidth=0)
        ax.axhline(0.0, color="#7F7F7F", linewidth=0.9)
        ax.set_xlim(0, 1)
        ax.set_xlabel("share of queries sent to the primary model")
        ax.set_ylabel("efficiency gain per query")
        above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 3}
        ax.legend(frameon=False, fontsize="small", handlelength=3.2, **above)

    data: dict[str, Any] = {"usage": of_main.usage}
    for name, band in curves.items():
        data |= {name: band.value, f"{name}_low": band.lower, f"{name}_high": band.upper}
    return Figure(
        "all_routers",
        "Efficiency gain of all routers on the same gold labels. Shaded: the "
        f"{percent(of_main.level)} band of the {router_label(main)} router. Whether two curves "
        "differ is for the limits of their difference to say, below.",
        "One curve per router; the areas under them stand in the table below.",
        draw,
        size=(5.4, 4.4),
        data=data,
    )


_SHARES = ("max_cost_ratio", "min_gap_share", "min_saving")


@section("Recommended threshold")
def threshold_section(certified: CertifiedRouter, settings: ReportSettings) -> Parts:
    """Recommend a threshold, with what it keeps and what it costs."""
    found, (_, primary) = certified.threshold, settings.models
    yield Paragraph(
        f"The {router_label(settings.router)} router sends a query to {primary} where its "
        "predicted gain exceeds the threshold w (times the extra cost, where costs are weighed). "
        "It is chosen so that what is demanded is kept on new queries of the same kind, except "
        f"with probability {settings.delta:g} over the labels at hand. "
        f"{certified.summary() if found.is_certified else ''}".rstrip()
    )
    if not settings.demands:
        yield Paragraph(
            f"Nothing was demanded, so that at most {DEFAULT_SHARE:.0%} of the queries may go to "
            f"{primary}; name your own budget or quality to have it kept."
        )
    advice = f"No threshold is recommended. {found.reason}"
    if found.is_certified:
        advice = (
            f"Recommended: w = {found.w:.4g} (certified from {found.certified_low:.4g} to "
            f"{found.certified_high:.4g}). {found.reason}"
        )
    yield Findings((Finding(advice, found.verdict),))
    if settings.deploy and found.is_certified:
        yield Paragraph(f"To deploy this very router: {'; then '.join(settings.deploy)}")
    kept = found.estimates
    closest = "Where the constraints come closest to being kept"
    yield table(
        "What the threshold keeps and costs" if found.is_certified else closest,
        {
            "quantity": "description",
            "demanded": "limit_text",
            "observed": map(_seen, kept),
            "p value of a broken constraint": "p_value",
            "labels": "n",
        },
        f"{percent(found.level)} intervals hold for this threshold by itself; the guarantee "
        f"({found.guarantee}) is about the constraints, and about the one router that is deployed, "
        "which has not seen the queries that it is judged on. Other sections look at routers that "
        "learned from more or fewer labels.",
        of=kept,
    )
    if found.path.distance:
        yield Figure(
            "threshold",
            "How far each constraint lies from its limit, in standard errors, over the share of "
            "queries that is sent; above zero it is kept on the labels at hand. Shaded: certified "
            "thresholds.",
            f"One curve per constraint. {found.reason}",
            found.plot,
            size=(5.2, 4.2 + 0.25 * len(found.path.distance)),
            data={"usage": found.path.usage_ratio, **found.path.distance},
        )


def _seen(kept: ConstraintEstimate) -> Estimate:
    share = kept.name in _SHARES or kept.constraint.is_count
    ends = (kept.value, kept.lower, kept.upper)
    return Estimate(*ends, percent=share, decimals=1 if share else decimals_of(ends))


def threshold_text(found: CertifiedThreshold) -> str:
    """Say what a certified threshold keeps, and what it was seen to do, with intervals."""
    demanded = counted(
        f"{kept.description} {kept.limit_text}" for kept in found.estimates if kept.is_demanded
    )
    seen = counted(f"{kept.description} {_seen(kept)}" for kept in found.estimates)
    return (
        f"w = {found.w:.4g} keeps the {demanded} on new queries, except with probability "
        f"{found.delta:g}. Observed: {seen}."
    )


@section("How many labels?")
def planning_section(analysis: RoutingAnalysis) -> Parts:
    """Say how many labels would make the open claims clear."""
    settings, routing = analysis.settings, analysis.routing
    yield Paragraph(
        "Plans take the labels at hand as a pilot, and count all labels that are needed, those at "
        f"hand included. A gold label is priced at {settings.gold_price:g} and a preference label "
        f"at {settings.preference_price:g}; the split is the one that costs least."
    )
    find = section("To find a mean shift of a tenth of a standard deviation")
    yield find(_plan)(analysis.shift_plan)
    area = routing if isinstance(routing, Unanswered) else routing.area_plan
    yield section("To halve the interval of the router's area")(_plan)(area)


def plan_finding(plan: LabelPlan | Unanswered, question: str = "") -> Finding:
    """Say what to buy; a verdict stands there only where no plan can be made."""
    verdict = None if plan.verdict is Verdict.PASS else plan.verdict
    return Finding(f"{question} {plan.reason}".strip(), verdict)


def _plan(plan: LabelPlan) -> Parts:
    yield Findings((plan_finding(plan),))
    if not plan.options:
        return
    columns: dict[str | tuple[str, str], Any] = {
        "split": "name",
        "gold labels": "n_gold",
        "preference labels": "n_preference",
        "price": [round(option.cost, 2) for option in plan.options],
        "half width of the interval": "half_width, lower, upper",
    }
    if plan.aim[0] == "difference":
        columns["power"] = [round(option.power, 2) for option in plan.options]
    yield table(
        "Ways to spend the money",
        columns,
        f"Expected half width of the {percent(plan.level)} interval, with the uncertainty that the "
        "pilot leaves about it. Power is at the expected half width.",
        of=plan.options,
        decimals=4,
    )
