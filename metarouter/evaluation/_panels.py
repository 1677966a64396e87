"""Panels of efficiency-gain curves side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from metarouter.evaluation._curve_display import Curve
from metarouter.evaluation.display import EfficiencyGainDisplay
from metarouter.exceptions import MetaRouterError

__all__ = ["plot_panels"]


def plot_panels(
    panels: Mapping[str, Mapping[str, Curve]], axes: Any = None, *, bands: bool, level: float
) -> list[EfficiencyGainDisplay]:
    """Draw one panel per title, on one scale and with one legend.

    Parameters
    ----------
    panels : dict of str to dict of str to curve
        Title, and the curves by router.
    axes : sequence of matplotlib Axes, optional
        One per panel; a new figure by default.
    bands : bool
    level : float

    Returns
    -------
    list of EfficiencyGainDisplay
    """
    if axes is None:
        import matplotlib.pyplot as plt

        size = (3.4 * len(panels) + 2.0, 3.6)
        axes = plt.subplots(1, len(panels), figsize=size, sharey=True, layout="constrained")[1]
    axes = np.atleast_1d(axes).ravel()
    if axes.size != len(panels):
        raise MetaRouterError(
            f"{axes.size} axes were given for {len(panels)} panels: give one per panel."
        )
    displays = [
        EfficiencyGainDisplay.from_curves(curves).plot(
            ax=ax, bands=bands, level=level, legend=False, title=title
        )
        for ax, (title, curves) in zip(axes, panels.items(), strict=True)
    ]
    for display in displays[1:]:
        display.ax_.set_ylabel("")
    handles = list({line.get_label(): line for line in displays[0].lines_.values()}.values())
    displays[0].figure_.legend(
        handles=handles,
        loc="outside right center",
        frameon=False,
        fontsize="small",
        handlelength=3.2,
    )
    return displays
