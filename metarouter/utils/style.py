"""How each router is called and drawn, everywhere in the house.

The colours are those of Okabe & Ito (2008), which remain distinct for colour-blind readers; line
style and marker tell the routers apart in grey print.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = [
    "BAR",
    "MEAN",
    "OUTLINE",
    "ROUTER_ORDER",
    "RouterStyle",
    "random_line",
    "reference_line",
    "router_label",
    "router_styles",
]

# Bars of a histogram, the mean or estimate drawn over them, and thin outlines.
BAR, MEAN, OUTLINE = "#56B4E9", "#D55E00", "#1A1A1A"

_Dash = str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class RouterStyle:
    """Label, colour, line style and marker of one router."""

    label: str
    color: str
    linestyle: _Dash
    marker: str

    def line(self) -> dict[str, Any]:
        """Keyword arguments for ``Axes.plot``."""
        return {
            "label": self.label,
            "color": self.color,
            "linestyle": self.linestyle,
            "marker": self.marker,
            "linewidth": 1.6,
            "markersize": 5.0,
        }


_HOUSE = {
    "oracle": RouterStyle("oracle", "#000000", "--", "*"),
    "adaptive": RouterStyle("adaptive", "#332288", (0, (3.0, 1.0)), "P"),
    "dr_learner": RouterStyle("DR-learner", "#D55E00", "-", "o"),
    "r_learner": RouterStyle("R-learner", "#0072B2", "-", "s"),
    "linear_scaling": RouterStyle("linear scaling", "#56B4E9", "-.", "v"),
    "pooled": RouterStyle("pooled", "#009E73", "--", "D"),
    "gold_only": RouterStyle("gold only", "#E69F00", (0, (4.0, 1.2, 1.0, 1.2, 1.0, 1.2)), "^"),
    "preference_only": RouterStyle("preference only", "#CC79A7", ":", "X"),
}
_OTHERS = (
    ("#0072B2", (0, (6.0, 2.0)), "H"),
    ("#D55E00", (0, (1.0, 1.0)), "<"),
    ("#009E73", "-", ">"),
    ("#CC79A7", "-.", "p"),
    ("#E69F00", "--", "h"),
    ("#56B4E9", "-", "d"),
    ("#000000", ":", "8"),
)

ROUTER_ORDER = (*_HOUSE, "random")


def router_styles(names: Iterable[str]) -> dict[str, RouterStyle]:
    """Style of every name: fixed for the house's routers, in turn for all others.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    dict of str to RouterStyle
        In the order of ``names``.

    Examples
    --------
    >>> router_styles(["r_learner"])["r_learner"].label
    'R-learner'
    """
    styles, n_others = {}, 0
    for name in names:
        if name in _HOUSE:
            styles[name] = _HOUSE[name]
            continue
        color, linestyle, marker = _OTHERS[n_others % len(_OTHERS)]
        styles[name] = RouterStyle(name, color, linestyle, marker)
        n_others += 1
    return styles


def router_label(name: str) -> str:
    """Name of a router as printed for readers."""
    return _HOUSE[name].label if name in _HOUSE else name


def reference_line() -> dict[str, Any]:
    """Keyword arguments for the line that estimates are held against, such as zero."""
    return {"color": "#7F7F7F", "linewidth": 0.9, "linestyle": "--"}


def random_line() -> dict[str, Any]:
    """Keyword arguments for the horizontal line of random routing."""
    return {"color": "#7F7F7F", "linestyle": "-", "linewidth": 0.9, "label": "random", "zorder": 1}
