"""What a monitor has seen so far: verdicts on constraints, on the draw of gold labels, on drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import LIMITS, MINIMA, Verdict, rows_needed, worst
from metarouter.inference._result import Result, renamed
from metarouter.inference.guarantees import Constraint
from metarouter.inference.monitoring._drift import DriftAlarm
from metarouter.inference.monitoring._inputs import N_ALARMS, MonitorSettings
from metarouter.inference.monitoring._quantities import (
    QUANTITIES,
    BlockSums,
    Estimates,
    Quantity,
    estimates,
)
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.style import OUTLINE, router_styles

FloatArray = NDArray[np.float64]

_TRAJECTORY, _WINDOW, _LIMIT = "#0072B2", "#7F7F7F", "#D55E00"


@dataclass(frozen=True)
class Reading:
    """One quantity, over all queries or over the last full window.

    Parameters
    ----------
    quantity : str
    over : str
        "all", or which rows.
    n : int
        Rows that it rests on.
    value, lower, upper : float
        Estimate and confidence sequence now; NaN where there are too few rows.
    missing : int
        Rows that are missing to have them.
    lacking : str
        What they are.
    limit : float
        Limit of a constraint on it; NaN if there is none.
    p_value : float
        Of an alarm; else NaN.
    verdict : Verdict or None
    reason : str
    """

    quantity: str
    over: str = "all"
    n: int = 0
    value: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    missing: int = 0
    lacking: str = ""
    limit: float = np.nan
    p_value: float = np.nan
    verdict: Verdict | None = None
    reason: str = ""

    promise = renamed("limit")


@dataclass(frozen=True)
class Watched:
    """An alarm that is fed; None before it starts.

    Parameters
    ----------
    alarm : DriftAlarm or None
    skipped, rows_to_come : int
        Rows before those that it tests, and how many of them are still missing.
    """

    alarm: DriftAlarm | None
    skipped: int = 0
    rows_to_come: int = 0


@dataclass(frozen=True)
class AlarmReading(Reading):
    """One alarm for drift; it reads no value.

    Parameters
    ----------
    quantity : str
        What is watched.
    n : int
        Rows tested.
    p_value : float
        Anytime-valid, and adjusted for the number of alarms (Bonferroni).
    verdict : Verdict
    reason : str
    raised_at, onset, delay : int or None
        The row that raised it, the row after which evidence only rose, and their difference: an
        estimate of the delay of detection.
    """

    raised_at: int | None = None
    onset: int | None = None
    delay: int | None = None

    @property
    def name(self) -> str:
        """What is watched."""
        return self.quantity


def judge_constraint(total: Reading, window: Reading | None, constraint: Constraint) -> Reading:
    """Judge a constraint by the whole stream, and look at its last window too."""
    limit, judge = constraint.limit, LIMITS["constraint"].judge

    def verdict_on(reading: Reading) -> Verdict:
        if constraint.at_least:
            return judge(limit - reading.upper, limit - reading.lower)
        return judge(reading.lower - limit, reading.upper - limit)

    verdict = verdict_on(total)
    words = f"{total.quantity} {constraint.sense} {limit:g}"
    ends = {Verdict.PASS: "kept.", Verdict.FAIL: "broken."}
    reason = f"{words}: {ends.get(verdict, f'open; {_would_settle(total, limit)}')}"
    if verdict is not Verdict.FAIL and window is not None and verdict_on(window) is Verdict.FAIL:
        verdict = Verdict.CAUTION
        reason = f"{words}: not broken overall, but {window.over} break it."
    return replace(total, limit=limit, verdict=verdict, reason=reason)


def judge_draw(reading: Reading) -> Reading:
    """Judge whether gold labels were drawn with the chances that were stated."""
    limit = LIMITS["gold_draw"]
    ends = np.array([reading.lower - 1.0, 1.0 - reading.upper, 0.0])
    least, most = float(ends.max()), float(np.abs(ends).max())
    verdict = limit.judge(least, most)
    if np.isnan(least):
        reason = f"{reading.quantity}: open; {_would_settle(reading, 1.0)}"
    elif least == 0:
        # It would take thousands of gold labels to show it; as with alarms, nothing was seen.
        verdict, reason = Verdict.PASS, f"{reading.quantity}: no sign that they differ."
    else:
        verdict = Verdict.FAIL if verdict is Verdict.FAIL else Verdict.CAUTION
        reason = (
            f"{reading.quantity}: they differ, which biases quality; correct the stated chance "
            "(gold_probability), or feed queries once their gold labels are there (in Python, "
            "update_quality takes late ones)."
        )
    return replace(reading, limit=1.0, verdict=verdict, reason=reason)


def judge_alarm(name: str, watched: Watched) -> AlarmReading:
    """Judge one alarm; before it can be judged, say how many rows would do."""
    alarm, minimum = watched.alarm, MINIMA["monitored_rows"]
    n = 0 if alarm is None else alarm.n
    p_value = np.nan if alarm is None else min(1.0, N_ALARMS * alarm.p_value)
    found = AlarmReading(name, n=n, p_value=p_value)
    if alarm is None or (minimum.missing(n) and alarm.raised_at is None):
        lacking = watched.rows_to_come + minimum.missing(n)
        reason = f"{name}: too early to say; {lacking} more rows would do."
        return replace(found, verdict=Verdict.INCONCLUSIVE, reason=reason)
    if alarm.raised_at is None or alarm.onset is None:
        level, limit = N_ALARMS * alarm.level, LIMITS["drift"]
        limit = replace(limit, passes=max(limit.passes, level), fails=level)
        verdict = limit.judge(p_value, p_value)
        seen = "nothing seen" if verdict is Verdict.PASS else "worth a look, but no alarm"
        return replace(found, verdict=verdict, reason=f"{name}: {seen} in {n} rows.")
    at, onset = watched.skipped + alarm.raised_at, watched.skipped + alarm.onset
    reason = (
        f"{name}: alarm at row {at}, about {at - onset} rows after the drift began (evidence rose "
        f"from row {onset} on)."
    )
    return replace(
        found, verdict=Verdict.FAIL, reason=reason, raised_at=at, onset=onset, delay=at - onset
    )


def _would_settle(reading: Reading, limit: float) -> str:
    if reading.missing:
        return f"{reading.missing} more {reading.lacking} would give an interval."
    if np.isnan(reading.lower):
        return (
            f"the {reading.lacking} are all alike or 0 so far, or a few rare and large ones "
            "decide, which leaves no interval."
        )
    half = (reading.upper - reading.lower) / 2.0
    needed = rows_needed(reading.n, half, abs(reading.value - limit))
    if needed is None:
        return "the estimate stands exactly at the limit."
    if needed <= reading.n:
        return f"more rows than {reading.n} would settle it if things stay as they are."
    return f"about {needed} rows would settle it if things stay as they are, {reading.n} are there."


@dataclass(frozen=True)
class Trajectory:
    """How a quantity went: at the end of every window, and now.

    Parameters
    ----------
    name : str
    n : ndarray of shape (m,)
        Rows so far.
    total : Estimates
        Over all rows so far, shape (m,).
    window_n : ndarray of shape (w,)
        Rows so far at the end of each full window.
    window : Estimates
        Over each full window by itself, shape (w,).
    limit : float
        NaN if there is none.
    """

    name: str
    n: FloatArray
    total: Estimates
    window_n: FloatArray
    window: Estimates
    limit: float

    promise = renamed("limit")


@dataclass(frozen=True)
class MonitorReport(Result):
    """Estimates with confidence sequences, constraints kept and broken, alarms.

    Parameters
    ----------
    level : float
        Chance with which a confidence sequence never leaves out what it estimates.
    alarm_level : float
        Largest chance that any alarm is ever false.
    loud : float
        Evidence at which an alarm is raised.
    window : int
    n_queries, n_gold : int
        Decisions and gold labels so far.
    is_bounded : bool
        Whether gains have known bounds, so that intervals for gain and loss are exact.
    readings : tuple of Reading
    alarms : tuple of AlarmReading
    trajectories : dict of str to Trajectory
    evidence : dict of str to ndarray of shape (m, 2)
        Rows and log10 of the evidence of each alarm.
    """

    level: float
    alarm_level: float
    loud: float
    window: int
    n_queries: int
    n_gold: int
    is_bounded: bool
    readings: tuple[Reading, ...]
    alarms: tuple[AlarmReading, ...]
    trajectories: dict[str, Trajectory] = field(repr=False)
    evidence: dict[str, FloatArray] = field(repr=False)

    courses = renamed("trajectories")

    _TITLE = "Monitoring of the router"
    _ROWS = "rows"
    _COLUMNS = (
        "quantity, over, n, estimate=value, ci_low=lower, ci_high=upper, promise=limit, p_value, "
        "verdict"
    )
    _FACTS = {
        "queries": "{self.n_queries}",
        "gold labels": "{self.n_gold}",
        "level": "{self.level:g} at all times at once",
        "false alarms": "chance at most {self.alarm_level:g}, ever",
        "window": "{self.window}",
        "gravest verdict": "{self.verdict}",
    }

    @property
    def rows(self) -> tuple[Reading, ...]:
        """Readings of every quantity, over all queries and the last window, and of every alarm."""
        return (*self.readings, *self.alarms)

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict on constraints, on the draw of gold labels, and of the alarms."""
        return worst([row.verdict for row in self.rows if row.verdict is not None])

    @property
    def is_alarm(self) -> bool:
        """Whether a constraint is broken, gold is drawn otherwise, or an alarm was raised."""
        return self.verdict is Verdict.FAIL

    def plot(self, ax: Any = None, *, quantity: str = "share") -> Any:
        """Draw how a quantity went, with its confidence sequence and its limit.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        quantity : str, default="share"
            One of `trajectories`.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        MetaRouterError
            If the quantity is not monitored.
        """
        if quantity not in self.trajectories:
            known = ", ".join(self.trajectories) or "nothing yet"
            raise MetaRouterError(f"{quantity!r} is not monitored here; there is {known}.")
        drawn = self.trajectories[quantity]
        n, total, window = drawn.n, drawn.total, drawn.window
        ax = new_axes(ax, 7.0, 4.0)
        ax.fill_between(n, total.lower, total.upper, color=_TRAJECTORY, alpha=0.18, linewidth=0)
        name = f"all so far, {self.level:.0%} at all times"
        line = {"linewidth": 1.8, "marker": "o" if len(n) < 3 else None, "markersize": 4}
        ax.plot(n, total.value, color=_TRAJECTORY, label=name, **line)
        if len(drawn.window_n):
            middle, there = drawn.window_n - self.window / 2, ~np.isnan(window.lower)
            name = f"each {self.window} rows, {self.level:.0%} for all windows"
            ax.plot(middle, window.value, "s", color=_WINDOW, markersize=3.5, label=name)
            ends = window.lower[there], window.upper[there]
            ax.vlines(middle[there], *ends, color=_WINDOW, linewidth=0.8)
        if not np.isnan(drawn.limit):
            ax.axhline(drawn.limit, color=_LIMIT, linewidth=1.4, linestyle="--", label="limit")
        ax.set_ylim(*_shown(drawn))
        ax.set_xlim(left=0)
        return label_axes(ax, "rows so far", drawn.name, legend="above", ncols=3)

    def plot_evidence(self, ax: Any = None) -> Any:
        """Draw the evidence of every alarm, in powers of ten, against the line that raises it."""
        ax = new_axes(ax, 7.0, 4.0)
        styles = router_styles(self.evidence)
        for name, style in styles.items():
            rows, evidence = self.evidence[name].T
            line = style.line() | {"marker": style.marker if len(rows) < 12 else None}
            ax.plot(rows, evidence, **line)
        name = f"alarm: evidence {self.loud:.3g}"
        ax.axhline(np.log10(self.loud), color=OUTLINE, linewidth=1.2, linestyle="--", label=name)
        for alarm in self.alarms:
            if alarm.raised_at is not None:
                color = styles[alarm.name].color
                ax.axvline(alarm.raised_at, color=color, linewidth=0.8, linestyle=":")
        ax.set_xlim(left=0)
        x = "rows so far; of the quality, gold labels (dotted: alarm)"
        return label_axes(ax, x, "evidence for drift, log10", legend="above", ncols=2)

    def _notes(self) -> tuple[str, ...]:
        unseen = (
            f"Of a kind of gold label rarer than 1 in {max(1, self.n_gold // 3)} none may have come"
            " yet (rule of three): where such labels may be large, give gain_bounds."
        )
        return (
            "Look and stop whenever you like: each ci holds at all times at once. Windows are full "
            "ones, and their intervals hold for all windows at once. A dash stands where there are "
            "too few rows.",
            *([unseen] if self.n_gold and not self.is_bounded else []),
            *(f"{row.verdict} on {row.reason}" for row in self.rows if row.verdict is not None),
        )


def _shown(trajectory: Any) -> tuple[float, float]:
    """Choose limits that show all windows and what has settled, not the first, wide intervals."""
    parts = [trajectory.total.value, trajectory.window.value, [trajectory.limit]]
    parts += [trajectory.window.lower, trajectory.window.upper]
    if not np.isnan(trajectory.total.lower[-1]):
        parts += [trajectory.total.lower[-1:], trajectory.total.upper[-1:]]
    middle = len(trajectory.n) // 4
    parts += [trajectory.total.lower[middle:], trajectory.total.upper[middle:]]
    values = np.concatenate([np.asarray(part, dtype=float) for part in parts])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    room = 0.08 * (high - low) or 0.05
    return low - room, high + room


def report_on(
    settings: MonitorSettings,
    kept: Mapping[str, BlockSums],
    alarms: Mapping[str, Watched],
    least_probability: float = 1.0,
) -> MonitorReport:
    """Put together what is known.

    Parameters
    ----------
    settings : MonitorSettings
    kept : dict of str to BlockSums
        Sums by name; those without rows are left out.
    alarms : dict of str to Watched
        Alarms that are fed.
    least_probability : float, default=1.0
        Smallest chance of a gold label so far.
    """
    trajectories = {
        name: _trajectory(quantity, kept[quantity.kept], settings, least_probability)
        for name, quantity in QUANTITIES.items()
        if kept[quantity.kept].n
    }
    found: list[Reading] = []
    for name, trajectory in trajectories.items():
        found += _read(trajectory, QUANTITIES[name], settings)
    return MonitorReport(
        level=settings.level,
        alarm_level=settings.alarm_level,
        loud=1.0 / settings.level_per_alarm,
        window=settings.window,
        n_queries=kept["usage"].n,
        n_gold=int(kept["quality"].total[1]),
        is_bounded=settings.gain_bounds is not None,
        readings=tuple(found),
        alarms=tuple(judge_alarm(name, watched) for name, watched in alarms.items()),
        trajectories=trajectories,
        evidence={
            name: _evidence(watched.alarm, watched.skipped)
            for name, watched in alarms.items()
            if watched.alarm is not None
        },
    )


def _trajectory(
    quantity: Quantity,
    sums: BlockSums,
    settings: MonitorSettings,
    least_probability: float,
) -> Trajectory:
    path = sums.path()
    # Windows share one chance of failing: window k takes 1 / (k (k + 1)) of it.
    k = np.arange(1, len(sums.finished) + 1)
    shared = settings.alpha / (k * (k + 1))
    constraint = settings.constraints().get(quantity.constraint or "")
    bounds = settings.gain_bounds if quantity.kept == "quality" else settings.cost_bounds
    bounded = None
    if quantity.bounded is not None and bounds is not None:
        bounded = quantity.bounded(bounds, least_probability)
    return Trajectory(
        name=quantity.name,
        n=path[:, 0],
        total=estimates(quantity, path, settings.alpha, settings.horizon, bounded),
        window_n=np.asarray(k * sums.size, dtype=np.float64),
        window=estimates(quantity, sums.finished, shared, sums.size, bounded),
        limit=np.nan if constraint is None else constraint.limit,
    )


def _read(trajectory: Trajectory, quantity: Quantity, settings: MonitorSettings) -> list[Reading]:
    """Read a quantity over all rows and over the last full window, and judge it."""
    lacking = "" if quantity.minimum is None else quantity.minimum.what

    def last(over: str, n: float, found: Estimates) -> Reading:
        value, lower, upper, missing = (column[-1].item() for column in found)
        return Reading(quantity.name, over, int(n), value, lower, upper, missing, lacking)

    total, window = last("all", trajectory.n[-1], trajectory.total), None
    if quantity is QUANTITIES["drawn"]:
        return [judge_draw(total)]
    if len(trajectory.window_n):
        end = int(trajectory.window_n[-1])
        over = f"rows {end - settings.window + 1}-{end}"
        window = last(over, settings.window, trajectory.window)
    constraint = settings.constraints().get(quantity.constraint or "")
    if constraint is not None:
        total = judge_constraint(total, window, constraint)
    return [total] if window is None else [total, window]


def _evidence(alarm: DriftAlarm, skipped: int) -> FloatArray:
    rows = alarm.every * np.arange(len(alarm.path))
    values = [*alarm.path]
    if alarm.n > rows[-1]:
        rows, values = np.append(rows, alarm.n), [*values, alarm.evidence]
    return np.column_stack([rows + skipped, np.array(values) / np.log(10.0)])
