"""Differences and their intervals, drawn one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.utils.plotting import new_axes
from metarouter.utils.style import router_styles

__all__ = ["draw_intervals"]

_BAND = 0.76  # of the height of a row, shared out among its names
_HEIGHT = 0.16  # inches that an interval takes


def draw_intervals(
    ax: Any,
    rows: Sequence[str],
    names: Sequence[str],
    value: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> Any:
    """Draw intervals in rows, one colour and marker per name, and a line at zero.

    Parameters
    ----------
    ax : matplotlib Axes or None
        None makes a figure of its own.
    rows : sequence of str
        Labels of the rows, from the top.
    names : sequence of str
        What the legend says of each interval of a row.
    value, low, high : ndarray of shape (n_rows, n_names)

    Returns
    -------
    matplotlib Axes
    """
    ax = new_axes(ax, width=8.0, height=1.4 + _HEIGHT * len(rows) * (len(names) + 1))
    styles = router_styles(names)
    for number, name in enumerate(names):
        middle = value[:, number]
        ax.errorbar(
            middle,
            np.arange(len(rows)) + _BAND * ((number + 0.5) / len(names) - 0.5),
            xerr=np.vstack([middle - low[:, number], high[:, number] - middle]),
            fmt=styles[name].marker,
            color=styles[name].color,
            label=styles[name].label,
            markersize=5.0,
            elinewidth=1.2,
        )
    ax.axvline(0.0, color="#7F7F7F", linewidth=0.9, zorder=1)
    for edge in np.arange(1, len(rows)) - 0.5:
        ax.axhline(edge, color="#DDDDDD", linewidth=0.6, zorder=0)
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    return ax
