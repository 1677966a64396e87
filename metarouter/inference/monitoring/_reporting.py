"""From sums and alarms to a report."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from metarouter.inference.monitoring._alarm import DriftAlarm
from metarouter.inference.monitoring._blocks import BlockSums
from metarouter.inference.monitoring._quantities import QUANTITIES, Quantity, readings
from metarouter.inference.monitoring._report import Course, MonitorReport
from metarouter.inference.monitoring._settings import MonitorSettings
from metarouter.inference.monitoring._verdicts import (
    Reading,
    Watched,
    judge_alarm,
    judge_draw,
    judge_promise,
)

__all__ = ["report_on"]

FloatArray = NDArray[np.float64]


def report_on(
    settings: MonitorSettings,
    kept: Mapping[str, BlockSums],
    alarms: Mapping[str, Watched],
) -> MonitorReport:
    """Put together what is known.

    Parameters
    ----------
    settings : MonitorSettings
    kept : dict of str to BlockSums
        Sums by name; those without rows are left out.
    alarms : dict of str to Watched
        Alarms that are fed.
    """
    courses = {
        name: _course(quantity, kept[quantity.kept], settings)
        for name, quantity in QUANTITIES.items()
        if kept[quantity.kept].n
    }
    found: list[Reading] = []
    for name, course in courses.items():
        found += _read(name, course, settings)
    return MonitorReport(
        level=settings.level,
        alarm_level=settings.alarm_level,
        loud=1.0 / settings.level_per_alarm,
        window=settings.window,
        n_queries=kept["usage"].n,
        n_gold=int(kept["quality"].total[1]),
        readings=tuple(found),
        alarms=tuple(judge_alarm(name, watched) for name, watched in alarms.items()),
        courses=courses,
        evidence={
            name: _evidence(watched.alarm, watched.skipped)
            for name, watched in alarms.items()
            if watched.alarm is not None
        },
    )


def _course(quantity: Quantity, sums: BlockSums, settings: MonitorSettings) -> Course:
    path = sums.path()
    value, limits = readings(quantity, path, settings.alpha, settings.horizon)
    # Windows share one chance of failing: window k takes 1 / (k (k + 1)) of it.
    k = np.arange(1, len(sums.finished) + 1)
    window_value, window = readings(
        quantity, sums.finished, settings.alpha / (k * (k + 1)), sums.size
    )
    promise = getattr(settings, quantity.promise) if quantity.promise else None
    return Course(
        quantity.name,
        path[:, 0],
        value,
        limits.lower,
        limits.upper,
        np.asarray(k * sums.size, dtype=np.float64),
        window_value,
        window.lower,
        window.upper,
        np.nan if promise is None else float(promise),
    )


def _read(name: str, course: Course, settings: MonitorSettings) -> list[Reading]:
    total = Reading(
        course.name,
        "all",
        int(course.n[-1]),
        float(course.value[-1]),
        float(course.lower[-1]),
        float(course.upper[-1]),
    )
    window = _last_window(course, settings.window)
    if name == "drawn":
        return [judge_draw(total)]
    promised = QUANTITIES[name].promise
    if promised is not None and not np.isnan(course.promise):
        total = judge_promise(total, window, promised, course.promise)
    return [total] if window is None else [total, window]


def _last_window(course: Course, size: int) -> Reading | None:
    if not len(course.window_n):
        return None
    last = int(course.window_n[-1])
    return Reading(
        course.name,
        f"rows {last - size + 1}-{last}",
        size,
        float(course.window_value[-1]),
        float(course.window_lower[-1]),
        float(course.window_upper[-1]),
    )


def _evidence(alarm: DriftAlarm, skipped: int) -> FloatArray:
    rows = alarm.every * np.arange(len(alarm.path) + 1)
    values = [0.0, *alarm.path]
    if alarm.n > rows[-1]:
        rows, values = np.append(rows, alarm.n), [*values, alarm.evidence]
    return np.column_stack([rows + skipped, np.array(values) / np.log(10.0)])
