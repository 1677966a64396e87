"""Counters and a histogram of times, in the text format that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from threading import Lock
from typing import Any

__all__ = ["Metrics"]

# Upper limits of the histogram of times, in seconds.
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """What an endpoint counts since it was started."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._responses: Counter[tuple[str, int]] = Counter()
        self._routed: Counter[str] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def responded(self, path: str, status: int, seconds: float) -> None:
        """Count a response."""
        with self._lock:
            self._responses[path, status] += 1
            buckets = self._buckets.setdefault(path, [0] * (len(_BOUNDS) + 1))
            buckets[bisect_left(_BOUNDS, seconds)] += 1
            self._seconds[path] = self._seconds.get(path, 0.0) + seconds

    def routed(self, model: Any) -> None:
        """Count a decision."""
        with self._lock:
            self._routed[str(model)] += 1

    def text(self, counts: Any) -> str:
        """Return all numbers; `counts` are those of the live router, over all restarts."""
        lines: list[str] = []
        with self._lock:
            lines.append("# TYPE bandits_responses_total counter")
            lines += [
                f'bandits_responses_total{{path="{path}",status="{status}"}} {number}'
                for (path, status), number in sorted(self._responses.items())
            ]
            lines.append("# TYPE bandits_response_seconds histogram")
            for path, buckets in sorted(self._buckets.items()):
                lines += _histogram(path, buckets, self._seconds[path])
            lines.append("# TYPE bandits_routed_total counter")
            lines += [
                f'bandits_routed_total{{model="{_escaped(model)}"}} {number}'
                for model, number in sorted(self._routed.items())
            ]
        if counts is not None:
            lines.append("# TYPE bandits_decisions gauge")
            lines += [
                f'bandits_decisions{{state="{state}"}} {getattr(counts, state)}'
                for state in ("accepted", "pending", "expired", "void")
            ]
            lines.append("# TYPE bandits_outcomes_ignored_total counter")
            lines += [
                f'bandits_outcomes_ignored_total{{why="{why.value}"}} {number}'
                for why, number in counts.ignored.items()
            ]
        return "\n".join(lines) + "\n"


def _histogram(path: str, buckets: list[int], seconds: float) -> list[str]:
    lines, total = [], 0
    for bound, number in zip((*_BOUNDS, "+Inf"), buckets, strict=True):
        total += number
        lines.append(f'bandits_response_seconds_bucket{{path="{path}",le="{bound}"}} {total}')
    lines.append(f'bandits_response_seconds_sum{{path="{path}"}} {seconds:.6f}')
    lines.append(f'bandits_response_seconds_count{{path="{path}"}} {total}')
    return lines


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
