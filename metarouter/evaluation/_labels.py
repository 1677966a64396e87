"""Names beside points, where they cover neither each other nor other points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metarouter.utils.columns import FloatArray

__all__ = ["arrange_labels"]

# Offsets in points with the alignments that go with them, the most readable first.
_PLACES = (
    *((5, 0, "left", "center"), (-5, 0, "right", "center")),
    *((0, 5, "center", "bottom"), (0, -5, "center", "top")),
    *((5, 5, "left", "bottom"), (5, -5, "left", "top")),
    *((-5, 5, "right", "bottom"), (-5, -5, "right", "top")),
    *((5, 11, "left", "bottom"), (5, -11, "left", "top")),
    *((-5, 11, "right", "bottom"), (-5, -11, "right", "top")),
)


def arrange_labels(ax: Any, labels: Mapping[str, Any], avoid: FloatArray) -> None:
    """Move annotations to the first place around their points where they cover nothing.

    Parameters
    ----------
    ax : matplotlib Axes
        With its final limits and size.
    labels : dict of str to matplotlib Annotation
        With offsets in points; those placed first have the choice.
    avoid : ndarray of shape (n, 2)
        Points in the units of the data that should stay visible.

    Notes
    -----
    A label for which every place is taken gets the one that covers least.
    """
    figure = ax.figure
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    points = ax.transData.transform(avoid)
    inside = ax.get_window_extent(renderer)
    taken: list[Any] = []
    for label in labels.values():
        covered = []
        for place in _PLACES:
            _put(label, place)
            covered.append(_covered(label.get_window_extent(renderer), taken, points, inside))
            if covered[-1] == 0:
                break
        else:
            _put(label, _PLACES[int(np.argmin(covered))])
        taken.append(label.get_window_extent(renderer))


def _put(label: Any, place: tuple[int, int, str, str]) -> None:
    right, up, horizontal, vertical = place
    label.set(ha=horizontal, va=vertical)
    label.xyann = (right, up)


def _covered(box: Any, taken: list[Any], points: FloatArray, inside: Any) -> float:
    """Count what a label would cover; leaving the axes is worst."""
    outside = box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1
    hidden = (points > (box.x0, box.y0)).all(axis=1) & (points < (box.x1, box.y1)).all(axis=1)
    return 100.0 * outside + 10.0 * sum(box.overlaps(other) for other in taken) + hidden.sum()
