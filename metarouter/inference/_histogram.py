"""The histogram of label differences, as figure S2 of Meta-Router."""

from __future__ import annotations

from typing import Any

import numpy as np

from metarouter.exceptions import MetaRouterError
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import BAR, MEAN, OUTLINE, reference_line

_MOST_STEPS = 25
_SHOWN = (0.5, 99.5)


def plot_differences(test: Any, ax: Any) -> Any:
    """Draw the values behind a mean-shift test, their mean and its interval."""
    values = test.values
    if not values.size:
        raise MetaRouterError(
            f"a mean shift by method={test.method!r} averages nothing that could be drawn; use "
            "'paired' or 'aipw'."
        )
    ax = new_axes(ax)
    low, high = np.percentile(values, _SHOWN) if test.method == "aipw" else _ends(values)
    shown = values[(values >= low) & (values <= high)]
    ax.hist(shown, bins=_bins(shown), color=BAR, edgecolor=OUTLINE, linewidth=0.4)
    ax.axvspan(test.lower, test.upper, color=MEAN, alpha=0.25, linewidth=0)
    words = (
        f"mean {test.value:+.3f} ({test.level:.0%} interval {test.lower:+.3f} to {test.upper:+.3f})"
    )
    ax.axvline(test.value, color=MEAN, linewidth=1.8, label=words)
    ax.axvline(0.0, **reference_line(), label="no bias")
    hidden = values.size - shown.size
    what = (
        "gold minus preference label of a query"
        if test.method == "paired"
        else "doubly robust score of a label"
    )
    ax.set_xlabel(f"{what} ({hidden} of {values.size} lie outside)" if hidden else what)
    ax.set_ylabel("queries" if test.method == "paired" else "labels")
    ax.legend(
        frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=2
    )
    return ax


def _ends(values: Any) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _bins(values: Any) -> Any:
    """Bars on the steps of discrete labels where these are even, else numpy's own choice."""
    steps = np.unique(values)
    if 1 < len(steps) <= _MOST_STEPS and np.ptp(np.diff(steps)) < 1e-9 * np.ptp(steps):
        half = np.diff(steps)[0] / 2
        return np.concatenate([steps - half, [steps[-1] + half]])
    return min(80, max(10, len(np.histogram_bin_edges(values, bins="auto")) - 1))
