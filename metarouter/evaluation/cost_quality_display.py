"""A picture of what quality routers buy at what cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metarouter.evaluation._style import RouterStyle, router_styles
from metarouter.evaluation._validation import check_routers
from metarouter.evaluation.cost_quality import CostQualityCurve

__all__ = ["CostQualityDisplay"]

_MODEL_COLOR = "#7F7F7F"
_POINTS_PER_HULL = 400


class CostQualityDisplay:
    """Quality against cost: the points of every router's dial, their hulls, and single models.

    Parameters
    ----------
    curves : dict of str to CostQualityCurve
    models : dict of str to (float, float), optional
        Cost and quality of single models, drawn as grey points with their names.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of str to matplotlib Line2D
        The hull of every router.
    points_ : dict of str to matplotlib Line2D
        Its points.
    labels_ : dict of str to matplotlib Annotation
        The names of the single models.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from metarouter.evaluation import cost_quality_curve
    >>> curve = cost_quality_curve([0.1, 0.4, 2.0], [0.5, 0.8, 0.7])
    >>> display = CostQualityDisplay({"mine": curve}, models={"small": (0.1, 0.4)}).plot()
    >>> list(display.lines_), list(display.labels_)
    (['mine'], ['small'])
    """

    def __init__(
        self,
        curves: Mapping[str, CostQualityCurve],
        *,
        models: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        check_routers(curves)
        self.curves = curves
        self.models = dict(models or {})

    def plot(
        self,
        ax: Any = None,
        *,
        cost_scale: float = 1.0,
        unit: str = "",
        log: bool = False,
        legend: bool = True,
        title: str | None = None,
    ) -> CostQualityDisplay:
        """Draw the points and their hulls.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        cost_scale : float, default=1.0
            Costs are multiplied by it, such as 1000 for the cost of a thousand queries.
        unit : str, default=""
            Unit of the scaled costs, for the axis.
        log : bool, default=False
            Draw costs on a logarithmic axis; hulls are then bent, for mixtures are straight in
            cost and not in its logarithm.
        legend : bool, default=True
            Name the routers.
        title : str, optional

        Returns
        -------
        CostQualityDisplay
            This object, with ``ax_``, ``figure_``, ``lines_``, ``points_`` and ``labels_``.
        """
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")[1]
        self.lines_: dict[str, Any] = {}
        self.points_: dict[str, Any] = {}
        right = max(curve.cost_range[1] for curve in self.curves.values())
        for name, style in router_styles(self.curves).items():
            self._draw(ax, name, style, cost_scale, right)
        self.labels_ = {
            name: _named_point(ax, name, cost * cost_scale, quality)
            for name, (cost, quality) in self.models.items()
        }
        if log:
            ax.set_xscale("log")
        ax.set_xlabel(f"cost per query ({unit})" if unit else "cost per query")
        ax.set_ylabel("quality per query")
        if title is not None:
            ax.set_title(title)
        if legend:
            ax.legend(frameon=False, fontsize="small", handlelength=3.2, loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _draw(
        self, ax: Any, name: str, style: RouterStyle, cost_scale: float, right: float
    ) -> None:
        curve = self.curves[name]
        first, last = curve.cost[curve.hull[0]], max(right, curve.cost[curve.hull[-1]])
        # Dense where the hull is: straight pieces in cost are bent on a logarithmic axis.
        cost = np.union1d(np.linspace(first, last, _POINTS_PER_HULL), curve.cost[curve.hull])
        (self.lines_[name],) = ax.plot(
            cost * cost_scale, curve.quality_at(cost), **{**style.line(), "marker": ""}
        )
        (self.points_[name],) = ax.plot(
            curve.cost * cost_scale,
            curve.quality,
            linestyle="",
            marker=style.marker,
            color=style.color,
            markersize=4.5,
        )
        # The legend names line and points at once.
        self.lines_[name].set_marker(style.marker)
        self.lines_[name].set_markevery([])


def _named_point(ax: Any, name: str, cost: float, quality: float) -> Any:
    ax.plot(cost, quality, linestyle="", marker="o", color=_MODEL_COLOR, markersize=3.5, zorder=1)
    return ax.annotate(
        name,
        (cost, quality),
        xytext=(4, -3),
        textcoords="offset points",
        fontsize="x-small",
        color="#4D4D4D",
        va="top",
        zorder=1,
    )
