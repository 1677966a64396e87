"""What a monitor has seen so far: verdicts on constraints, on the draw of gold labels, on drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import (
    DECISION_THRESHOLDS,
    MINIMUM_SAMPLE_SIZES,
    Verdict,
    about,
    rows_needed,
    worst,
)
from metarouter.inference._result import Result, renamed
from metarouter.inference.guarantees import Constraint, constraint_of
from metarouter.inference.intervals import FloatArray
from metarouter.inference.monitoring._drift import DriftAlarm
from metarouter.inference.monitoring._inputs import N_ALARMS, MonitorSettings
from metarouter.inference.monitoring._quantities import (
    MINIMUM_OF,
    QUANTITIES,
    BlockSums,
    Estimates,
    estimates,
)
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.style import OUTLINE, router_styles

_TRAJECTORY, _WINDOW, _LIMIT = "#0072B2", "#7F7F7F", "#D55E00"


@dataclass(frozen=True)
class Reading:
    """One quantity, over all queries or over the last full window, or one alarm for drift.

    Parameters
    ----------
    quantity : str
    over : str
        "all", or which rows.
    n : int
        Rows that it rests on, or were tested.
    value, lower, upper : float
        Estimate and confidence sequence now; NaN where there are too few rows.
    missing, lacking : int and str
        Rows that are missing to have them, and what they are.
    limit : float
        Limit of a constraint on it; NaN if there is none.
    p_value : float
        Of an alarm, which reads no value: anytime-valid, and adjusted for the number of alarms
        (Bonferroni). NaN for a quantity.
    verdict : Verdict or None
    reason : str
    raised_at, onset, delay : int or None
        The row that raised an alarm, the row after which its evidence only rose, and their
        difference: an estimate of the delay of detection.
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
    raised_at: int | None = None
    onset: int | None = None
    delay: int | None = None

    promise = renamed("limit")
    name = renamed("quantity")


class Watched(NamedTuple):
    """An alarm, None before it starts, the rows before its first, and those still to come."""

    alarm: DriftAlarm | None
    skipped: int = 0
    rows_to_come: int = 0


def judge_constraint(total: Reading, window: Reading | None, constraint: Constraint) -> Reading:
    """Judge a constraint by the whole stream, and look at its last window too."""
    sign = -1.0 if constraint.at_least else 1.0

    def verdict_on(reading: Reading) -> Verdict:
        excess = [sign * (end - constraint.limit) for end in (reading.lower, reading.upper)]
        return DECISION_THRESHOLDS["constraint"].judge(*excess)

    verdict = verdict_on(total)
    if verdict is not Verdict.FAIL and window is not None and verdict_on(window) is Verdict.FAIL:
        verdict = Verdict.CAUTION
        found = f"not broken overall, but {window.over} break it."
    elif verdict is Verdict.INCONCLUSIVE:
        found = f"open; {_would_settle(total, constraint.limit)}"
    else:
        found = "kept." if verdict is Verdict.PASS else "broken."
    reason = f"{total.quantity} {constraint.sense} {constraint.limit:g}: {found}"
    return replace(total, limit=constraint.limit, verdict=verdict, reason=reason)


def judge_draw(reading: Reading) -> Reading:
    """Judge whether gold labels were drawn with the chances that were stated."""
    if np.isnan(reading.lower):
        verdict, found = Verdict.INCONCLUSIVE, f"open; {_would_settle(reading, 1.0)}"
    elif reading.lower <= 1.0 <= reading.upper:
        # It would take thousands of gold labels to show it; as with alarms, nothing was seen.
        verdict, found = Verdict.PASS, "no sign that they differ."
    else:
        distance = max(reading.lower - 1.0, 1.0 - reading.upper)
        verdict = (
            Verdict.FAIL if distance > DECISION_THRESHOLDS["gold_draw"].fails else Verdict.CAUTION
        )
        found = (
            "they differ, which biases quality; correct gold_probability, or feed queries once "
            "their gold labels are there (in Python, update_quality takes late ones)."
        )
    return replace(reading, limit=1.0, verdict=verdict, reason=f"{reading.quantity}: {found}")


def judge_alarm(name: str, watched: Watched) -> Reading:
    """Judge one alarm; before it can be judged, say how many rows would do."""
    alarm, skipped, rows_to_come = watched
    n = 0 if alarm is None else alarm.n
    p_value = np.nan if alarm is None else min(1.0, N_ALARMS * alarm.p_value)
    reading = Reading(name, n=n, p_value=p_value)
    missing = MINIMUM_SAMPLE_SIZES["monitored_rows"].missing(n)
    if alarm is not None and alarm.raised_at is not None and alarm.onset is not None:
        at, onset = skipped + alarm.raised_at, skipped + alarm.onset
        reading = replace(reading, raised_at=at, onset=onset, delay=at - onset)
        verdict = Verdict.FAIL
        found = f"alarm at row {at}; evidence rose from row {onset} on, {at - onset} rows before."
    elif missing:
        verdict = Verdict.INCONCLUSIVE
        found = f"too early to say; {rows_to_come + missing} more rows would do."
    elif p_value >= DECISION_THRESHOLDS["drift"].passes:
        verdict, found = Verdict.PASS, f"nothing seen in {n} rows."
    else:
        verdict, found = Verdict.CAUTION, f"worth a look, but no alarm in {n} rows."
    return replace(reading, verdict=verdict, reason=f"{name}: {found}")


def _would_settle(reading: Reading, limit: float) -> str:
    if reading.missing:
        return f"{reading.missing} more {reading.lacking} would give an interval."
    if np.isnan(reading.lower):
        return f"the {reading.lacking} are all alike or 0, or a few rare and large ones decide."
    half = (reading.upper - reading.lower) / 2.0
    needed = about(rows_needed(reading.n, half, abs(reading.value - limit)), reading.n)
    return f"{needed} rows would settle it if things stay as they are; rows so far: {reading.n}."


@dataclass(frozen=True)
class Trajectory:
    """How a quantity went: at the end of every window, and now.

    Parameters
    ----------
    name : str
    n, total : ndarray of shape (m,) and Estimates
        Rows so far, and over all of them.
    window_n, window : ndarray of shape (w,) and Estimates
        Rows so far at the end of each full window, and over each window by itself.
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
    alarm_level, alarm_threshold : float
        Largest chance that any alarm is ever false, and the evidence at which one is raised.
    window : int
    n_queries, n_gold : int
        Decisions and gold labels so far.
    is_bounded : bool
        Whether gains have known bounds, so that intervals for gain and loss are exact.
    readings, alarms : tuple of Reading
    trajectories : dict of str to Trajectory
    evidence : dict of str to ndarray of shape (m, 2)
        Rows and log10 of the evidence of each alarm.
    """

    level: float
    alarm_level: float
    alarm_threshold: float
    window: int
    n_queries: int
    n_gold: int
    is_bounded: bool
    readings: tuple[Reading, ...]
    alarms: tuple[Reading, ...]
    trajectories: dict[str, Trajectory] = field(repr=False)
    evidence: dict[str, FloatArray] = field(repr=False)

    courses = renamed("trajectories")
    loud = renamed("alarm_threshold")

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
        dashed = {"color": OUTLINE, "linewidth": 1.2, "linestyle": "--"}
        name = f"alarm: evidence {self.alarm_threshold:.3g}"
        ax.axhline(np.log10(self.alarm_threshold), label=name, **dashed)
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


def _shown(trajectory: Trajectory) -> tuple[float, float]:
    """Choose limits that show all windows and what has settled, not the first, wide intervals."""
    total, window, late = trajectory.total, trajectory.window, slice(len(trajectory.n) // 4, None)
    values = np.concatenate(
        [total.value, total.lower[late], total.upper[late], *window[:3], [trajectory.limit]]
    )
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
    room = 0.08 * (high - low) or 0.05
    return low - room, high + room


def report_on(
    settings: MonitorSettings,
    kept: Mapping[str, BlockSums],
    alarms: Mapping[str, Watched],
    least_probability: float = 1.0,
) -> MonitorReport:
    """Put together what is known, from sums of which some may be empty, and alarms that are fed."""
    trajectories: dict[str, Trajectory] = {}
    readings: list[Reading] = []
    for name, quantity in QUANTITIES.items():
        if kept[quantity.kept].n:
            found = _trajectory(name, kept[quantity.kept], settings, least_probability)
            trajectories[name] = found
            readings += _read(name, found, settings.window)
    return MonitorReport(
        level=settings.level,
        alarm_level=settings.alarm_level,
        alarm_threshold=N_ALARMS / settings.alarm_level,
        window=settings.window,
        n_queries=kept["usage"].n,
        n_gold=int(kept["quality"].total[1]),
        is_bounded=settings.gain_bounds is not None,
        readings=tuple(readings),
        alarms=tuple(judge_alarm(name, watched) for name, watched in alarms.items()),
        trajectories=trajectories,
        evidence={
            name: watched.alarm.trajectory() + np.array([watched.skipped, 0.0])
            for name, watched in alarms.items()
            if watched.alarm is not None
        },
    )


def _trajectory(
    name: str, sums: BlockSums, settings: MonitorSettings, least_probability: float
) -> Trajectory:
    quantity, path = QUANTITIES[name], sums.path()
    limit = getattr(settings, quantity.constraint) if quantity.constraint else None
    bounds = getattr(settings, quantity.bounds) if quantity.bounds else None
    estimated = partial(estimates, name, bounds=bounds, least_probability=least_probability)
    # Windows share one chance of failing: window k takes 1 / (k (k + 1)) of it.
    alpha, k = 1.0 - settings.level, np.arange(1, len(sums.finished) + 1)
    return Trajectory(
        name=quantity.name,
        n=path[:, 0],
        total=estimated(path, alpha, settings.horizon),
        window_n=np.asarray(k * sums.size, dtype=np.float64),
        window=estimated(sums.finished, alpha / (k * (k + 1)), sums.size),
        limit=np.nan if limit is None else limit,
    )


def _read(name: str, trajectory: Trajectory, size: int) -> list[Reading]:
    """Read a quantity over all rows and over the last full window, and judge it."""
    quantity = QUANTITIES[name]

    def last(over: str, n: float, found: Estimates) -> Reading:
        value, lower, upper, missing = (column[-1].item() for column in found)
        what = MINIMUM_OF[quantity.kept].what
        return Reading(quantity.name, over, int(n), value, lower, upper, missing, what)

    total, window = last("all", trajectory.n[-1], trajectory.total), None
    if name == "drawn":
        return [judge_draw(total)]
    if len(trajectory.window_n):
        end = int(trajectory.window_n[-1])
        window = last(f"rows {end - size + 1}-{end}", size, trajectory.window)
    if not np.isnan(trajectory.limit):
        constraint = constraint_of(quantity.constraint, trajectory.limit)
        total = judge_constraint(total, window, constraint)
    return [total] if window is None else [total, window]
