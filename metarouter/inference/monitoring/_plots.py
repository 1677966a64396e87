"""Figures of a monitor."""

from __future__ import annotations

from typing import Any

import numpy as np

from metarouter.exceptions import MetaRouterError
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import router_styles

__all__ = ["plot_evidence", "plot_quantity"]

_COURSE, _WINDOW, _PROMISE = "#0072B2", "#7F7F7F", "#D55E00"


def plot_quantity(report: Any, quantity: str, ax: Any) -> Any:
    """Draw the course of one quantity, its windows and its promise."""
    if quantity not in report.courses:
        known = ", ".join(report.courses) or "nothing yet"
        raise MetaRouterError(f"{quantity!r} is not monitored here; there is {known}.")
    course = report.courses[quantity]
    ax = new_axes(ax, 7.0, 4.0)
    marker = "o" if len(course.n) < 3 else None
    ax.fill_between(
        course.n, course.total.lower, course.total.upper, color=_COURSE, alpha=0.18, linewidth=0
    )
    ax.plot(
        course.n, course.total.value, color=_COURSE, linewidth=1.8, marker=marker, markersize=4,
        label=f"all so far, {report.level:.0%} at all times",
    )  # fmt: skip
    if len(course.window_n):
        middle = course.window_n - report.window / 2
        known = ~np.isnan(course.window.lower)
        ax.plot(
            middle, course.window.value, color=_WINDOW, marker="s", markersize=3.5, linestyle="",
            label=f"each {report.window} rows, {report.level:.0%} for all windows",
        )  # fmt: skip
        ax.vlines(
            middle[known], course.window.lower[known], course.window.upper[known],
            color=_WINDOW, linewidth=0.8,
        )  # fmt: skip
    if not np.isnan(course.promise):
        ax.axhline(course.promise, color=_PROMISE, linewidth=1.4, linestyle="--", label="promise")
    ax.set_ylim(*_shown(course))
    ax.set_xlim(left=0)
    ax.set_xlabel("rows so far")
    ax.set_ylabel(course.name)
    _legend(ax, 3)
    return ax


def plot_evidence(report: Any, ax: Any) -> Any:
    """Draw the evidence of each alarm on the scale of powers of ten."""
    ax = new_axes(ax, 7.0, 4.0)
    for name, style in router_styles(report.evidence).items():
        rows, evidence = report.evidence[name].T
        line = style.line() | {"marker": style.marker if len(rows) < 12 else None}
        ax.plot(rows, evidence, **line)
    ax.axhline(
        np.log10(report.loud), color="#1A1A1A", linewidth=1.2, linestyle="--",
        label=f"alarm: evidence {report.loud:.3g}",
    )  # fmt: skip
    for alarm in report.alarms:
        if alarm.raised_at is not None:
            style = router_styles(report.evidence)[alarm.name]
            ax.axvline(alarm.raised_at, color=style.color, linewidth=0.8, linestyle=":")
    ax.set_xlim(left=0)
    ax.set_xlabel("rows so far; of the quality, gold labels (dotted: alarm)")
    ax.set_ylabel("evidence for drift, log10")
    _legend(ax, 2)
    return ax


def _shown(course: Any) -> tuple[float, float]:
    """Choose limits that show all windows and what has settled, not the first, wide intervals."""
    parts = [course.total.value, course.window.value, [course.promise]]
    parts += [course.window.lower, course.window.upper]
    if not np.isnan(course.total.lower[-1]):
        parts += [course.total.lower[-1:], course.total.upper[-1:]]
    middle = len(course.n) // 4
    parts += [course.total.lower[middle:], course.total.upper[middle:]]
    values = np.concatenate([np.asarray(part, dtype=float) for part in parts])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) or 0.05
    return low - room, high + room


def _legend(ax: Any, columns: int) -> None:
    ax.legend(
        frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0),
        ncols=columns,
    )  # fmt: skip
