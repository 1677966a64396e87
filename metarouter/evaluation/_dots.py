"""Estimates as dots with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from metarouter.evaluation._axes import new_axes
from metarouter.evaluation._style import reference_line
from metarouter.evaluation._validation import FloatArray

__all__ = ["draw_dots"]

_COLOR = "#D55E00"


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
    ax.hlines(place, lower, upper, color=_COLOR, linewidth=3.0)
    ax.plot(value, place, "o", color="#1A1A1A", markersize=5)
    ax.axvline(0.0, **reference_line())
    ax.set_yticks(place, list(names))
    ax.set_ylim(place.min() - 0.6, 0.6)
    return ax
