"""From sums and alarms to a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.inference.monitoring._alarm import DriftAlarm
from metarouter.inference.monitoring._blocks import BlockSums
from metarouter.inference.monitoring._quantities import (
    QUANTITIES,
    Estimates,
    Quantity,
    estimates,
)
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
    # Windows share one chance of failing: window k takes 1 / (k (k + 1)) of it.
    k = np.arange(1, len(sums.finished) + 1)
    shared = settings.alpha / (k * (k + 1))
    promise = getattr(settings, quantity.promise) if quantity.promise else None
    return Course(
        name=quantity.name,
        n=path[:, 0],
        total=estimates(quantity, path, settings.alpha, settings.horizon),
        window_n=np.asarray(k * sums.size, dtype=np.float64),
        window=estimates(quantity, sums.finished, shared, sums.size),
        promise=np.nan if promise is None else float(promise),
    )


def _read(name: str, course: Course, settings: MonitorSettings) -> list[Reading]:
    quantity = QUANTITIES[name]
    lacking = "" if quantity.minimum is None else quantity.minimum.what
    total = _last(course, "all", course.n, course.total, lacking)
    if name == "drawn":
        return [judge_draw(total)]
    window = None
    if len(course.window_n):
        last = int(course.window_n[-1])
        over = f"rows {last - settings.window + 1}-{last}"
        size = np.array([settings.window])
        window = _last(course, over, size, course.window, lacking)
    if quantity.promise is not None and not np.isnan(course.promise):
        total = judge_promise(total, window, quantity.promise, course.promise)
    return [total] if window is None else [total, window]


def _last(course: Course, over: str, n: Any, found: Estimates, lacking: str) -> Reading:
    return Reading(
        quantity=course.name,
        over=over,
        n=int(n[-1]),
        value=float(found.value[-1]),
        lower=float(found.lower[-1]),
        upper=float(found.upper[-1]),
        missing=int(found.missing[-1]),
        lacking=lacking,
    )


def _evidence(alarm: DriftAlarm, skipped: int) -> FloatArray:
    rows = alarm.every * np.arange(len(alarm.path))
    values = [*alarm.path]
    if alarm.n > rows[-1]:
        rows, values = np.append(rows, alarm.n), [*values, alarm.evidence]
    return np.column_stack([rows + skipped, np.array(values) / np.log(10.0)])
