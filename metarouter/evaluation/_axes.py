"""Axes to draw on."""

from __future__ import annotations

from typing import Any

__all__ = ["new_axes", "show_numbers_on_log_axis"]


def new_axes(ax: Any, width: float = 6.0, height: float = 4.0) -> Any:
    """Return the given axes, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


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
