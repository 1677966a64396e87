"""The report on a table of labels: what to do, what was found, and what routing gains."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from metarouter._version import __version__
from metarouter.inference import (
    CertifiedThreshold,
    ConstraintEstimate,
    CostQualityBand,
    CurveBand,
    LabelPlan,
    RankWeightedEffects,
    Verdict,
)
from metarouter.reporting import _document as doc
from metarouter.reporting._analyse import (
    DEFAULT_SHARE,
    ReportSettings,
    RoutingAnalysis,
    RoutingResults,
)
from metarouter.reporting._report_labels import (
    bias_section,
    checks_section,
    judges_section,
    labels_section,
)
from metarouter.reporting._report_method import glossary_section, method_section
from metarouter.reporting.certified_router import CertifiedRouter
from metarouter.utils.arguments import validated
from metarouter.utils.style import router_label, router_styles


@validated()
def routing_report(analysis: RoutingAnalysis, *, title: str | None = None) -> doc.Document:
    """Write an analysis as a document.

    Parameters
    ----------
    analysis : RoutingAnalysis
    title : str, optional
        By default one that names the data.

    Examples
    --------
    >>> from metarouter.datasets import make_judged_queries
    >>> from metarouter.reporting import analyse
    >>> few = make_judged_queries(60, 6, gold_share=0.2, random_state=0)
    >>> document = routing_report(analyse(few))
    >>> [section.title for section in document.sections][:3]
    ['Summary', 'The labels', 'Data diagnostics']
    >>> print(document.sections[0].blocks[1].items[-2].verdict)
    INCONCLUSIVE
    """
    settings, routing = analysis.settings, analysis.routing
    certified = routing if isinstance(routing, doc.Unanswered) else routing.certified
    return doc.Document(
        title=title or f"Routing report: {analysis.queries.name}",
        subtitle=f"Made by metarouter {__version__}, seed {settings.seed}.",
        sections=(
            summary_section(analysis),
            labels_section(analysis.queries),
            checks_section(analysis.diagnostics, analysis.overlap_region),
            bias_section(analysis),
            *([judges_section(analysis.judges)] if analysis.judges else []),
            gains_section(routing, analysis),
            comparison_section(routing, settings.router),
            threshold_section(certified, settings),
            planning_section(analysis),
            method_section(analysis),
            glossary_section(),
        ),
    )


_EXAMPLE_USAGE = 0.3


@doc.section("Summary")
def summary_section(analysis: RoutingAnalysis) -> doc.Parts:
    """Say what to do, then what was found, each finding with its verdict, and draw the curve."""
    queries, routing = analysis.queries, analysis.routing
    alternative, primary = (
        "" if name == role else f" ({name})"
        for name, role in zip(analysis.settings.models, ReportSettings.models, strict=True)
    )
    tested = ""
    if not isinstance(routing, doc.Unanswered):
        tested = (
            f" Routers were tested on {routing.n_gold} of the {queries.n_gold} gold labels, which "
            "they had not seen."
        )
    yield doc.Paragraph(
        f"{queries.name}: {queries.n_queries} queries, {queries.n_gold} with a gold label, "
        f"{queries.n_preference} with a preference label, {queries.n_paired} with both. Should a "
        f"query go to the primary, costlier model{primary} or to the alternative{alternative}? "
        f"All intervals are at {doc.percent(analysis.settings.level)}.{tested}"
    )
    yield from (_action(analysis), _checks(analysis), _bias(analysis), _where(analysis))
    if isinstance(routing, doc.Unanswered):
        yield _answer("Does routing pay?", routing.verdict, routing.reason)
    else:
        yield _gain(analysis, routing.gain)
        yield doc.Finding(f"Which router is best? {routing.pairs.reason}", routing.pairs.verdict)
        yield _threshold(routing.threshold)
    labels = "How many labels find a mean shift of a tenth of a standard deviation?"
    yield plan_finding(analysis.shift_plan, labels)
    if not isinstance(routing, doc.Unanswered) and doc.has_limits(routing.gain):
        yield curve_figure("efficiency_gain", routing.gain, analysis.settings.router)


def _action(analysis: RoutingAnalysis) -> doc.Finding:
    """Say what to do: deploy a threshold, label more, or leave the routing be."""
    found, settings = analysis.routing, analysis.settings
    if isinstance(found, doc.Unanswered):
        return doc.Finding(f"What to do? Label more queries. {found.reason}", found.verdict)
    name, verdict, reason = router_label(settings.router), found.gain.verdict, found.gain.reason
    threshold = found.threshold
    certified = isinstance(threshold, CertifiedThreshold) and threshold.is_certified
    if verdict is Verdict.FAIL:
        advice = f"Do not route by the {name} router. {reason}"
    elif verdict is Verdict.INCONCLUSIVE:
        kept = " The threshold below keeps what was demanded meanwhile." * certified
        advice = f"Label more queries before relying on the {name} router. {reason}{kept}"
    elif isinstance(threshold, doc.Unanswered) or not certified:
        advice = f"The {name} router gains, but no threshold is certified. {threshold.reason}"
        verdict = Verdict.INCONCLUSIVE
    else:
        share = next(kept.value for kept in threshold.estimates if kept.name == "max_share")
        band = found.gain
        shown = band.band_lower[np.argmin(np.abs(band.usage - share))] > 0
        advice = (
            f"Deploy the {name} router with the threshold w = {threshold.w:.4g}: it sends "
            f"{share:.0%} of queries to the primary model, and routing is shown to pay"
            f"{' there' if shown else ', though not at this very share'}."
        )
    return doc.Finding(f"What to do? {advice}", verdict)


def _answer(question: str, verdict: Verdict, *says: str, caution: str = "In part.") -> doc.Finding:
    """Answer in words, then say why: PASS beside a question may else be read as either."""
    answers = {Verdict.PASS: "Yes.", Verdict.FAIL: "No.", Verdict.INCONCLUSIVE: "Open."}
    sentences = (question, answers.get(verdict, caution), *says)
    return doc.Finding(" ".join(filter(None, sentences)), verdict)


def _checks(analysis: RoutingAnalysis) -> doc.Finding:
    found = analysis.diagnostics
    counts = Counter(check.verdict for check in found.checks)
    said = doc.counted(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    reason = (
        f"Of {len(found.checks)} checks: {said}. The verdict is the worst of the checks, without "
        "the one on bias, which is the next line."
    )
    question = "Do the labels support a correction?"
    return _answer(question, found.verdict, reason, caution="With caution.")


def _bias(analysis: RoutingAnalysis) -> doc.Finding:
    test = analysis.diagnostics.mean_shift
    says = "no direction is shown"
    if test.lower > 0 or test.upper < 0:
        says = f"they {'understate' if test.lower > 0 else 'overstate'} the primary model"
    (mean,) = doc.cells(test, "value, lower, upper", signed=True)
    shown = f"The mean shift is {mean} {doc.PREFERENCE}: {says}." if mean.is_known else ""
    question = "Are cheap labels unbiased on average?"
    return _answer(question, test.verdict, shown, test.reason, caution="Not quite.")


def _where(analysis: RoutingAnalysis) -> doc.Finding:
    """Weigh all that the section on bias tests, with Holm's correction for their number."""
    from statsmodels.stats.multitest import multipletests

    question = "Does the bias differ between queries in a way that can be predicted?"
    groups, p_values = analysis.sorted_groups, _tests_of_differences(analysis)
    if not p_values:
        return _answer(question, groups.verdict, groups.reason)
    said = doc.counted(f"{name} (p = {p:.2g})" for name, p in p_values.items())
    smallest = multipletests([*p_values.values()], method="holm")[1].min()
    if smallest < 1 - analysis.settings.level:
        reason = (
            f"It is shown by {min(p_values, key=lambda name: p_values[name])}. Tested were {said}; "
            f"the smallest p value, corrected for their number, is {smallest:.2g}."
        )
        return _answer(question, Verdict.PASS, reason)
    backwards = Verdict.FAIL if groups.verdict is Verdict.FAIL else Verdict.INCONCLUSIVE
    none = f"Tested were {said}; none shows it once their number is allowed for."
    return _answer(question, backwards, none, groups.reason)


def _tests_of_differences(analysis: RoutingAnalysis) -> dict[str, float]:
    """Return the p values of all tests of whether the bias differs, those that could be made."""
    groups, projection = analysis.sorted_groups, analysis.projection
    found = {}
    if not isinstance(groups, doc.Unanswered):
        found["the fifths of highest and lowest predicted shift"] = groups.contrast_p_value
    calibration = analysis.calibrations.get("shift")
    if calibration is not None:
        found["the calibration of predicted differences"] = float(calibration.p_value[1])
    if not isinstance(projection, doc.Unanswered):
        found["its projection on features"] = projection.joint.p_value
    return {name: p for name, p in found.items() if np.isfinite(p)}


def _gain(analysis: RoutingAnalysis, band: CurveBand) -> doc.Finding:
    # The usage nearest to the example's; one at which the band answers, if it does.
    distance, shown = np.abs(band.usage - _EXAMPLE_USAGE), band.band_lower > 0
    k = int(np.argmin(np.where(shown, distance, np.inf) if shown.any() else distance))
    (gain,) = doc.cells(band, "value, lower, upper", [k], signed=True)
    name = router_label(analysis.settings.router)
    example = (
        f"Where the {name} router sends {band.usage[k]:.0%} of the queries to the primary model it "
        f"gains {gain} {doc.GOLD} over sending the same share at random."
    )
    says = (example * gain.is_known, band.reason)
    return _answer("Does routing pay?", band.verdict, *says, caution="Not at every share.")


def _threshold(found: CertifiedThreshold | doc.Unanswered) -> doc.Finding:
    said = found.reason
    if isinstance(found, CertifiedThreshold) and found.is_certified:
        said = threshold_text(found)
    return doc.Finding(f"Which threshold is safe? {said}", found.verdict)


_SHOWN_USAGES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_EFFECTS = {
    "area": "area under the efficiency gain (Qini coefficient)",
    "autoc": "AUTOC (mean of the TOC)",
    "qini_scaled": "scaled Qini coefficient (area times the root of 12)",
}


@doc.section("What routing gains")
def gains_section(found: RoutingResults, analysis: RoutingAnalysis) -> doc.Parts:
    """Say what the recommended router gains over random routing."""
    name, band, level = analysis.settings.router, found.gain, doc.percent(found.gain.level)
    yield doc.Paragraph(
        f"The {router_label(name)} router was chosen before looking, and tested on "
        f"{found.n_gold} of {analysis.queries.n_gold} gold labels, which it had not seen; the "
        f"first two of {analysis.settings.folds} folds only train. The efficiency gain is what it "
        "gains per query over random routing of the same share."
        f"{' The summary shows the curve.' * doc.has_limits(band)}"
    )
    yield doc.verdict_of(band)
    if doc.has_limits(band):
        at, shares = _shown(band)
        yield doc.table(
            "Efficiency gain at some shares",
            {
                "share sent to the primary model": shares,
                ("efficiency gain", doc.GOLD): "value, lower, upper",
                f"{level} for all shares at once": "band_lower, band_upper",
            },
            "Limits at one share that is chosen beforehand, and limits at all shares at once.",
            of=band,
            at=at,
            signed=True,
        )
    yield _effects(found.effects, found.effects_everywhere)
    yield _toc(found.toc, name)
    if found.cost_quality is not None:
        yield _costs(found.cost_quality, name)


def curve_figure(file: str, band: CurveBand, name: str) -> doc.Figure:
    """Draw an efficiency gain or a targeting curve with its band."""
    words = "Efficiency gain" if band.curve == "efficiency_gain" else "Targeting curve (TOC)"
    best = int(np.argmax(band.value))
    (top,) = doc.cells(band, "value, lower, upper", [best], signed=True)
    return doc.Figure(
        file,
        f"{words} against the share of queries sent to the primary model. Shaded: the "
        f"{doc.percent(band.level)} band that holds at all shares at once; dotted: limits at one.",
        f"Curve with band; its highest point is {top} {doc.GOLD} at a share of "
        f"{band.usage[best]:.0%}. {band.reason}",
        lambda ax: band.plot(ax, name=name),
        size=(5.2, 3.9),
        data=doc.columns_of(
            band, "usage, value, low=lower, high=upper, band_low=band_lower, band_high=band_upper"
        ),
    )


def _shown(band: CurveBand | CostQualityBand) -> tuple[list[int], list[str]]:
    """Return the points nearest to some shares, and these shares as they are written."""
    at = [int(np.argmin(np.abs(band.usage - usage))) for usage in _SHOWN_USAGES]
    return at, [f"{band.usage[k]:.0%}" for k in at]


@doc.section("What the ranking is worth")
def _effects(
    main: RankWeightedEffects, everywhere: RankWeightedEffects | doc.Unanswered | None
) -> doc.Parts:
    yield doc.verdict_of(main)
    sources = {"gold labels": main}
    note = "Intervals are over new queries. All are 0 for a ranking that knows nothing."
    if isinstance(everywhere, RankWeightedEffects):
        sources["all queries"] = everywhere
        note += (
            " Doubly robust scores stand for the queries without a gold label; the two sources "
            "differ where gold queries are of another kind."
        )
    elif isinstance(everywhere, doc.Unanswered):
        note += f" Doubly robust scores could not be had: {everywhere.reason}"
    yield doc.table(
        "Rank-weighted effects of the router",
        {
            "effect": [_EFFECTS[name] for of in sources.values() for name in of.effects],
            "estimated from": [source for source, of in sources.items() for _ in of.effects],
            ("value", doc.GOLD): "value, lower, upper",
            "p value": "p_value",
        },
        note,
        of=list(sources.values()),
        signed=True,
    )


@doc.section("Does it know the best queries?")
def _toc(band: CurveBand, name: str) -> doc.Parts:
    yield doc.Paragraph(
        "The targeting curve (TOC) is the mean gold label of the queries that are sent first, "
        "beyond that of all queries: it shows whether the router knows the best queries."
    )
    yield doc.verdict_of(band)
    if doc.has_limits(band):
        yield curve_figure("toc", band, name)


@doc.section("What quality costs")
def _costs(found: CostQualityBand, name: str) -> doc.Parts:
    yield doc.verdict_of(found)
    if not doc.has_limits(found):
        return
    at, shares = _shown(found)
    yield doc.Figure(
        "cost_quality",
        "Cost per query of the router, and its quality beyond the alternative model's, with limits "
        "that hold at all points at once; straight: random routing.",
        f"Quality against cost per query of the {router_label(name)}. {found.reason}",
        lambda ax: found.plot(ax, name=name),
        data=doc.columns_of(
            found,
            "usage, cost, cost_low=cost_lower, cost_high=cost_upper, quality, "
            "quality_low=quality_lower, quality_high=quality_upper",
        ),
    )
    costs = doc.cells(
        found, "cost, cost_lower, cost_upper", at, decimals=doc.decimals_of(found.cost)
    )
    gains = doc.cells(
        found, "advantage, advantage_band_lower, advantage_band_upper", at, signed=True
    )
    yield doc.table(
        "Cost, quality and advantage at some shares",
        {
            "share sent": shares,
            ("cost", "per query"): costs,
            ("quality beyond the alternative", doc.GOLD): "quality, quality_lower, quality_upper",
            ("advantage over random routing at the same cost", doc.GOLD): gains,
        },
        f"All limits hold at all shares at once ({doc.percent(found.level)}).",
        of=found,
        at=at,
    )


@doc.section("Which router?")
def comparison_section(found: RoutingResults, name: str) -> doc.Parts:
    """Compare the routers of the paper on the same gold labels."""
    pairs = found.pairs
    yield doc.Paragraph(
        "All routers learned from the same labels and were tested on the same gold labels, which "
        "none had seen. Limits and p values of differences hold for all pairs at once."
    )
    yield doc.verdict_of(pairs)
    if not doc.has_limits(pairs):
        return
    beaten = ("beaten", "not shown to be beaten")
    note = "Intervals are for each router by itself. Random routing has area 0."
    if found.effects.method != pairs.method:
        note += (
            " They come from influence functions. What the ranking is worth is estimated from "
            "half-samples, which the AUTOC of so few labels needs, so that the two intervals of "
            "one area differ a little."
        )
    yield _all_curves({name: found.gain, **found.others}, name)
    yield doc.table(
        "Area under the efficiency gain",
        {
            "router": "routers",
            ("area", doc.GOLD): "value, lower, upper",
            "compared with all others": [
                beaten[router in pairs.not_beaten] for router in pairs.routers
            ],
        },
        note,
        of=pairs,
        signed=True,
    )
    columns = "difference, low=difference_lower, high=difference_upper"
    yield doc.Figure(
        "router_differences",
        "Differences in the area under the efficiency gain, with limits for all pairs at once.",
        "Dots with intervals, one per pair; their numbers stand in the table below.",
        pairs.plot,
        size=(6.0, 1.2 + 0.26 * len(pairs.first)),
        data=doc.columns_of(pairs, columns),
    )
    both = zip(pairs.first, pairs.second, strict=True)
    yield doc.table(
        "All pairs of routers",
        {
            "pair": [f"{first} minus {second}" for first, second in both],
            ("difference in area", doc.GOLD): columns,
            "adjusted p value": "p_value_stepdown",
        },
        "Limits (max-t) and p values (step-down of Romano and Wolf) hold for all pairs at once.",
        of=pairs,
        signed=True,
    )


def _all_curves(curves: dict[str, CurveBand], main: str) -> doc.Figure:
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
    return doc.Figure(
        "all_routers",
        f"Efficiency gain of all routers on the same gold labels, with the band of the "
        f"{router_label(main)} router. Whether two differ is for the differences below to say.",
        "One curve per router; the areas under them stand in the table below.",
        draw,
        size=(5.4, 4.4),
        data=data,
    )


_SHARES = ("max_cost_ratio", "min_gap_share", "min_saving")


@doc.section("Recommended threshold")
def threshold_section(certified: CertifiedRouter, settings: ReportSettings) -> doc.Parts:
    """Recommend a threshold, with what it keeps and what it costs."""
    found, (_, primary) = certified.threshold, settings.models
    yield doc.Paragraph(
        f"The {router_label(settings.router)} router sends a query to {primary} where its "
        "predicted gain exceeds the threshold w (times the extra cost, where costs are weighed). "
        "A certified one keeps the constraints on new queries of the same kind, except with "
        f"probability {settings.delta:g} over the labels at hand. "
        f"{certified.summary() * found.is_certified}"
    )
    if not settings.constraints:
        yield doc.Paragraph(
            f"No constraint was named: at most {DEFAULT_SHARE:.0%} of the queries may go to "
            f"{primary}. Name your own budget or quality to have it kept."
        )
    advice = f"No threshold is recommended. {found.reason}"
    if found.is_certified:
        advice = (
            f"Recommended: w = {found.w:.4g} (certified from {found.certified_low:.4g} to "
            f"{found.certified_high:.4g}). {found.reason}"
        )
    yield doc.Finding(advice, found.verdict)
    if settings.deploy and found.is_certified:
        yield doc.Paragraph("To deploy this very router:")
        yield doc.Bullets(tuple(map(doc.Verbatim, settings.deploy)))
    kept = found.estimates
    closest = "Where the constraints come closest to being kept"
    yield doc.table(
        "What the threshold keeps and costs" if found.is_certified else closest,
        {
            "quantity": "description",
            "demanded": "limit_text",
            "observed": map(_seen, kept),
            "p value of a broken constraint": "p_value",
            "labels": "n",
        },
        f"Intervals hold for this threshold by itself; the guarantee ({found.guarantee}) is about "
        "the constraints, and the one router that is deployed. Other sections look at routers "
        "that learned from more or fewer labels.",
        of=kept,
    )
    if found.path.distance:
        yield doc.Figure(
            "threshold",
            "Distance of each constraint from its limit, in standard errors; above zero it is kept "
            "on the labels at hand. Shaded: certified thresholds.",
            f"One curve per constraint. {found.reason}",
            found.plot,
            size=(5.2, 4.2 + 0.25 * len(found.path.distance)),
            data={"usage": found.path.usage_ratio, **found.path.distance},
        )


def _seen(kept: ConstraintEstimate) -> doc.Estimate:
    share = kept.name in _SHARES or kept.constraint.is_count
    ends = (kept.value, kept.lower, kept.upper)
    return doc.Estimate(*ends, percent=share, decimals=1 if share else doc.decimals_of(ends))


def threshold_text(found: CertifiedThreshold) -> str:
    """Say what a certified threshold keeps, and what it was seen to do, with intervals."""
    kept = [f"{one.description} {one.limit_text}" for one in found.estimates if one.is_demanded]
    seen = doc.counted(f"{one.description} {_seen(one)}" for one in found.estimates)
    return (
        f"w = {found.w:.4g} keeps the {doc.counted(kept)} on new queries, except with probability "
        f"{found.delta:g}. Observed: {seen}."
    )


@doc.section("How many labels?")
def planning_section(analysis: RoutingAnalysis) -> doc.Parts:
    """Say how many labels would make the open claims clear."""
    settings, routing = analysis.settings, analysis.routing
    yield doc.Paragraph(
        "Plans take the labels at hand as a pilot, and count these too. A gold label is priced at "
        f"{settings.gold_price:g}, a preference label at {settings.preference_price:g}."
    )
    area = routing if isinstance(routing, doc.Unanswered) else routing.area_plan
    plans = {
        "To find a mean shift of a tenth of a standard deviation": analysis.shift_plan,
        "To halve the interval of the router's area": area,
    }
    for title, plan in plans.items():
        yield doc.section(title)(_plan)(plan)


def plan_finding(plan: LabelPlan | doc.Unanswered, question: str = "") -> doc.Finding:
    """Say what to buy; a verdict stands there only where no plan can be made."""
    verdict = None if plan.verdict is Verdict.PASS else plan.verdict
    return doc.Finding(f"{question} {plan.reason}".strip(), verdict)


def _plan(plan: LabelPlan) -> doc.Parts:
    yield plan_finding(plan)
    if not plan.options:
        return
    columns: dict[str, Any] = {
        "split": "name",
        "gold labels": "n_gold",
        "preference labels": "n_preference",
        "price": [round(option.cost, 2) for option in plan.options],
        "half width of the interval": "half_width, lower, upper",
    }
    if plan.aim[0] == "difference":
        columns["power"] = [round(option.power, 2) for option in plan.options]
    yield doc.table(
        "Ways to spend the money",
        columns,
        "Expected half width, with the uncertainty that the pilot leaves about it. Power is at the "
        "expected half width.",
        of=plan.options,
        decimals=4,
    )
