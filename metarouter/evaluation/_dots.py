"""Estimates as dots with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=(6.0, 1.2 + 0.32 * len(names)), layout="constrained")[1]
    place = -np.arange(len(names), dtype=float)
    ax.hlines(place, lower, upper, color=_COLOR, linewidth=3.0)
    ax.plot(value, place, "o", color="#1A1A1A", markersize=5)
    ax.axvline(0.0, color="#7F7F7F", linewidth=0.9, linestyle="--")
    ax.set_yticks(place, list(names))
    ax.set_ylim(place.min() - 0.6, 0.6)
    return ax
