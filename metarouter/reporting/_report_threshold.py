"""The sections of a report on the recommended threshold, and on how many labels to buy."""

from __future__ import annotations

from metarouter.inference import CertifiedThreshold, ConstraintEstimate, LabelPlan, Verdict
from metarouter.reporting._cells import Cell, Estimate, PValue
from metarouter.reporting._document import (
    Block,
    Figure,
    Finding,
    Findings,
    Paragraph,
    Section,
    Table,
)
from metarouter.reporting._formatting import columns, counted, decimals_of, not_answered, percent
from metarouter.reporting._routing_analysis import DEFAULT_SHARE, RoutingAnalysis, Unanswered
from metarouter.utils.style import router_label

_SHARES = ("max_cost_ratio", "min_gap_share", "min_saving")


def threshold_section(analysis: RoutingAnalysis) -> Section:
    """Recommend a threshold, with what it keeps and what it costs."""
    title = "Recommended threshold"
    if isinstance(analysis.routing, Unanswered):
        return Section(title, not_answered(analysis.routing))
    certified = analysis.routing.certified
    if isinstance(certified, Unanswered):
        return Section(title, not_answered(certified))
    found = certified.threshold
    name, settings = router_label(analysis.settings.router), analysis.settings
    blocks: list[Block] = [
        Paragraph(
            f"The {name} router sends a query to {settings.models[1]} where its predicted gain "
            "exceeds the threshold w (times the extra cost, where costs are weighed). It is chosen "
            "so that what is demanded is kept on new queries of the same kind, except with "
            f"probability {settings.delta:g} over the labels at hand. "
            f"{certified.summary() if found.is_certified else ''}".rstrip()
        ),
        Findings((Finding(_recommended(found), found.verdict),)),
        *_deployed_by(analysis, found),
        _estimates(found),
    ]
    if not settings.demands:
        blocks.insert(
            1,
            Paragraph(
                f"Nothing was demanded, so that at most {DEFAULT_SHARE:.0%} of the queries may go "
                f"to {settings.models[1]}; name your own budget or quality to have it kept."
            ),
        )
    if found.path.distance:
        blocks.append(_path(found))
    return Section(title, tuple(blocks))


def _recommended(found: CertifiedThreshold) -> str:
    if not found.is_certified:
        return f"No threshold is recommended. {found.reason}"
    return (
        f"Recommended: w = {found.w:.4g} (certified from {found.certified_low:.4g} to "
        f"{found.certified_high:.4g}). {found.reason}"
    )


def _deployed_by(analysis: RoutingAnalysis, found: CertifiedThreshold) -> tuple[Block, ...]:
    commands = analysis.settings.deploy
    if not commands or not found.is_certified:
        return ()
    return (Paragraph(f"To deploy this very router: {'; then '.join(commands)}"),)


def _estimates(found: CertifiedThreshold) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (kept.words, kept.demand, _seen(kept), PValue(kept.p_value), kept.n)
        for kept in found.estimates
    ]
    return Table(
        "What the threshold keeps and costs"
        if found.is_certified
        else "Where the constraints come closest to being kept",
        columns("quantity", "demanded", "observed", "p value of a broken constraint", "labels"),
        tuple(rows),
        f"{percent(found.level)} intervals hold for this threshold by itself; the guarantee "
        f"({found.guarantee}) is about the constraints, and about the one router that is deployed, "
        "which has not seen the queries that it is judged on. Other sections look at routers that "
        "learned from more or fewer labels.",
    )


def _seen(kept: ConstraintEstimate) -> Estimate:
    share = kept.name in _SHARES or kept.constraint.is_count
    ends = (kept.value, kept.lower, kept.upper)
    return Estimate(*ends, percent=share, decimals=1 if share else decimals_of(ends))


def threshold_text(found: CertifiedThreshold) -> str:
    """Say what a certified threshold keeps, and what it was seen to do, with intervals."""
    demanded = counted(
        f"{kept.words} {kept.demand}" for kept in found.estimates if kept.is_demanded
    )
    seen = counted(f"{kept.words} {_seen(kept)}" for kept in found.estimates)
    return (
        f"w = {found.w:.4g} keeps the {demanded} on new queries, except with probability "
        f"{found.delta:g}. Observed: {seen}."
    )


def _path(found: CertifiedThreshold) -> Figure:
    return Figure(
        "threshold",
        "How far each constraint lies from its limit, in standard errors, over the share of "
        "queries that is sent; above zero it is kept on the labels at hand. Shaded: certified "
        "thresholds.",
        f"One curve per constraint. {found.reason}",
        found.plot,
        size=(5.2, 4.2 + 0.25 * len(found.path.distance)),
        data={"usage": found.path.usage_ratio, **found.path.distance},
    )


def planning_section(analysis: RoutingAnalysis) -> Section:
    """Say how many labels would make the open claims clear."""
    settings = analysis.settings
    intro = Paragraph(
        "Plans take the labels at hand as a pilot, and count all labels that are needed, those at "
        f"hand included. A gold label is priced at {settings.gold_price:g} and a preference label "
        f"at {settings.preference_price:g}; the split is the one that costs least."
    )
    plans: dict[str, LabelPlan | Unanswered] = {
        "To find a mean shift of a tenth of a standard deviation": analysis.shift_plan,
        "To halve the interval of the router's area": analysis.routing
        if isinstance(analysis.routing, Unanswered)
        else analysis.routing.area_plan,
    }
    return Section(
        "How many labels?",
        (intro,),
        tuple(_plan(title, plan) for title, plan in plans.items()),
    )


def plan_finding(plan: LabelPlan, question: str = "") -> Finding:
    """Say what to buy; a verdict stands there only where no plan can be made."""
    verdict = None if plan.verdict is Verdict.PASS else plan.verdict
    return Finding(f"{question} {plan.reason}".strip(), verdict)


def _plan(title: str, plan: LabelPlan | Unanswered) -> Section:
    if isinstance(plan, Unanswered):
        return Section(title, not_answered(plan))
    blocks: list[Block] = [Findings((plan_finding(plan),))]
    if plan.options:
        with_power = plan.aim[0] == "difference"
        heads = ["split", "gold labels", "preference labels", "price", "half width of the interval"]
        blocks.append(
            Table(
                "Ways to spend the money",
                columns(*heads, *(["power"] if with_power else [])),
                tuple(
                    (
                        option.name,
                        option.n_gold,
                        option.n_preference,
                        round(option.cost, 2),
                        Estimate(option.half_width, option.lower, option.upper, decimals=4),
                        *([round(option.power, 2)] if with_power else []),
                    )
                    for option in plan.options
                ),
                f"Expected half width of the {percent(plan.level)} interval, with the uncertainty "
                "that the pilot leaves about it. Power is at the expected half width.",
            )
        )
    return Section(title, tuple(blocks))
