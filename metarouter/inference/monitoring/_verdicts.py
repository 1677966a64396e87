"""Verdicts on promises, on the draw of gold labels, and on drift."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from metarouter.inference._limits import LIMITS, MINIMA, Verdict, rows_needed
from metarouter.inference.monitoring._alarm import DriftAlarm
from metarouter.inference.monitoring._settings import N_ALARMS, PROMISES

__all__ = ["AlarmReading", "Reading", "Watched", "judge_alarm", "judge_draw", "judge_promise"]


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
        What was promised; NaN if nothing.
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


def judge_promise(total: Reading, window: Reading | None, name: str, promise: float) -> Reading:
    """Judge what was promised by the whole stream, and look at its last window too."""
    sense = PROMISES[name]
    limit = LIMITS["promise"]

    def verdict_on(reading: Reading) -> Verdict:
        if sense == "at most":
            return limit.judge(reading.lower - promise, reading.upper - promise)
        return limit.judge(promise - reading.upper, promise - reading.lower)

    verdict = verdict_on(total)
    words = f"{total.quantity} {sense} {promise:g}"
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
        return "the estimate stands exactly at the promise."
    if needed <= reading.n:
        return f"more rows than {reading.n} would settle it if things stay as they are."
    return f"about {needed} rows would settle it if things stay as they are, {reading.n} are there."
