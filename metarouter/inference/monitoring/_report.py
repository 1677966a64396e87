"""What a monitor has seen so far: verdicts on constraints, on the draw of gold labels, on drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import LIMITS, MINIMA, Verdict, rows_needed, worst
from metarouter.inference.guarantees import Constraint
from metarouter.inference.monitoring._drift import DriftAlarm
from metarouter.inference.monitoring._quantities import QUANTITIES, Estimates, Quantity, estimates
from metarouter.inference.monitoring._settings import N_ALARMS, MonitorSettings
from metarouter.inference.monitoring._sums import BlockSums
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import router_styles
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd


_TRAJECTORY, _WINDOW, _LIMIT = "#0072B2", "#7F7F7F", "#D55E00"


def plot_quantity(report: Any, quantity: str, ax: Any) -> Any:
    """Draw the trajectory of one quantity, its windows and its limit."""
    if quantity not in report.trajectories:
        known = ", ".join(report.trajectories) or "nothing yet"
        raise MetaRouterError(f"{quantity!r} is not monitored here; there is {known}.")
    trajectory = report.trajectories[quantity]
    ax = new_axes(ax, 7.0, 4.0)
    marker = "o" if len(trajectory.n) < 3 else None
    ax.fill_between(
        trajectory.n,
        trajectory.total.lower,
        trajectory.total.upper,
        color=_TRAJECTORY,
        alpha=0.18,
        linewidth=0,
    )
    ax.plot(
        trajectory.n, trajectory.total.value, color=_TRAJECTORY, linewidth=1.8, marker=marker,
        markersize=4, label=f"all so far, {report.level:.0%} at all times",
    )  # fmt: skip
    if len(trajectory.window_n):
        middle = trajectory.window_n - report.window / 2
        known = ~np.isnan(trajectory.window.lower)
        ax.plot(
            middle, trajectory.window.value, color=_WINDOW, marker="s", markersize=3.5,
            linestyle="", label=f"each {report.window} rows, {report.level:.0%} for all windows",
        )  # fmt: skip
        ax.vlines(
            middle[known], trajectory.window.lower[known], trajectory.window.upper[known],
            color=_WINDOW, linewidth=0.8,
        )  # fmt: skip
    if not np.isnan(trajectory.promise):
        ax.axhline(trajectory.promise, color=_LIMIT, linewidth=1.4, linestyle="--", label="promise")
    ax.set_ylim(*_shown(trajectory))
    ax.set_xlim(left=0)
    ax.set_xlabel("rows so far")
    ax.set_ylabel(trajectory.name)
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


def _shown(trajectory: Any) -> tuple[float, float]:
    """Choose limits that show all windows and what has settled, not the first, wide intervals."""
    parts = [trajectory.total.value, trajectory.window.value, [trajectory.promise]]
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


def _legend(ax: Any, columns: int) -> None:
    ax.legend(
        frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0),
        ncols=columns,
    )  # fmt: skip


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
    promise : float
        Limit of a constraint on it; NaN if there is none.
    verdict : Verdict or None
    reason : str
    """

    quantity: str
    over: str
    n: int
    value: float
    lower: float
    upper: float
    missing: int = 0
    lacking: str = ""
    promise: float = np.nan
    verdict: Verdict | None = None
    reason: str = ""


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
class AlarmReading:
    """One alarm for drift.

    Parameters
    ----------
    name : str
    n : int
        Rows tested.
    p_value : float
        Anytime-valid, and adjusted for the number of alarms (Bonferroni).
    raised_at, onset, delay : int or None
        The row that raised it, the row after which evidence only rose, and their difference: an
        estimate of the delay of detection.
    verdict : Verdict
    reason : str
    """

    name: str
    n: int
    p_value: float
    raised_at: int | None
    onset: int | None
    delay: int | None
    verdict: Verdict
    reason: str


def judge_constraint(total: Reading, window: Reading | None, constraint: Constraint) -> Reading:
    """Judge a constraint by the whole stream, and look at its last window too."""
    promise, limit = constraint.limit, LIMITS["promise"]

    def verdict_on(reading: Reading) -> Verdict:
        if constraint.at_least:
            return limit.judge(promise - reading.upper, promise - reading.lower)
        return limit.judge(reading.lower - promise, reading.upper - promise)

    verdict = verdict_on(total)
    words = f"{total.quantity} {constraint.sense} {promise:g}"
    if verdict is not Verdict.FAIL and window is not None and verdict_on(window) is Verdict.FAIL:
        verdict = Verdict.CAUTION
        reason = f"{words}: not broken overall, but {window.over} break it."
    elif verdict is Verdict.PASS:
        reason = f"{words}: kept."
    elif verdict is Verdict.FAIL:
        reason = f"{words}: broken."
    else:
        reason = f"{words}: open; {_would_settle(total, promise)}"
    return replace(total, promise=promise, verdict=verdict, reason=reason)


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
    return replace(reading, promise=1.0, verdict=verdict, reason=reason)


def judge_alarm(name: str, watched: Watched) -> AlarmReading:
    """Judge one alarm; before it can be judged, say how many rows would do."""
    alarm, minimum = watched.alarm, MINIMA["monitored_rows"]
    n = 0 if alarm is None else alarm.n
    p_value = np.nan if alarm is None else min(1.0, N_ALARMS * alarm.p_value)
    if alarm is None or (minimum.missing(n) and alarm.raised_at is None):
        lacking = watched.rows_to_come + minimum.missing(n)
        reason = f"{name}: too early to say; {lacking} more rows would do."
        return AlarmReading(name, n, p_value, None, None, None, Verdict.INCONCLUSIVE, reason)
    if alarm.raised_at is None or alarm.onset is None:
        level, limit = N_ALARMS * alarm.level, LIMITS["drift"]
        limit = replace(limit, passes=max(limit.passes, level), fails=level)
        verdict = limit.judge(p_value, p_value)
        seen = "nothing seen" if verdict is Verdict.PASS else "worth a look, but no alarm"
        reason = f"{name}: {seen} in {n} rows."
        return AlarmReading(name, n, p_value, None, None, None, verdict, reason)
    raised_at, onset = watched.skipped + alarm.raised_at, watched.skipped + alarm.onset
    delay = raised_at - onset
    reason = (
        f"{name}: alarm at row {raised_at}, about {delay} rows after the drift began (evidence "
        f"rose from row {onset} on)."
    )
    return AlarmReading(name, n, p_value, raised_at, onset, delay, Verdict.FAIL, reason)


def _would_settle(reading: Reading, promise: float) -> str:
    if reading.missing:
        return f"{reading.missing} more {reading.lacking} would give an interval."
    if np.isnan(reading.lower):
        return (
            f"the {reading.lacking} are all alike or 0 so far, or a few rare and large ones "
            "decide, which leaves no interval."
        )
    half = (reading.upper - reading.lower) / 2.0
    needed = rows_needed(reading.n, half, abs(reading.value - promise))
    if needed is None:
        return "the estimate stands exactly at the limit."
    if needed <= reading.n:
        return f"more rows than {reading.n} would settle it if things stay as they are."
    return f"about {needed} rows would settle it if things stay as they are, {reading.n} are there."


FloatArray = NDArray[np.float64]


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
    promise : float
        NaN if there is none.
    """

    name: str
    n: FloatArray
    total: Estimates
    window_n: FloatArray
    window: Estimates
    promise: float


@dataclass(frozen=True)
class MonitorReport(Printed):
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

    @property
    def courses(self) -> dict[str, Trajectory]:
        """Former name of `trajectories`, kept for one release."""
        return self.trajectories

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict on constraints, on the draw of gold labels, and of the alarms."""
        judged = [reading.verdict for reading in self.readings if reading.verdict is not None]
        return worst([*judged, *(alarm.verdict for alarm in self.alarms)])

    @property
    def is_alarm(self) -> bool:
        """Whether a constraint is broken, gold is drawn otherwise, or an alarm was raised."""
        return self.verdict is Verdict.FAIL

    def to_frame(self) -> pd.DataFrame:
        """Return one row per quantity, over all queries and the last window, and per alarm."""
        import pandas as pd

        quantities = [
            {
                "quantity": reading.quantity,
                "over": reading.over,
                "n": reading.n,
                "estimate": reading.value,
                "ci_low": reading.lower,
                "ci_high": reading.upper,
                "promise": reading.promise,
                "p_value": np.nan,
                "verdict": "" if reading.verdict is None else str(reading.verdict),
            }
            for reading in self.readings
        ]
        alarms = [
            {"quantity": alarm.name, "over": "all", "n": alarm.n}
            | dict.fromkeys(("estimate", "ci_low", "ci_high", "promise"), np.nan)
            | {"p_value": alarm.p_value, "verdict": str(alarm.verdict)}
            for alarm in self.alarms
        ]
        return pd.DataFrame(quantities + alarms)

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
        return plot_quantity(self, quantity, ax)

    def plot_evidence(self, ax: Any = None) -> Any:
        """Draw the evidence of every alarm against the line at which it is raised.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        return plot_evidence(self, ax)

    def _title(self) -> str:
        return "Monitoring of the router"

    def _facts(self) -> dict[str, str]:
        return {
            "queries": f"{self.n_queries}",
            "gold labels": f"{self.n_gold}",
            "level": f"{self.level:g} at all times at once",
            "false alarms": f"chance at most {self.alarm_level:g}, ever",
            "window": f"{self.window}",
            "gravest verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        judged = [(item.verdict, item.reason) for item in self.readings if item.verdict is not None]
        judged += [(item.verdict, item.reason) for item in self.alarms]
        return (
            "Look and stop whenever you like: each ci holds at all times at once. Windows are full "
            "ones, and their intervals hold for all windows at once. A dash stands where there are "
            "too few rows.",
            *self._unseen(),
            *(f"{verdict} on {reason}" for verdict, reason in judged),
        )

    def _unseen(self) -> tuple[str, ...]:
        if self.is_bounded or not self.n_gold:
            return ()
        return (
            f"Of a kind of gold label rarer than 1 in {max(1, self.n_gold // 3)} none may have come"
            " yet (rule of three): where such labels may be large, give gain_bounds.",
        )


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
    constraints = settings.constraints()
    trajectories = {
        name: _trajectory(quantity, kept[quantity.kept], settings, constraints, least_probability)
        for name, quantity in QUANTITIES.items()
        if kept[quantity.kept].n
    }
    found: list[Reading] = []
    for name, trajectory in trajectories.items():
        found += _read(name, trajectory, settings, constraints)
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
    constraints: Mapping[str, Constraint],
    least_probability: float,
) -> Trajectory:
    path = sums.path()
    # Windows share one chance of failing: window k takes 1 / (k (k + 1)) of it.
    k = np.arange(1, len(sums.finished) + 1)
    shared = settings.alpha / (k * (k + 1))
    constraint = constraints.get(quantity.constraint or "")
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
        promise=np.nan if constraint is None else constraint.limit,
    )


def _read(
    name: str,
    trajectory: Trajectory,
    settings: MonitorSettings,
    constraints: Mapping[str, Constraint],
) -> list[Reading]:
    quantity = QUANTITIES[name]
    lacking = "" if quantity.minimum is None else quantity.minimum.what
    total = _last(trajectory, "all", trajectory.n, trajectory.total, lacking)
    if name == "drawn":
        return [judge_draw(total)]
    window = None
    if len(trajectory.window_n):
        last = int(trajectory.window_n[-1])
        over = f"rows {last - settings.window + 1}-{last}"
        size = np.array([settings.window])
        window = _last(trajectory, over, size, trajectory.window, lacking)
    if quantity.constraint is not None and quantity.constraint in constraints:
        total = judge_constraint(total, window, constraints[quantity.constraint])
    return [total] if window is None else [total, window]


def _last(trajectory: Trajectory, over: str, n: Any, found: Estimates, lacking: str) -> Reading:
    return Reading(
        quantity=trajectory.name,
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
