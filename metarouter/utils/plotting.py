"""Axes to draw on, and estimates drawn as dots with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metarouter.utils.columns import FloatArray
from metarouter.utils.style import MEAN, OUTLINE, reference_line

__all__ = ["draw_dots", "label_axes", "new_axes", "show_numbers_on_log_axis"]


def new_axes(ax: Any, width: float = 6.0, height: float = 4.0) -> Any:
    """Return the given axes, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def label_axes(ax: Any, x: str, y: str = "", *, legend: str = "", ncols: int = 1) -> Any:
    """Name the axes, add a legend without a frame, and return the axes.

    Parameters
    ----------
    ax : matplotlib Axes
    x, y : str
        Names of the axes; "" leaves the vertical one without.
    legend : str, default=""
        A place as in ``Axes.legend``, or "above" for the room over the picture; "" for none.
    ncols : int, default=1
        Columns of the legend.

    Returns
    -------
    matplotlib Axes
    """
    ax.set_xlabel(x)
    if y:
        ax.set_ylabel(y)
    if legend:
        over = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
        place = over if legend == "above" else {"loc": legend}
        ax.legend(frameon=False, fontsize="small", ncols=ncols, **place)
    return ax


def show_numbers_on_log_axis(ax: Any, which: str = "x") -> None:
    """Scale an axis by the logarithm, and write 200 rather than 2 x 10^2.

    Parameters
    ----------
    ax : matplotlib Axes
    which : {"x", "y"}
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xscale if which == "x" else ax.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def draw_dots(
    names: Sequence[str], value: FloatArray, lower: FloatArray, upper: FloatArray, ax: Any
) -> Any:
    """Draw one dot with its interval per name, the first on top, beside a line at zero.

    Parameters
    ----------
    names : sequence of str
    value, lower, upper : ndarray of shape (m,)
    ax : matplotlib Axes or None
        None makes a new figure.

    Returns
    -------
    matplotlib Axes
    """
    ax = new_axes(ax, height=1.2 + 0.32 * len(names))
    place = -np.arange(len(names), dtype=float)
    ax.hlines(place, lower, upper, color=MEAN, linewidth=3.0)
    ax.plot(value, place, "o", color=OUTLINE, markersize=5)
    ax.axvline(0.0, **reference_line())
    ax.set_yticks(place, list(names))
    ax.set_ylim(place.min() - 0.6, 0.6)
    return ax
