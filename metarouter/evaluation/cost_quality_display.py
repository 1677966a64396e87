"""A picture of what quality routers buy at what cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metarouter.evaluation._labels import arrange_labels
from metarouter.evaluation.cost_quality import CostQualityCurve, cost_quality_curve
from metarouter.utils.columns import FloatArray, check_routers
from metarouter.utils.plotting import new_axes, show_numbers_on_log_axis
from metarouter.utils.style import router_styles

__all__ = ["CostQualityDisplay"]

_MODEL_COLOR = "#7F7F7F"
_MIXTURE = "mixture of models"
_POINTS_PER_HULL = 400


class CostQualityDisplay:
    """Quality against cost: the points of every router's dial, their hulls, and single models.

    Parameters
    ----------
    curves : dict of str to CostQualityCurve
    models : dict of str to (float, float), optional
        Cost and quality of single models, drawn as grey points with their names, and the hull of
        what tossing coins between them reaches: a router below it might as well not look at the
        queries.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of str to matplotlib Line2D
        The hull of every router and, with models, of their mixtures.
    points_ : dict of str to matplotlib Line2D
        The points of every router.
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
    (['mine', 'mixture of models'], ['small'])
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
        unit: str = "per query",
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
        unit : str, default="per query"
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
        ax = new_axes(ax, 6.4, 4.4)
        self.ax_, self.figure_, self._cost_scale = ax, ax.figure, cost_scale
        self.lines_: dict[str, Any] = {}
        self.points_: dict[str, Any] = {}
        self.labels_: dict[str, Any] = {}
        for name, style in router_styles(self.curves).items():
            line = style.line()
            self._draw_hull(name, self.curves[name], line | {"marker": ""})
            (self.points_[name],) = ax.plot(
                self.curves[name].cost * cost_scale,
                self.curves[name].quality,
                **(line | {"linestyle": "", "markersize": 4.5, "label": None}),
            )
            # The legend names line and points at once.
            self.lines_[name].set(marker=style.marker, markevery=[])
        if self.models:
            self._draw_models()
        if log:
            show_numbers_on_log_axis(ax)
        ax.set_xlabel(f"cost ({unit})")
        ax.set_ylabel("quality per query")
        if title is not None:
            ax.set_title(title)
        if legend:
            ax.legend(frameon=False, fontsize="small", handlelength=3.2, loc="lower right")
        self.arrange_labels()
        return self

    def arrange_labels(self) -> None:
        """Place the models' names anew, after something changed the size of the axes."""
        lines = (*self.points_.values(), *self.lines_.values())
        drawn = [line.get_xydata() for line in lines]
        models = np.array([label.xy for label in self.labels_.values()]).reshape(-1, 2)
        arrange_labels(self.ax_, self.labels_, np.concatenate([*drawn, models]))

    def _draw_models(self) -> None:
        cost, quality = np.array(list(self.models.values()), dtype=np.float64).T
        style = {"color": _MODEL_COLOR, "linewidth": 1.2, "zorder": 1}
        self._draw_hull(_MIXTURE, cost_quality_curve(cost, quality), style | {"label": _MIXTURE})
        points = {"linestyle": "", "marker": "o", "markersize": 3.5}
        self.ax_.plot(cost * self._cost_scale, quality, **(style | points))
        for name, (x, y) in self.models.items():
            self.labels_[name] = self.ax_.annotate(
                name,
                (x * self._cost_scale, y),
                xytext=(5, 0),
                textcoords="offset points",
                fontsize="x-small",
                color="#4D4D4D",
            )

    def _draw_hull(self, name: str, curve: CostQualityCurve, style: dict[str, Any]) -> None:
        cost = self._costs_of_hull(curve)
        (self.lines_[name],) = self.ax_.plot(
            cost * self._cost_scale, curve.quality_at(cost), **style
        )

    def _costs_of_hull(self, curve: CostQualityCurve) -> FloatArray:
        """Dense where the hull is: straight pieces in cost are bent on a logarithmic axis."""
        first, last = curve.cost[curve.hull[0]], curve.cost[curve.hull[-1]]
        dense = np.linspace(first, last, _POINTS_PER_HULL)
        return np.union1d(dense, curve.cost[curve.hull])
