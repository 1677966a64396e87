"""The sections of a report on what routing gains, and on which router gains most."""

from __future__ import annotations

from typing import Any

import numpy as np

from metarouter.inference import AllPairs, CostQualityBand, CurveBand, RankWeightedEffects
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
from metarouter.reporting._formatting import (
    GOLD,
    columns,
    decimals_of,
    estimates,
    has_limits,
    limits,
    not_answered,
    percent,
)
from metarouter.reporting._routing_analysis import RoutingAnalysis, RoutingResults, Unanswered
from metarouter.utils.style import router_label, router_styles

_SHOWN_USAGES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_EFFECTS = {
    "area": "area under the efficiency gain (Qini coefficient)",
    "autoc": "AUTOC (mean of the TOC)",
    "qini_scaled": "scaled Qini coefficient (area times the root of 12)",
}


def gains_section(analysis: RoutingAnalysis) -> Section:
    """Say what the recommended router gains over random routing."""
    title = "What routing gains"
    found = analysis.routing
    if isinstance(found, Unanswered):
        return Section(title, not_answered(found))
    name = router_label(analysis.settings.router)
    blocks: list[Block] = [
        Paragraph(
            f"The {name} router was chosen before looking. It was tested on "
            f"{found.n_gold} of {analysis.queries.n_gold} gold labels, which it had not seen; the "
            f"first two of {analysis.settings.folds} folds only train. The efficiency gain is what "
            "it gains per query over random routing that sends the same share of queries to the "
            f"primary model, in units of the gold labels ({GOLD}). The summary shows the curve."
        ),
        Findings((Finding(found.gain.reason, found.gain.verdict),)),
    ]
    if has_limits(found.gain):
        blocks.append(_usages(found.gain))
    sections = [_effects(found), _toc(found.toc, analysis)]
    if found.cost_quality is not None:
        sections.append(_costs(found.cost_quality, analysis.settings.router))
    return Section(title, tuple(blocks), tuple(sections))


def curve_figure(name: str, band: CurveBand, analysis: RoutingAnalysis) -> Figure:
    words = "Efficiency gain" if band.curve == "efficiency_gain" else "Targeting curve (TOC)"
    best = int(np.argmax(band.value))
    top = Estimate(band.value[best], band.lower[best], band.upper[best], signed=True)
    return Figure(
        name,
        f"{words} against the share of queries sent to the primary model. Shaded: the "
        f"{percent(band.level)} band that holds at all shares at once; dotted: limits at one.",
        f"Curve with band; its highest point is {top} {GOLD} at a share of "
        f"{band.usage[best]:.0%}. {band.reason}",
        lambda ax: band.plot(ax, name=analysis.settings.router),
        size=(5.2, 3.9),
        data={
            "usage": band.usage,
            "value": band.value,
            "low": band.lower,
            "high": band.upper,
            "band_low": band.band_lower,
            "band_high": band.band_upper,
        },
    )


def _usages(band: CurveBand) -> Table:
    at = [int(np.argmin(np.abs(band.usage - usage))) for usage in _SHOWN_USAGES]
    ends = estimates(band.value[at], band.lower[at], band.upper[at], signed=True)
    together = limits(band.band_lower[at], band.band_upper[at], signed=True)
    rows = zip([f"{band.usage[k]:.0%}" for k in at], ends, together, strict=True)
    return Table(
        "Efficiency gain at some shares",
        columns(
            "share sent to the primary model",
            ("efficiency gain", GOLD),
            f"{percent(band.level)} for all shares at once",
        ),
        tuple(rows),
        f"{percent(band.level)} limits at one share chosen beforehand, and limits that hold at all "
        "shares at once.",
    )


def _effects(found: RoutingResults) -> Section:
    main, everywhere = found.effects, found.effects_everywhere
    rows = _effect_rows(main, "gold labels")
    level = percent(main.level)
    notes = [
        f"{level} intervals over new queries, with the routers held fixed. All are 0 for a "
        "ranking that knows nothing.",
    ]
    if isinstance(everywhere, RankWeightedEffects):
        rows += _effect_rows(everywhere, "all queries")
        notes.append(
            "Gold labels: on the queries that carry one. All queries: doubly robust scores, which "
            "stand for the queries without a gold label too; the two differ where gold queries "
            "are of another kind."
        )
    if isinstance(everywhere, Unanswered):
        notes.append(f"Doubly robust scores could not be had: {everywhere.reason}")
    return Section(
        "What the ranking is worth",
        (
            Findings((Finding(main.reason, main.verdict),)),
            Table(
                "Rank-weighted effects of the router",
                columns("effect", "estimated from", ("value", GOLD), "p value"),
                tuple(rows),
                " ".join(notes),
            ),
        ),
    )


def _effect_rows(effects: RankWeightedEffects, source: str) -> list[tuple[Cell, ...]]:
    values = estimates(effects.value, effects.lower, effects.upper, signed=True)
    return [
        (_EFFECTS[name], source, value, PValue(p))
        for name, value, p in zip(effects.effects, values, effects.p_value.tolist(), strict=True)
    ]


def _toc(band: CurveBand, analysis: RoutingAnalysis) -> Section:
    blocks: list[Block] = [
        Paragraph(
            "The targeting curve (TOC) is the mean gold label of the queries that are sent first, "
            "beyond that of all queries: it shows whether the router knows the best queries."
        ),
        Findings((Finding(band.reason, band.verdict),)),
    ]
    if has_limits(band):
        blocks.append(curve_figure("toc", band, analysis))
    return Section("Does it know the best queries?", tuple(blocks))


def _costs(found: CostQualityBand | Unanswered, name: str) -> Section:
    title = "What quality costs"
    if isinstance(found, Unanswered):
        return Section(title, not_answered(found))
    blocks: list[Block] = [Findings((Finding(found.reason, found.verdict),))]
    if has_limits(found):
        at = [int(np.argmin(np.abs(found.usage - usage))) for usage in _SHOWN_USAGES]
        decimals = decimals_of(found.cost)
        rows = zip(
            [f"{found.usage[k]:.0%}" for k in at],
            estimates(
                found.cost[at], found.cost_lower[at], found.cost_upper[at], decimals=decimals
            ),
            estimates(found.quality[at], found.quality_lower[at], found.quality_upper[at]),
            estimates(
                found.advantage[at],
                found.advantage_band_lower[at],
                found.advantage_band_upper[at],
                signed=True,
            ),
            strict=True,
        )
        blocks += [
            Figure(
                "cost_quality",
                "Cost and quality per query of the router, beyond the alternative model's quality, "
                f"with what the {percent(found.level)} limits of all points cover together; "
                "straight: random routing.",
                f"Quality against cost per query of the {router_label(name)}. {found.reason}",
                lambda ax: found.plot(ax, name=name),
                data={
                    "usage": found.usage,
                    "cost": found.cost,
                    "cost_low": found.cost_lower,
                    "cost_high": found.cost_upper,
                    "quality": found.quality,
                    "quality_low": found.quality_lower,
                    "quality_high": found.quality_upper,
                },
            ),
            Table(
                "Cost, quality and advantage at some shares",
                columns(
                    "share sent",
                    ("cost", "per query"),
                    ("quality beyond the alternative", GOLD),
                    ("advantage over random routing at the same cost", GOLD),
                ),
                tuple(rows),
                f"All limits hold at all shares at once ({percent(found.level)}).",
            ),
        ]
    return Section(title, tuple(blocks))


def comparison_section(analysis: RoutingAnalysis) -> Section:
    """Compare the routers of the paper on the same gold labels."""
    title = "Which router?"
    found = analysis.routing
    if isinstance(found, Unanswered):
        return Section(title, not_answered(found))
    pairs = found.pairs
    blocks: list[Block] = [
        Paragraph(
            "All routers learned from the same labels and were tested on the same gold labels, "
            "which none of them had seen. Differences are paired; their limits and p values hold "
            "for all pairs at once."
        ),
        Findings((Finding(pairs.reason, pairs.verdict),)),
    ]
    if has_limits(pairs):
        blocks += [
            _all_curves(found, analysis.settings.router),
            _routers(pairs),
            Figure(
                "router_differences",
                f"Differences between routers in the area under the efficiency gain, with "
                f"{percent(pairs.level)} limits that hold for all pairs at once.",
                "Dots with intervals, one per pair; the same numbers stand in the table below.",
                pairs.plot,
                size=(6.0, 1.2 + 0.26 * len(pairs.first)),
                data={
                    "difference": pairs.difference,
                    "low": pairs.difference_lower,
                    "high": pairs.difference_upper,
                },
            ),
            _differences(pairs),
        ]
    return Section(title, tuple(blocks))


def _all_curves(found: RoutingResults, main: str) -> Figure:
    curves = {main: found.gain, **found.others}

    def draw(ax: Any) -> None:
        for name, style in router_styles(curves).items():
            band = curves[name]
            line = style.line() | {"markevery": 12}
            (drawn,) = ax.plot(band.usage, band.value, **line)
            if name == main:
                ax.fill_between(
                    band.usage,
                    band.band_lower,
                    band.band_upper,
                    color=drawn.get_color(),
                    alpha=0.15,
                    linewidth=0,
                )
        ax.axhline(0.0, color="#7F7F7F", linewidth=0.9)
        ax.set_xlim(0, 1)
        ax.set_xlabel("share of queries sent to the primary model")
        ax.set_ylabel("efficiency gain per query")
        ax.legend(
            frameon=False,
            fontsize="small",
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=3,
            handlelength=3.2,
        )

    data: dict[str, Any] = {"usage": found.gain.usage}
    for name, band in curves.items():
        data |= {name: band.value, f"{name}_low": band.lower, f"{name}_high": band.upper}
    return Figure(
        "all_routers",
        "Efficiency gain of all routers on the same gold labels. Shaded: the "
        f"{percent(found.gain.level)} band of the {router_label(main)} router. Whether two curves "
        "differ is for the limits of their difference to say, below.",
        "One curve per router; the areas under them stand in the table below.",
        draw,
        size=(5.4, 4.4),
        data=data,
    )


def _routers(pairs: AllPairs) -> Table:
    rows = zip(
        pairs.routers,
        estimates(pairs.value, pairs.lower, pairs.upper, signed=True),
        ["not shown to be beaten" if r in pairs.not_beaten else "beaten" for r in pairs.routers],
        strict=True,
    )
    return Table(
        "Area under the efficiency gain",
        columns("router", ("area", GOLD), "compared with all others"),
        tuple(rows),
        f"{percent(pairs.level)} intervals, each router by itself. Random routing has area 0.",
    )


def _differences(pairs: AllPairs) -> Table:
    values = estimates(
        pairs.difference, pairs.difference_lower, pairs.difference_upper, signed=True
    )
    rows = zip(
        [f"{a} minus {b}" for a, b in zip(pairs.first, pairs.second, strict=True)],
        values,
        [PValue(p) for p in pairs.p_value_stepdown.tolist()],
        strict=True,
    )
    return Table(
        "All pairs of routers",
        columns("pair", ("difference in area", GOLD), "adjusted p value"),
        tuple(rows),
        f"{percent(pairs.level)} limits for all pairs at once (max-t); p values adjusted for all "
        "pairs by the step-down of Romano and Wolf.",
    )
