"""Curves of efficiency gain as a picture, wherever the curves come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from metarouter.evaluation._intervals import normal_quantile
from metarouter.utils.columns import FloatArray, check_routers
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import random_line, router_styles

__all__ = ["Curve", "CurveDisplay", "MeanCurve"]


class Curve(Protocol):
    """What can be drawn: EG at some usages, with ``se`` where there is one."""

    @property
    def usage(self) -> FloatArray:
        """Usage ratios."""

    @property
    def efficiency_gain(self) -> FloatArray:
        """EG at these ratios."""


@dataclass(frozen=True)
class MeanCurve:
    """Mean efficiency gain over rounds, with its Monte Carlo standard error."""

    usage: FloatArray
    efficiency_gain: FloatArray
    se: FloatArray


class CurveDisplay:
    """Efficiency gain over random routing against the share sent to the primary model.

    Parameters
    ----------
    curves : dict of str to curve
        Curves with ``usage`` and ``efficiency_gain``; those that also have ``se`` can be drawn
        with bands.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of str to matplotlib Line2D
        One line per router, and ``random``.
    bands_ : dict of str to matplotlib collection
        Pointwise bands, where they were asked for and could be drawn.
    """

    def __init__(self, *, curves: Mapping[str, Curve]) -> None:
        check_routers(curves)
        self.curves = curves

    @classmethod
    def from_curves(cls, curves: Mapping[str, Curve]) -> Self:
        """Take curves that were computed before.

        Parameters
        ----------
        curves : dict of str to curve

        Returns
        -------
        CurveDisplay
        """
        return cls(curves=curves)

    def plot(
        self,
        ax: Any = None,
        *,
        bands: bool = True,
        level: float = 0.95,
        legend: bool = True,
        title: str | None = None,
        **line_kwargs: Any,
    ) -> Self:
        """Draw all curves.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        bands : bool, default=True
            Draw pointwise bands around the curves that have standard errors.
        level : float, default=0.95
            Pointwise level of the bands.
        legend : bool, default=True
            Name the routers.
        title : str, optional
        **line_kwargs
            Passed to ``Axes.plot``; they override the house's style.

        Returns
        -------
        CurveDisplay
            This object, with ``ax_``, ``figure_``, ``lines_`` and ``bands_``.
        """
        ax = new_axes(ax, height=4.2)
        margin = normal_quantile(level)
        self.lines_: dict[str, Any] = {}
        self.bands_: dict[str, Any] = {}
        styles = router_styles(self.curves)
        for number, (name, curve) in enumerate(self.curves.items()):
            style = {**styles[name].line(), **_markers(curve, number, len(self.curves))}
            (self.lines_[name],) = ax.plot(
                curve.usage, curve.efficiency_gain, **{**style, **line_kwargs}
            )
            se = getattr(curve, "se", None)
            if bands and se is not None and np.isfinite(se).all():
                self.bands_[name] = ax.fill_between(
                    curve.usage,
                    curve.efficiency_gain - margin * se,
                    curve.efficiency_gain + margin * se,
                    color=self.lines_[name].get_color(),
                    alpha=0.13,
                    linewidth=0,
                )
        self.lines_["random"] = ax.axhline(0.0, **random_line())
        ax.set_xlabel("share sent to the primary model")
        ax.set_ylabel("efficiency gain per query")
        ax.set_xlim(0, 1)
        if title is not None:
            ax.set_title(title)
        if legend:
            ax.legend(frameon=False, fontsize="small", handlelength=3.2)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _markers(curve: Curve, number: int, n_curves: int) -> dict[str, Any]:
    """Place a few markers per curve, staggered so that curves do not hide each other's."""
    step = max(1, len(curve.usage) // 7)
    return {"markevery": (step // 2 + (number * step) // n_curves, step)}
