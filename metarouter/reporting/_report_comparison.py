"""The section of a report on which router gains most."""

from __future__ import annotations

from typing import Any

from metarouter.inference import AllPairs
from metarouter.reporting._cells import PValue
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
    estimates,
    has_limits,
    not_answered,
    percent,
)
from metarouter.reporting._routing_analysis import RoutingAnalysis, RoutingResults, Unanswered
from metarouter.utils.style import router_label, router_styles


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
        f"{percent(found.gain.level)} band of the {router_label(main)}. Whether two curves differ "
        "is for the limits of their difference to say, below.",
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
